//! [`Timeline`]: everything that happened, on one clock.

use super::calls::UpstreamCalls;
use super::checks::Observation;
use super::fault::FaultWindow;
use super::interval::{Interval, JourneyInterval, UserSlice};
use super::prices::TokenUse;
use super::reading::{HarnessReading, PressureMark, Reading, TargetEvent};
use super::sample::{EndpointId, Outcome};
use crate::units::Offset;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What happened in a run. It is a fold over the run's events, so a killed run can be rebuilt from its journal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// Results per second, ascending; seconds without anything are absent.
    pub intervals: Vec<Interval>,
    /// What each user met, per ten seconds.
    pub users: Vec<UserSlice>,
    /// How journeys ended, per second.
    pub journeys: Vec<JourneyInterval>,
    /// What probes saw, ascending.
    pub readings: Vec<Reading>,
    /// What became of the app's process.
    pub target: Vec<TargetEvent>,
    /// When faults were on and what they did.
    pub faults: Vec<FaultRecord>,
    /// Calls that upstreams received, per second.
    pub upstreams: Vec<UpstreamInterval>,
    /// What befell calls to upstreams, and what their clients did next: one entry per upstream where anything did.
    #[serde(default)]
    pub calls: Vec<UpstreamCalls>,
    /// How much memory the ballast held.
    pub pressure: Vec<PressureMark>,
    /// How firedrill itself was doing.
    pub harness: Vec<HarnessReading>,
    /// The first few offending requests of each kind.
    pub exemplars: Vec<Exemplar>,
    /// What was seen beyond the load.
    #[serde(default)]
    pub observations: Vec<Observation>,
    /// Warnings that a reader should know.
    pub warnings: Vec<String>,
}

/// One fault over the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// The rule's index in the plan.
    pub rule: usize,
    /// When it was really on; `until` is the end of the run where it never closed.
    pub window: FaultWindow,
    /// Requests that it hit.
    pub fired: u64,
    /// The first time it hit.
    pub first_fired: Option<Offset>,
    /// The last time it hit.
    pub last_fired: Option<Offset>,
}

/// Calls that one upstream received in one second.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamInterval {
    /// Which second.
    pub second: u64,
    /// The upstream's index in the plan.
    pub upstream: u16,
    /// Requests received.
    pub calls: u64,
    /// Of those, retries by the client's own mark.
    pub retries: u64,
    /// Requests without such a mark that equal one that had just failed, and that nothing else explains: retries too.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub resent: u64,
    /// Requests that equal one that had just failed, but that may have come for another reason.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unclear: u64,
    /// Requests whose client left before the answer was out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hung_up: u64,
    /// The most requests that were under way at once.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub at_once: u64,
    /// How long the requests that ended had been under way, together, microseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub busy_micros: u64,
    /// The most steps of users that were under way at once, as calls saw it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub steps_at_once: u64,
    /// Of the requests received, hit by a fault.
    pub faulted: u64,
    /// Answers by status; connection faults are under 0.
    #[serde(with = "number_keys")]
    pub statuses: BTreeMap<u16, u64>,
    /// Prompt tokens of answered calls.
    pub tokens_in: u64,
    /// Completion tokens of answered calls.
    pub tokens_out: u64,
    /// Tokens of answered calls by the model that is billed, for their cost.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tokens_by_model: BTreeMap<String, TokenUse>,
    /// Writes acknowledged.
    pub writes: u64,
}

/// One offending request, kept as evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exemplar {
    /// When it ended.
    pub at: Offset,
    /// Which endpoint.
    pub endpoint: EndpointId,
    /// Which user.
    pub user: u32,
    /// The method and the path that was sent.
    pub request: String,
    /// The status, if an answer began.
    pub status: Option<u16>,
    /// How it ended.
    pub outcome: Outcome,
    /// What exactly was not as expected.
    pub why: String,
    /// How long it took, milliseconds.
    pub took_ms: u64,
    /// The beginning of the body, secrets removed.
    pub body: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Numbers as the keys of a map. JSON writes them as texts, and serde does not turn them back by itself inside an
/// internally tagged enum, which `RunEvent` is.
mod number_keys {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};
    use std::collections::BTreeMap;

    pub(super) fn serialize<S: Serializer>(map: &BTreeMap<u16, u64>, serializer: S) -> Result<S::Ok, S::Error> {
        map.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<u16, u64>, D::Error> {
        BTreeMap::<String, u64>::deserialize(deserializer)?
            .into_iter()
            .map(|(key, count)| {
                Ok((key.parse().map_err(|_| D::Error::custom(format!("`{key}` is no status")))?, count))
            })
            .collect()
    }
}
