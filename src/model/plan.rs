//! [`Plan`]: what a run will do, fully resolved. Nothing in it is optional in the sense of "not yet known".

use super::control::ControlAccess;
use super::fault::FaultRule;
use super::journey::Journey;
use super::secret::Secret;
use super::upstream::UpstreamPlan;
use super::verdict::Severity;
use crate::units::{ByteSize, Offset, Seed, Span};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A resolved run: the outcome of reading a scenario, its fault profile and the command line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The scenario's name.
    pub name: String,
    /// What it is for, in its author's words.
    pub describe: String,
    /// The scenario file as the user named it, or `built-in`.
    pub source: String,
    /// The seed of every random choice.
    pub seed: Seed,
    /// The app under test.
    pub target: TargetPlan,
    /// Headers sent with every step and probe; values may be secrets.
    pub headers: BTreeMap<String, Secret>,
    /// What the app talks to.
    pub upstreams: Vec<UpstreamPlan>,
    /// How many users, for how long.
    pub load: LoadPlan,
    /// Where journeys take their data from, by name.
    pub feeders: BTreeMap<String, Feeder>,
    /// What users do.
    pub journeys: Vec<Journey>,
    /// The endpoints, gathered from the journeys' steps in order of appearance.
    pub endpoints: Vec<Endpoint>,
    /// The fault profile's name, if one is used.
    pub fault_profile: Option<String>,
    /// What shall break, with absolute windows.
    pub faults: Vec<FaultRule>,
    /// Memory pressure, if any.
    pub ballast: Option<Ballast>,
    /// What is watched beside the load.
    pub probes: ProbePlan,
    /// What fails the run.
    pub gate: GatePlan,
    /// The control API, if there is to be one.
    #[serde(default)]
    pub control: Option<ControlAccess>,
    /// Hosts other than loopback that may be tested.
    pub allow_hosts: Vec<String>,
}

impl Plan {
    /// When the load ends, by plan: ramp and hold.
    #[must_use]
    pub fn load_end(&self) -> Offset {
        let LoadPlan::Closed { ramp_up, hold, .. } = self.load;
        Offset::ZERO.plus(ramp_up.get() + hold.get())
    }

    /// The agents that the journeys exercise, each once, in order of appearance.
    #[must_use]
    pub fn agents(&self) -> Vec<&str> {
        let mut agents: Vec<&str> = Vec::new();
        for agent in self.endpoints.iter().filter_map(|e| e.agent.as_deref()) {
            if !agents.contains(&agent) {
                agents.push(agent);
            }
        }
        agents
    }
}

/// An endpoint: all steps of one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The steps' name.
    pub name: String,
    /// The agent that they exercise.
    pub agent: Option<String>,
    /// The method of the first such step.
    pub method: String,
    /// The path template of the first such step.
    pub path: String,
}

/// The app under test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetPlan {
    /// An app that runs already.
    Url {
        /// Its base URL, without a trailing slash.
        url: String,
        /// Its process, for memory.
        pid: Option<u32>,
    },
    /// The built-in reference app, started as a child.
    Reference {
        /// Well-behaved instead of faithful to HolisticOS.
        resilient: bool,
        /// Defects to switch on, as `name` or `name=value`.
        defects: Vec<String>,
        /// How much faster (or slower) than the real instance its own work is; 1 is faithful.
        speed: f64,
        /// The memory limit it runs under.
        memory_limit: Option<ByteSize>,
    },
    /// A command that firedrill starts with the upstreams' addresses in its environment.
    Command {
        /// Program and arguments; `{port}` is the port we chose for it.
        command: Vec<String>,
        /// Further environment; values may hold `{port}` and `{NAME.url}` of an upstream.
        env: BTreeMap<String, Secret>,
        /// Its base URL; may hold `{port}`.
        url: String,
        /// The path that answers 2xx once it is ready.
        ready: String,
        /// How long it may take to get ready.
        ready_within: Span,
        /// The memory limit it runs under.
        memory_limit: Option<ByteSize>,
    },
}

/// How many users, for how long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadPlan {
    /// The closed model: each virtual user starts its next journey when the last one has ended.
    Closed {
        /// Virtual users.
        users: u32,
        /// Time over which they start, evenly.
        ramp_up: Span,
        /// Time for which all of them walk.
        hold: Span,
        /// Time that steps under way at the end get to finish.
        graceful_stop: Span,
        /// Journeys per user, after which it stops; `None` is as many as fit.
        iterations: Option<u64>,
    },
}

/// A source of data for journeys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feeder {
    /// Made-up rows with one field, `id`, never the same twice: `{n}` counts rows from 1, `{run}` is the run's id.
    Generate(String),
}

/// Memory held inside the app's limit so that less is left for the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ballast {
    /// How much.
    pub size: ByteSize,
    /// When it begins to grow.
    pub from: Offset,
    /// How long it takes to grow.
    pub ramp: Span,
    /// How long it is held; then it is released.
    pub hold: Span,
}

/// What is watched beside the load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbePlan {
    /// The health check.
    pub health: Option<HealthProbe>,
    /// How often memory is read.
    pub memory_every: Span,
    /// A JSON document with the app's own figures.
    pub stats: Option<GaugeProbe>,
    /// A Prometheus text page with the app's own figures.
    pub metrics: Option<GaugeProbe>,
}

/// A health check and how to read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthProbe {
    /// Its path.
    pub path: String,
    /// How often it is asked.
    pub every: Span,
    /// How long it may take.
    pub deadline: Span,
    /// Where the body says the overall state (a JSON pointer).
    pub status_at: Option<String>,
    /// Values there that mean the app is down.
    pub down: Vec<String>,
    /// Values there that mean the app is impaired.
    pub degraded: Vec<String>,
    /// How long one check keeps the app from doing anything else, as known: the probing's cost is stated.
    pub blocks_app: Span,
}

/// A page of figures to read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GaugeProbe {
    /// Its path.
    pub path: String,
    /// How often it is asked.
    pub every: Span,
    /// The gauge's name → where it is: a JSON pointer, or a metric's name (summed over its series).
    pub gauges: BTreeMap<String, String>,
    /// How long one reading keeps the app from doing anything else, as known.
    pub blocks_app: Span,
}

/// What fails the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatePlan {
    /// A spontaneous finding of this severity or worse is a no-go.
    pub fail_on: Severity,
    /// The worst severity that an injected fault may cause; worse than this is a no-go too.
    pub while_faulted: Severity,
    /// How long after a fault its effects still count as induced.
    pub recovery: Span,
}
