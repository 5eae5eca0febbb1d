//! [`ScenarioFile`]: a scenario as typed. Every key is optional here unless nothing can be said without it; what is
//! missing or wrong is found, all of it, when it is resolved. Defaults stand at the keys.

use super::checks_file::{
    AfterLoadFile, AlertsFile, CanariesFile, DatabaseFile, DurabilityFile, SecurityFile, TrafficFile,
};
use super::control_file::ControlFile;
use super::delay_file::DelayFile;
use super::openai_file::{LimitsFile, PaceFile};
use super::supabase_file::{AuthFile, BucketFile, EdgeFunctionFile};
use super::tcp_file::TcpFile;
use super::value::{Node, OneOrMany, Quantity, Table};
use crate::model::source::ReplayElse;
use serde::Deserialize;
use std::ops::Range;
use toml::Spanned;

/// A scenario.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ScenarioFile {
    /// The file's name without its ending, if absent.
    pub(super) name: Option<Spanned<String>>,
    pub(super) describe: Option<String>,
    /// 1 if absent, so that two runs of a file make the same choices.
    pub(super) seed: Option<u64>,
    /// The reference app as it comes, if absent.
    pub(super) target: Option<Spanned<TargetFile>>,
    #[serde(default)]
    pub(super) headers: Table<Spanned<String>>,
    #[serde(default)]
    pub(super) allow_hosts: Vec<String>,
    /// For an app that firedrill starts: an OpenAI and a Supabase mock without delay, if absent. For an app by URL:
    /// none.
    pub(super) upstreams: Option<Spanned<UpstreamsFile>>,
    pub(super) load: Option<Spanned<LoadFile>>,
    #[serde(default)]
    pub(super) data: Table<Spanned<FeederFile>>,
    #[serde(default)]
    pub(super) journey: Vec<Spanned<JourneyFile>>,
    pub(super) faults: Option<FaultsFile>,
    /// None, if absent.
    pub(super) control: Option<Spanned<ControlFile>>,
    pub(super) memory: Option<MemoryFile>,
    pub(super) traffic: Option<Spanned<TrafficFile>>,
    #[serde(default)]
    pub(super) security: Vec<Spanned<SecurityFile>>,
    pub(super) canaries: Option<CanariesFile>,
    #[serde(default)]
    pub(super) durability: Vec<Spanned<DurabilityFile>>,
    #[serde(default)]
    pub(super) probes: ProbesFile,
    #[serde(default)]
    pub(super) gate: GateFile,
}

/// `target`: one of `url`, `reference` and `command`, with the keys that belong to it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct TargetFile {
    pub(super) url: Option<Spanned<String>>,
    pub(super) pid: Option<Spanned<i64>>,
    pub(super) reference: Option<Spanned<ReferenceFile>>,
    pub(super) command: Option<Spanned<OneOrMany<String>>>,
    #[serde(default)]
    pub(super) env: Table<Spanned<String>>,
    /// `/` if absent.
    pub(super) ready: Option<Spanned<String>>,
    /// 60 s if absent.
    pub(super) ready_within: Option<Spanned<Quantity>>,
    /// None if absent.
    pub(super) memory_limit: Option<Spanned<Quantity>>,
}

/// `target.reference`: the built-in app.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ReferenceFile {
    #[serde(default)]
    pub(super) resilient: bool,
    #[serde(default)]
    pub(super) defects: Vec<Spanned<String>>,
    /// 1 if absent.
    pub(super) speed: Option<Spanned<f64>>,
}

/// `[upstreams]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct UpstreamsFile {
    pub(super) openai: Option<Spanned<UpstreamFile>>,
    pub(super) supabase: Option<Spanned<SupabaseFile>>,
    #[serde(default)]
    pub(super) stub: Table<Spanned<StubFile>>,
    /// Real servers behind a TCP proxy.
    #[serde(default)]
    pub(super) tcp: Table<Spanned<TcpFile>>,
}

