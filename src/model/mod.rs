//! The seams: what one stage hands to the next, and what is written to disk. Data only, no behaviour beyond
//! small conversions.
//!
//! `plan` and `journey` say what shall happen; `sample`, `reading`, `fault` and `event` say what did, `calls` what befell
//! calls to upstreams; `interval` and `timeline` gather it; `upstream` (with `supabase`, `function` and `source`) is what the app talks to, `content`
//! what its OpenAI says, `pace` and `limits` how fast and how much, `control` who may change faults by hand, and `prices` what that costs; `memory_group` is
//! where an app's memory is counted; `playbook` says what would be an incident;
//! `verdict` says what was one; `run_record` is all of it on disk.

pub mod calls;
pub mod content;
pub mod control;
pub mod event;
pub mod fault;
pub mod function;
pub mod interval;
pub mod journey;
pub mod limits;
pub mod memory_group;
pub mod pace;
pub mod plan;
pub mod playbook;
pub mod prices;
pub mod reading;
pub mod run_record;
pub mod sample;
pub mod secret;
pub mod source;
pub mod supabase;
pub mod timeline;
pub mod toxic;
pub mod upstream;
pub mod verdict;
