//! Files to [`Plan`](crate::model::plan::Plan) and [`Playbook`](crate::model::playbook::Playbook): scenario, fault
//! profile, playbook and content rules, strict and with places.
//!
//! Three passes, each a type: the text with the command line's edits becomes a spanned document (`document`), that
//! becomes what was typed (`*_file`), and that becomes what it means (`resolve_*`). The first two stop at the first
//! mistake, as a compiler's parser does; the third collects every mistake. Nothing here opens a connection.

mod builtin;
mod checks_file;
mod collector;
mod connection_fault_file;
mod content_file;
mod control;
mod control_file;
mod delay_file;
mod diagnostic;
mod document;
mod env;
mod envoy;
mod fault_profile_file;
mod find;
mod functions_file;
mod inject_file;
mod load;
mod mocks;
mod openai_file;
mod overlap;
mod playbook_file;
mod profiles;
mod request;
mod resolve_checks;
mod resolve_connection_fault;
mod resolve_content;
mod resolve_course;
mod resolve_delay;
mod resolve_faults;
mod resolve_functions;
mod resolve_gauges;
mod resolve_inject;
mod resolve_journeys;
mod resolve_limits;
mod resolve_pace;
mod resolve_playbook;
mod resolve_scenario;
mod resolve_seed;
mod resolve_source;
mod resolve_supabase;
mod resolve_target;
mod resolve_tcp;
mod resolve_upstreams;
mod resolve_when;
mod scenario_file;
mod source;
mod suggest;
mod supabase_file;
mod tcp_file;
mod template;
mod value;
mod when_file;

pub use builtin::{builtin_fault_profiles, builtin_playbooks, builtin_scenarios};
pub use diagnostic::ConfigError;
pub use find::find;
pub use load::{load, read_playbook, validate};
pub use mocks::{Mocks, MocksRequest, mocks};
pub use request::{CheckTemplate, FileKind, Listen, Loaded, Overrides, Request, ScenarioRef, Validated};