/// The keys that every upstream has for where its answers come from.
#[derive(Debug)]
pub(super) struct SourceKeys<'a> {
    pub(super) pass_through: Option<&'a Spanned<String>>,
    pub(super) record: Option<&'a Spanned<String>>,
    pub(super) record_strip: &'a [Spanned<String>],
    pub(super) record_limit: Option<&'a Spanned<Quantity>>,
    pub(super) replay: Option<&'a Spanned<String>>,
    pub(super) replay_speed: Option<&'a Spanned<f64>>,
    pub(super) replay_else: Option<&'a Spanned<ReplayElse>>,
}

/// A table that has those keys.
pub(super) trait WrittenSource {
    /// Its keys.
    fn source(&self) -> SourceKeys<'_>;
}

/// `upstreams.openai`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct UpstreamFile {
    pub(super) listen: Option<Spanned<String>>,
    /// Listen there for an app that firedrill starts, too.
    #[serde(default)]
    pub(super) fixed: bool,
    /// Serve over TLS, with a certificate of the run's own test CA.
    #[serde(default)]
    pub(super) tls: bool,
    /// Faults that requests ask for by Envoy's headers.
    #[serde(default)]
    pub(super) envoy_fault_headers: bool,
    pub(super) latency: Option<Spanned<DelayFile>>,
    /// At once, if absent.
    pub(super) pace: Option<Spanned<PaceFile>>,
    /// Generous ones that refuse nothing, if absent.
    pub(super) limits: Option<Spanned<LimitsFile>>,
    /// Files of content rules.
    pub(super) content: Option<Spanned<Node>>,
    /// The keys that are taken; any, if absent. The app gets the first.
    pub(super) keys: Option<Spanned<Node>>,
    /// The real service to pass requests through to.
    pub(super) pass_through: Option<Spanned<String>>,
    /// The file that keeps what passes through.
    pub(super) record: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) record_strip: Vec<Spanned<String>>,
    /// 256 MiB if absent.
    pub(super) record_limit: Option<Spanned<Quantity>>,
    /// The recording to answer from.
    pub(super) replay: Option<Spanned<String>>,
    /// 1 if absent: as it was recorded.
    pub(super) replay_speed: Option<Spanned<f64>>,
    /// `error` if absent.
    pub(super) replay_else: Option<Spanned<ReplayElse>>,
}

impl WrittenSource for UpstreamFile {
    fn source(&self) -> SourceKeys<'_> {
        SourceKeys {
            pass_through: self.pass_through.as_ref(),
            record: self.record.as_ref(),
            record_strip: &self.record_strip,
            record_limit: self.record_limit.as_ref(),
            replay: self.replay.as_ref(),
            replay_speed: self.replay_speed.as_ref(),
            replay_else: self.replay_else.as_ref(),
        }
    }
}

impl UpstreamFile {
    /// The keys about what the mock answers, and how.
    pub(super) fn answering(&self) -> [(&'static str, Option<Range<usize>>); 5] {
        [
            ("latency", self.latency.as_ref().map(Spanned::span)),
            ("pace", self.pace.as_ref().map(Spanned::span)),
            ("limits", self.limits.as_ref().map(Spanned::span)),
            ("content", self.content.as_ref().map(Spanned::span)),
            ("keys", self.keys.as_ref().map(Spanned::span)),
        ]
    }
}

/// `upstreams.supabase`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct SupabaseFile {
    pub(super) listen: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) fixed: bool,
    #[serde(default)]
    pub(super) tls: bool,
    /// Faults that requests ask for by Envoy's headers.
    #[serde(default)]
    pub(super) envoy_fault_headers: bool,
    pub(super) latency: Option<Spanned<DelayFile>>,
    /// A file of database functions.
    pub(super) functions: Option<Spanned<String>>,
    /// 1,000 if absent.
    pub(super) max_rows: Option<Spanned<i64>>,
    /// PostgREST's aggregates, which a fresh project has not.
    #[serde(default)]
    pub(super) aggregates: bool,
    /// Which keys are taken: `"any"` if absent.
    pub(super) keys: Option<Spanned<Node>>,
    pub(super) jwt_secret: Option<Spanned<String>>,
    pub(super) auth: Option<Spanned<AuthFile>>,
    /// Buckets of Storage.
    #[serde(default)]
    pub(super) buckets: Table<BucketFile>,
    #[serde(default)]
    pub(super) edge_functions: Table<EdgeFunctionFile>,
    /// Files that the database begins with: SQL, JSON, CSV.
    pub(super) seed: Option<Spanned<OneOrMany<String>>>,
    /// The real service to pass requests through to.
    pub(super) pass_through: Option<Spanned<String>>,
    /// The file that keeps what passes through.
    pub(super) record: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) record_strip: Vec<Spanned<String>>,
    /// 256 MiB if absent.
    pub(super) record_limit: Option<Spanned<Quantity>>,
    /// The recording to answer from.
    pub(super) replay: Option<Spanned<String>>,
    /// 1 if absent: as it was recorded.
    pub(super) replay_speed: Option<Spanned<f64>>,
    /// `error` if absent.
    pub(super) replay_else: Option<Spanned<ReplayElse>>,
}

