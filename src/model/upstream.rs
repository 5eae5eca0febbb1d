//! What the app talks to, as planned: [`UpstreamPlan`].

use super::content::ContentFile;
use super::fault::Delay;
use super::function::FunctionPlan;
use super::limits::LimitsPlan;
use super::pace::PacePlan;
use super::secret::Secret;
use super::source::SourcePlan;
use super::supabase::{AuthPlan, BucketPlan, EdgeFunctionPlan, KeysPlan};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// One upstream of the app.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpstreamPlan {
    /// Its name in faults and reports: `openai`, `supabase`, or a stub's name.
    pub name: String,
    /// What it is.
    pub kind: UpstreamKind,
    /// A fixed address for apps that run elsewhere; otherwise a free port of loopback.
    pub listen: Option<SocketAddr>,
    /// Whether it is served over TLS, with a certificate of the run's own test CA.
    #[serde(default)]
    pub tls: bool,
    /// Where its answers come from.
    #[serde(default)]
    pub source: SourcePlan,
}

impl UpstreamPlan {
    /// An upstream on a free port of loopback, without TLS.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: UpstreamKind) -> Self {
        Self { name: name.into(), kind, listen: None, tls: false, source: SourcePlan::Mock }
    }
}

/// What an upstream is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "a run has a handful of them")]
pub enum UpstreamKind {
    /// The OpenAI mock.
    Openai(OpenaiPlan),
    /// The Supabase mock.
    Supabase(SupabasePlan),
    /// A side service that always answers the same.
    Stub {
        /// The status it answers with.
        answer: u16,
    },
    /// A real server (PostgreSQL, Redis, anything) behind a TCP proxy.
    Tcp(TcpPlan),
}

impl UpstreamKind {
    /// The services that such a provider is made of.
    #[must_use]
    pub const fn services(&self) -> Services {
        match self {
            Self::Openai(_) => Services::OPENAI,
            Self::Supabase(_) => Services::SUPABASE,
            Self::Stub { .. } | Self::Tcp(_) => Services(&[]),
        }
    }
}

/// A real server behind a TCP proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpPlan {
    /// Where it is, as `host:port`.
    pub to: String,
    /// What is spoken.
    pub protocol: TcpProtocol,
    /// The URL by which an app reaches it, with its credentials; the app gets it with the proxy's address instead of
    /// the server's.
    pub url: Option<Secret>,
}

/// What is spoken over a TCP connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TcpProtocol {
    /// Anything: bytes.
    #[default]
    None,
    /// PostgreSQL's frontend/backend protocol 3.0, so that faults can be in its own words.
    Postgres,
}

/// The services of a provider: name → the paths that belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Services(&'static [(&'static str, &'static [&'static str])]);

impl Services {
    /// By the paths of OpenAI's API (WIRE-openai §1).
    pub const OPENAI: Self = Self(&[
        ("chat", &["/v1/chat"]),
        ("responses", &["/v1/responses"]),
        ("embeddings", &["/v1/embeddings"]),
        ("models", &["/v1/models"]),
        ("completions", &["/v1/completions"]),
        ("moderations", &["/v1/moderations"]),
    ]);

    /// By the prefixes that Supabase's gateway routes by (WIRE-supabase §1).
    pub const SUPABASE: Self = Self(&[
        ("rest", &["/rest/v1", "/rest-admin/v1"]),
        ("auth", &["/auth/v1"]),
        ("storage", &["/storage/v1"]),
        ("functions", &["/functions/v1"]),
        ("realtime", &["/realtime/v1"]),
        ("graphql", &["/graphql/v1"]),
        ("pg", &["/pg"]),
        ("analytics", &["/analytics/v1"]),
    ]);

    /// The service of which `path` is a path, or below one of whose paths it lies.
    #[must_use]
    pub fn of(self, path: &str) -> Option<&'static str> {
        let holds = |own: &str| path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.0.iter().find(|(_, paths)| paths.iter().any(|own| holds(own))).map(|(name, _)| *name)
    }

    /// Their names.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(name, _)| *name)
    }
}

/// The OpenAI mock as planned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OpenaiPlan {
    /// How long a completion takes before its first byte, without any fault and without a pace.
    pub latency: Delay,
    /// How fast tokens come, if `latency` shall not be all.
    pub pace: Option<Box<PacePlan>>,
    /// What may be used per minute and in all.
    pub limits: LimitsPlan,
    /// What it says, before the rules that are built in.
    pub content: Vec<ContentFile>,
    /// The keys that it takes; any, if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Secret>,
}

/// The Supabase mock as planned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SupabasePlan {
    /// Rows to begin with: table → rows.
    pub seed: BTreeMap<String, Vec<serde_json::Value>>,
    /// Files to begin with: a schema and rows. They come before `seed`.
    pub seed_files: Vec<SeedFile>,
    /// How long a request takes, without any fault.
    pub latency: Delay,
    /// The most rows of an answer; 1,000, as in a fresh project, if absent.
    pub max_rows: Option<usize>,
    /// Whether aggregates may be used; not in a fresh project.
    pub aggregates: bool,
    /// Functions that can be called.
    pub functions: Vec<FunctionPlan>,
    /// Which keys and tokens are taken.
    pub keys: KeysPlan,
    /// How auth behaves.
    pub auth: AuthPlan,
    /// Buckets of storage: name → bucket.
    pub buckets: BTreeMap<String, BucketPlan>,
    /// Edge functions: name → what it answers.
    pub edge_functions: BTreeMap<String, EdgeFunctionPlan>,
}

/// A file that a database begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeedFile {
    /// Its name as written, for messages; of a CSV file it names the table.
    pub name: String,
    /// What is in it.
    pub format: SeedFormat,
    /// Its text.
    pub text: String,
}

/// What is in a file of a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeedFormat {
    /// SQL: tables, their constraints and policies, and rows.
    Sql,
    /// A JSON object of tables, each a list of rows.
    Json,
    /// The rows of one table, with a header.
    Csv,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_the_service_that_it_lies_below() {
        let (openai, supabase) = (Services::OPENAI, Services::SUPABASE);
        assert_eq!(openai.of("/v1/chat/completions"), Some("chat"));
        assert_eq!(openai.of("/v1/completions"), Some("completions"));
        assert_eq!(openai.of("/v1/models"), Some("models"));
        assert_eq!(openai.of("/v1/modelsx"), None);
        assert_eq!(supabase.of("/auth/v1/token"), Some("auth"));
        assert_eq!(supabase.of("/rest-admin/v1/ready"), Some("rest"));
        assert_eq!(supabase.of("/"), None);
        assert_eq!(UpstreamKind::Stub { answer: 200 }.services().of("/auth/v1"), None);
    }
}
