//! Reading files as people do: the shipped ones must work, bad ones must be explained, and nothing may panic.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands; helpers are tests too")]

use firedrill::config::{
    ConfigError, FileKind, Loaded, Overrides, Request, ScenarioRef, builtin_fault_profiles, builtin_playbooks,
    builtin_scenarios, find, load, validate,
};
use firedrill::model::content::TemplateMistake;
use firedrill::model::journey::{Condition, JsonCheck};
use firedrill::model::plan::{LoadPlan, Plan, TargetPlan};
use firedrill::model::playbook::Measure;
use firedrill::model::upstream::{SupabasePlan, UpstreamKind};
use firedrill::model::verdict::Severity;
use firedrill::units::{ByteSize, Offset, Seed, Span};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

mod answers;
mod bad_files;
mod command_line;
mod connections;
mod documented;
mod openai;
mod own_files;
mod shipped_files;
mod supabase;
mod transport;

type Env = fn(&str) -> Option<String>;

fn no_env(_: &str) -> Option<String> {
    None
}

fn provider_errors(kind: &UpstreamKind) -> &'static [&'static str] {
    match kind {
        UpstreamKind::Openai(_) => &["rate_limit", "insufficient_quota", "overloaded", "server_error"],
        UpstreamKind::Supabase(_) => &["57014", "53300", "42501", "upstream_connect_error"],
        UpstreamKind::Stub { .. } | UpstreamKind::Tcp(_) => &[],
    }
}

fn check_template(text: &str, captures: &[&str]) -> Result<(), TemplateMistake> {
    firedrill::upstream::check_template(text, captures)
}

fn load_with(scenario: ScenarioRef, overrides: Overrides, env: Env) -> Result<Loaded, String> {
    let request =
        Request { scenario, overrides, env: &env, provider_errors: &provider_errors, check_template: &check_template };
    load(&request).map_err(|error| error.render(false))
}

fn built_in(name: &str, overrides: Overrides) -> Result<Loaded, String> {
    load_with(ScenarioRef::BuiltIn(name.to_owned()), overrides, no_env)
}

fn set(pairs: &[(&str, &str)]) -> Overrides {
    Overrides { set: pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(), ..Overrides::default() }
}

const SMALL: &str = r#"
[load.closed]
users = 1
hold = "1s"

[data.user]
generate = "u{n}"

[[journey]]
name = "j"

  [[journey.step]]
  name = "s"
  delete = "/u/{user.id}/{{plain}}"
  headers = { X-Trace = "{uuid}" }
  json = { n = 1, f = 1.5, ok = true, at = 2026-11-23, list = ["{date}", { vu = "{vu}" }] }
  think = "2s"

    [journey.step.expect]
    status = [200, 204]
    contains = "done"
    json = { "/a" = 1, "/b" = { not = ["x", "y"] }, "/c" = { exists = false }, "/d" = { one-of = [1, "1"] }, "/e" = { not-empty = true }, "/f" = { contains = "z" }, "/g" = ["x"], "/h" = { equals = { k = "v" } } }
"#;

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a temporary folder can be written");
    std::fs::write(&path, text).expect("a temporary folder can be written");
    path
}