impl WrittenSource for SupabaseFile {
    fn source(&self) -> SourceKeys<'_> {
        SourceKeys {
            pass_through: self.pass_through.as_ref(),
            record: self.record.as_ref(),
            record_strip: &self.record_strip,
            record_limit: self.record_limit.as_ref(),
            replay: self.replay.as_ref(),
            replay_speed: self.replay_speed.as_ref(),
            replay_else: self.replay_else.as_ref(),
        }
    }
}

impl SupabaseFile {
    /// The keys about what the mock answers, and how.
    pub(super) fn answering(&self) -> [(&'static str, Option<Range<usize>>); 9] {
        [
            ("latency", self.latency.as_ref().map(Spanned::span)),
            ("functions", self.functions.as_ref().map(Spanned::span)),
            ("max-rows", self.max_rows.as_ref().map(Spanned::span)),
            ("keys", self.keys.as_ref().map(Spanned::span)),
            ("jwt-secret", self.jwt_secret.as_ref().map(Spanned::span)),
            ("auth", self.auth.as_ref().map(Spanned::span)),
            ("buckets", self.buckets.keys().next().map(Spanned::span)),
            ("edge-functions", self.edge_functions.keys().next().map(Spanned::span)),
            ("seed", self.seed.as_ref().map(Spanned::span)),
        ]
    }
}

/// `upstreams.stub.NAME`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct StubFile {
    pub(super) listen: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) fixed: bool,
    #[serde(default)]
    pub(super) tls: bool,
    /// Faults that requests ask for by Envoy's headers.
    #[serde(default)]
    pub(super) envoy_fault_headers: bool,
    /// 200 if absent.
    pub(super) answer: Option<Spanned<i64>>,
    /// The real service to pass requests through to.
    pub(super) pass_through: Option<Spanned<String>>,
    /// The file that keeps what passes through.
    pub(super) record: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) record_strip: Vec<Spanned<String>>,
    /// 256 MiB if absent.
    pub(super) record_limit: Option<Spanned<Quantity>>,
    /// The recording to answer from.
    pub(super) replay: Option<Spanned<String>>,
    /// 1 if absent: as it was recorded.
    pub(super) replay_speed: Option<Spanned<f64>>,
    /// `error` if absent.
    pub(super) replay_else: Option<Spanned<ReplayElse>>,
}

impl WrittenSource for StubFile {
    fn source(&self) -> SourceKeys<'_> {
        SourceKeys {
            pass_through: self.pass_through.as_ref(),
            record: self.record.as_ref(),
            record_strip: &self.record_strip,
            record_limit: self.record_limit.as_ref(),
            replay: self.replay.as_ref(),
            replay_speed: self.replay_speed.as_ref(),
            replay_else: self.replay_else.as_ref(),
        }
    }
}

/// `[load.KIND]`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum LoadFile {
    Closed(ClosedFile),
}

/// `[load.closed]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ClosedFile {
    pub(super) users: Spanned<i64>,
    /// 0 s if absent.
    pub(super) ramp_up: Option<Spanned<Quantity>>,
    pub(super) hold: Spanned<Quantity>,
    /// 30 s if absent.
    pub(super) graceful_stop: Option<Spanned<Quantity>>,
    /// As many as fit, if absent.
    pub(super) iterations: Option<Spanned<i64>>,
}

/// `[data.NAME]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct FeederFile {
    pub(super) generate: Spanned<String>,
}

