//! What is asked of this stage ([`Request`]) and what it gives back ([`Loaded`]).

use crate::model::content::TemplateMistake;
use crate::model::function::FunctionPlan;
use crate::model::plan::Plan;
use crate::model::playbook::Playbook;
use crate::model::upstream::{UpstreamKind, UpstreamPlan};
use crate::model::verdict::Severity;
use crate::units::Span;
use std::fmt;
use std::path::PathBuf;

/// Where a scenario comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScenarioRef {
    /// One that ships inside the program, by name.
    BuiltIn(String),
    /// A file.
    File(PathBuf),
}

impl fmt::Display for ScenarioRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(name) => f.write_str(name),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// What to load.
pub struct Request<'a> {
    /// The scenario.
    pub scenario: ScenarioRef,
    /// What the command line says differently.
    pub overrides: Overrides,
    /// Looks up a variable of the environment, for `${env.NAME}`.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The names of the errors that an upstream can answer with, for `inject.abort.error`.
    pub provider_errors: &'a dyn Fn(&UpstreamKind) -> &'static [&'static str],
    /// Checks a template of a content rule.
    pub check_template: CheckTemplate<'a>,
}

/// Checks a template of a content rule, given the names of the rule's captures.
pub type CheckTemplate<'a> = &'a dyn Fn(&str, &[&str]) -> Result<(), TemplateMistake>;

/// What the command line says differently from the scenario. Applied in the order of the fields, except that `set`
/// comes first, so a named option wins over `--set` of the same key.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--target`: an app that runs already, instead of the scenario's target.
    pub target_url: Option<String>,
    /// `--pid`: its process.
    pub target_pid: Option<u32>,
    /// `--users`.
    pub users: Option<u32>,
    /// `--duration`: replaces the hold of the load.
    pub duration: Option<Span>,
    /// `--faults`: a fault profile's name or path; `none` is no faults.
    pub faults: Option<String>,
    /// `--seed`.
    pub seed: Option<u64>,
    /// `--set KEY=VALUE`: any key of the scenario, dotted. An item of a list is named by its number, or by its name
    /// (`journey.daily-plan.weight`). A value that is no TOML is taken as a text.
    pub set: Vec<(String, String)>,
    /// `--playbook`: a playbook's name or path.
    pub playbook: Option<PathBuf>,
    /// `--fail-on`.
    pub fail_on: Option<Severity>,
}

/// A scenario with everything that belongs to it, resolved.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the run will do.
    pub plan: Plan,
    /// What it will be judged by.
    pub playbook: Playbook,
    /// Things that are allowed but probably not meant, each with its place.
    pub warnings: Vec<String>,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A scenario.
    Scenario,
    /// A fault profile.
    FaultProfile,
    /// A playbook.
    Playbook,
    /// A file of content rules.
    Content,
    /// A file of database functions.
    Functions,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scenario => "scenario",
            Self::FaultProfile => "fault profile",
            Self::Playbook => "playbook",
            Self::Content => "content rule file",
            Self::Functions => "file of database functions",
        })
    }
}

/// A file without mistakes.
#[derive(Clone, Debug)]
pub struct Validated {
    /// What it is.
    pub kind: FileKind,
    /// The upstreams of a scenario, whose files only they themselves can read to the end.
    pub upstreams: Vec<UpstreamPlan>,
    /// The functions of a file of them.
    pub functions: Vec<FunctionPlan>,
    /// Things that are allowed but probably not meant, each with its place.
    pub warnings: Vec<String>,
}

/// What resolving may ask of the outside.
pub(super) struct World<'a> {
    /// Looks up a variable of the environment.
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
    /// Whether a variable that is not set is a mistake: to run a file, yes; to check it elsewhere, no.
    pub(super) env_required: bool,
    /// The names of an upstream's errors.
    pub(super) provider_errors: &'a dyn Fn(&UpstreamKind) -> &'static [&'static str],
    /// Checks a template.
    pub(super) check_template: CheckTemplate<'a>,
    /// Whether only the upstreams are wanted, and where they listen then; `None` to run or check a scenario.
    pub(super) mocks: Option<Listen>,
}

/// Where upstreams listen that serve without a scenario's app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Where the scenario says, if it does.
    AsWritten,
    /// On free ports, unless the scenario fixes them: whoever uses them is told.
    Free,
}
