//! What the app talks to, as planned: [`UpstreamPlan`].

use super::fault::Delay;
use super::supabase::{AuthPlan, KeysPlan};
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
}

impl UpstreamPlan {
    /// An upstream on a free port of loopback.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: UpstreamKind) -> Self {
        Self { name: name.into(), kind, listen: None }
    }
}

/// What an upstream is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
}

/// The OpenAI mock as planned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OpenaiPlan {
    /// How long a completion takes before its first byte, without any fault.
    pub latency: Delay,
}

/// The Supabase mock as planned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SupabasePlan {
    /// Rows to begin with: table → rows.
    pub seed: BTreeMap<String, Vec<serde_json::Value>>,
    /// How long a request takes, without any fault.
    pub latency: Delay,
    /// Which keys and tokens are taken.
    pub keys: KeysPlan,
    /// How auth behaves.
    pub auth: AuthPlan,
}
