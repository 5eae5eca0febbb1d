//! [`RunEvent`]: what happens, as it happens. The journal, the timeline and the live view are all made of these.

use super::calls::{CallNote, CallSettled, Trigger};
use super::checks::Observation;
use super::fault::FaultAction;
use super::interval::{Interval, JourneyInterval, UserSlice};
use super::playbook::Playbook;
use super::reading::{HarnessReading, PressureMark, Reading, TargetEvent};
use super::run_record::{EndReason, RunHeader};
use super::timeline::{Exemplar, UpstreamInterval};
use crate::units::Offset;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// One event of a run; one line of `events.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum RunEvent {
    /// The first line: what will be done, and what it will be judged by, so that a killed run can be judged too.
    Started {
        /// What will be done.
        header: Box<RunHeader>,
        /// What it will be judged by.
        playbook: Box<Playbook>,
    },
    /// A fault's window opened.
    FaultOpened {
        /// When.
        at: Offset,
        /// The rule's index in the plan.
        rule: usize,
    },
    /// A fault's window closed.
    FaultClosed {
        /// When.
        at: Offset,
        /// The rule's index in the plan.
        rule: usize,
    },
    /// A fault hit a request: the ground truth.
    FaultFired {
        /// When.
        at: Offset,
        /// The rule's index in the plan.
        rule: usize,
        /// The request's number among those that matched the rule.
        n: u64,
        /// The request's number at its upstream, by which a later [`RunEvent::Call`] tells how it ended; none where a
        /// connection was hit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<u64>,
        /// The step that triggered the request, if that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trigger: Option<Trigger>,
        /// The upstream's name.
        upstream: String,
        /// The request's method and path, without its query.
        request: String,
        /// What was done to it.
        action: FaultAction,
    },
    /// A call to an upstream failed, was hit, or was a retry.
    Call(Box<CallNote>),
    /// What became of a call that had failed at first.
    CallSettled(CallSettled),
    /// A second of results.
    Interval(Interval),
    /// Journeys that ended in a second.
    Journeys {
        /// One entry per journey with endings.
        journeys: Vec<JourneyInterval>,
    },
    /// What users met in ten seconds.
    Users {
        /// One entry per user and endpoint.
        users: Vec<UserSlice>,
    },
    /// A second of calls to the upstreams.
    Upstream(UpstreamInterval),
    /// A probe's observation.
    Reading(Reading),
    /// The app's process changed.
    Target(TargetEvent),
    /// The ballast changed.
    Pressure(PressureMark),
    /// How firedrill was doing.
    Harness(HarnessReading),
    /// An offending request.
    Exemplar(Exemplar),
    /// Something seen beyond the load.
    Observed {
        /// What.
        what: Observation,
    },
    /// Something that a reader should know.
    Warning {
        /// When.
        at: Offset,
        /// What.
        message: String,
    },
    /// The last line: how it ended.
    Ended {
        /// When.
        at: Offset,
        /// Why.
        reason: EndReason,
    },
}

/// Where stages send their events; cheap to clone.
///
/// The channel is unbounded on purpose: emitters sit on the data path and must neither wait nor drop ground
/// truth, and the one receiver only appends to a buffered file, so it outpaces any load that one machine makes.
#[derive(Clone, Debug)]
pub struct EventSink(mpsc::UnboundedSender<RunEvent>);

impl EventSink {
    /// A sink and the end that receives what is sent into it.
    #[must_use]
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<RunEvent>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Sends an event; once the run is over, events go nowhere.
    pub fn emit(&self, event: RunEvent) {
        let _ = self.0.send(event);
    }
}