/// `[[journey]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct JourneyFile {
    pub(super) name: Spanned<String>,
    /// 1 if absent.
    pub(super) weight: Option<Spanned<i64>>,
    #[serde(default)]
    pub(super) step: Vec<Spanned<StepFile>>,
}

/// `[[journey.step]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct StepFile {
    pub(super) name: Spanned<String>,
    pub(super) agent: Option<Spanned<String>>,
    pub(super) get: Option<Spanned<String>>,
    pub(super) post: Option<Spanned<String>>,
    pub(super) put: Option<Spanned<String>>,
    pub(super) patch: Option<Spanned<String>>,
    pub(super) delete: Option<Spanned<String>>,
    pub(super) head: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) headers: Table<Spanned<String>>,
    pub(super) json: Option<Spanned<Node>>,
    /// Any 2xx if absent.
    #[serde(default)]
    pub(super) expect: ExpectFile,
    pub(super) degraded: Option<Spanned<ConditionFile>>,
    #[serde(default)]
    pub(super) save: Table<Spanned<String>>,
    /// None if absent.
    pub(super) think: Option<Spanned<Quantity>>,
}

/// `expect`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ExpectFile {
    pub(super) status: Option<Spanned<OneOrMany<i64>>>,
    /// 30 s if absent.
    pub(super) within: Option<Spanned<Quantity>>,
    #[serde(default)]
    pub(super) json: Table<Spanned<Node>>,
    pub(super) contains: Option<String>,
}

/// `degraded`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ConditionFile {
    pub(super) status: Option<Spanned<OneOrMany<i64>>>,
    #[serde(default)]
    pub(super) json: Table<Spanned<Node>>,
    pub(super) contains: Option<String>,
}

/// `[faults]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct FaultsFile {
    /// One profile or several.
    pub(super) profile: Option<Spanned<OneOrMany<String>>>,
}

/// `[memory]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct MemoryFile {
    pub(super) pressure: Option<PressureFile>,
    pub(super) after_load: Option<Spanned<AfterLoadFile>>,
}

/// `memory.pressure.KIND`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum PressureFile {
    Ballast(Spanned<BallastFile>),
}

/// `memory.pressure.ballast`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct BallastFile {
    pub(super) size: Spanned<Quantity>,
    /// From the start, if absent.
    pub(super) from: Option<Spanned<Quantity>>,
    /// At once, if absent.
    pub(super) ramp: Option<Spanned<Quantity>>,
    pub(super) hold: Spanned<Quantity>,
}

/// `[probes]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ProbesFile {
    pub(super) health: Option<Spanned<HealthFile>>,
    /// 1 s if absent.
    pub(super) memory_every: Option<Spanned<Quantity>>,
    pub(super) stats: Option<Spanned<GaugesFile>>,
    pub(super) metrics: Option<Spanned<GaugesFile>>,
    pub(super) cost: Option<Spanned<GaugesFile>>,
    pub(super) database: Option<Spanned<DatabaseFile>>,
    pub(super) alerts: Option<Spanned<AlertsFile>>,
}

/// `[probes.health]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct HealthFile {
    pub(super) path: Spanned<String>,
    /// 30 s if absent: the cadence of the playbook's "health checks every 30 seconds".
    pub(super) every: Option<Spanned<Quantity>>,
    /// 10 s if absent.
    pub(super) deadline: Option<Spanned<Quantity>>,
    pub(super) status_at: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) down: Vec<String>,
    #[serde(default)]
    pub(super) degraded: Vec<String>,
    /// 0 s if absent.
    pub(super) blocks_app: Option<Spanned<Quantity>>,
}

/// `[probes.stats]` and `[probes.metrics]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct GaugesFile {
    pub(super) path: Spanned<String>,
    /// 30 s if absent.
    pub(super) every: Option<Spanned<Quantity>>,
    pub(super) gauges: Table<Spanned<String>>,
    /// 0 s if absent.
    pub(super) blocks_app: Option<Spanned<Quantity>>,
}

/// `[gate]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct GateFile {
    /// P1 if absent.
    pub(super) fail_on: Option<Spanned<Quantity>>,
    /// P2 if absent.
    pub(super) while_faulted: Option<Spanned<Quantity>>,
    /// 30 s if absent.
    pub(super) recovery: Option<Spanned<Quantity>>,
}
