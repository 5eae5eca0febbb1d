//! [`mocks`]: what `firedrill mock` serves, from a scenario or from nothing.

use super::builtin;
use super::collector::Collector;
use super::control;
use super::diagnostic::ConfigError;
use super::document::{self, Edit, Value};
use super::envoy;
use super::load::open_scenario;
use super::profiles;
use super::request::{CheckTemplate, Listen, ScenarioRef, World};
use super::resolve_faults::Use;
use super::resolve_scenario::{self, DEFAULT_SEED};
use super::resolve_upstreams;
use super::scenario_file::ScenarioFile;
use super::source::Source;
use crate::model::control::ControlAccess;
use crate::model::fault::FaultRule;
use crate::model::plan::TargetPlan;
use crate::model::upstream::{UpstreamKind, UpstreamPlan};
use crate::units::{Offset, Seed};
use std::net::SocketAddr;
use std::path::PathBuf;

/// What there is without a scenario.
const BOTH: &str = "[upstreams]\nopenai = {}\nsupabase = {}\n";

/// What to load.
pub struct MocksRequest<'a> {
    /// The scenario whose upstreams are wanted; `None` is an OpenAI and a Supabase mock as they are by themselves.
    pub scenario: Option<ScenarioRef>,
    /// `--faults`: a fault profile's name or path; `none` is no faults. Without it, the scenario's.
    pub faults: Option<String>,
    /// `--seed`.
    pub seed: Option<u64>,
    /// `--seed-file`: what is in the Supabase mock, instead of what the scenario says.
    pub seed_file: Option<PathBuf>,
    /// Where the upstreams listen.
    pub listen: Listen,
    /// `--control`: where the control API listens.
    pub control: Option<SocketAddr>,
    /// `--control-token`.
    pub control_token: Option<String>,
    /// Looks up a variable of the environment, for `${env.NAME}`.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The names of the errors that an upstream can answer with, for `inject.abort.error`.
    pub provider_errors: &'a dyn Fn(&UpstreamKind) -> &'static [&'static str],
    /// Checks a template of a content rule.
    pub check_template: CheckTemplate<'a>,
}

/// What to serve.
#[derive(Clone, Debug)]
pub struct Mocks {
    /// The upstreams.
    pub upstreams: Vec<UpstreamPlan>,
    /// What shall break, on a clock that begins when they do.
    pub faults: Vec<FaultRule>,
    /// The fault profile's name, if one is used.
    pub fault_profile: Option<String>,
    /// The control API, if there is to be one.
    pub control: Option<ControlAccess>,
    /// The seed of every random choice.
    pub seed: Seed,
    /// Things that are allowed but probably not meant, each with its place.
    pub warnings: Vec<String>,
}

/// Loads what a scenario's app would talk to, without its app and its load.
///
/// # Errors
///
/// All mistakes of all files at once; of a file that cannot be parsed, the first.
pub fn mocks(request: &MocksRequest<'_>) -> Result<Mocks, ConfigError> {
    // The app and its secrets have no part in this, so their variables need not be set.
    let world = World {
        env: request.env,
        env_required: false,
        provider_errors: request.provider_errors,
        check_template: request.check_template,
        mocks: Some(request.listen),
    };
    let (source, stem, origin, folder) = match &request.scenario {
        Some(scenario) => open_scenario(scenario)?,
        None => (Source::file("firedrill mock".to_owned(), BOTH.to_owned()), String::new(), String::new(), None),
    };
    let (file, source) = document::read_edited::<ScenarioFile>(source, &edits(request))?;
    let mut out = Collector::new(source);
    let (upstreams, seed, control) = match &request.scenario {
        Some(_) => {
            let plan = resolve_scenario::resolve(&mut out, &file, &stem, &origin, folder.as_deref(), &world);
            (plan.upstreams, plan.seed, plan.control)
        }
        None => {
            let target = TargetPlan::Reference { resilient: false, defects: vec![], speed: 1.0, memory_limit: None };
            let upstreams = resolve_upstreams::upstreams(&mut out, file.upstreams.as_ref(), &target, None, &[], &world);
            let control = file.control.as_ref().and_then(|control| control::access(&mut out, &world, control));
            (upstreams, Seed(file.seed.unwrap_or(DEFAULT_SEED)), control)
        }
    };
    let opened = profiles::named(&mut out, &file, folder.as_deref())?;
    let (mut errors, mut warnings) = out.finish();
    let mut mocks = Mocks { upstreams, faults: vec![], fault_profile: None, control, seed, warnings: vec![] };
    // It goes on until somebody ends it: no fault begins too late.
    let used = Use { upstreams: &mocks.upstreams, load_end: Offset::from_micros(u64::MAX) };
    let resolved = profiles::resolve(opened, Some(&used), &world);
    mocks.fault_profile = resolved.name;
    mocks.faults = envoy::rules(file.upstreams.as_ref().map(toml::Spanned::get_ref));
    mocks.faults.extend(resolved.rules);
    if mocks.control.is_some() {
        mocks.faults.extend(control::rules(&mocks.upstreams));
    }
    errors.extend(resolved.errors);
    warnings.extend(resolved.warnings);
    mocks.warnings = warnings;
    if errors.is_empty() { Ok(mocks) } else { Err(ConfigError::new(errors)) }
}

/// The options as edits of the scenario, so that a mistake in one is shown there.
fn edits(request: &MocksRequest<'_>) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut option = |option: &str, key: &str, value: Option<Value>| {
        edits.push(Edit { option: format!("{option} "), key: key.to_owned(), value });
    };
    if let Some(faults) = &request.faults {
        option("--faults", "faults", None);
        option("--faults", "faults.profile", Some(Value::Text(faults.clone())));
    }
    if let Some(seed) = request.seed {
        option("--seed", "seed", Some(Value::Guess(seed.to_string())));
    }
    if let Some(control) = &request.control {
        option("--control", "control.listen", Some(Value::Text(control.to_string())));
    }
    if let Some(token) = &request.control_token {
        option("--control-token", "control.token", Some(Value::Text(token.clone())));
    }
    if let Some(path) = &request.seed_file {
        // What is typed counts from the working folder, whatever the scenario's.
        let name = path.display().to_string();
        let name = name.strip_prefix("./").unwrap_or(&name);
        let path = if !path.is_file() && builtin::text(&builtin::SEEDS, name).is_some() {
            PathBuf::from(name)
        } else {
            std::path::absolute(path).unwrap_or_else(|_| path.clone())
        };
        option("--seed-file", "upstreams.supabase.seed", Some(Value::Text(path.display().to_string())));
    }
    edits
}
