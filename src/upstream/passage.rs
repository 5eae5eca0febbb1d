//! [`Passage`]: a request that faults were decided for, with what is needed to note which of them really struck.

use super::notes::Notes;
use super::reply::{BodyFault, BodyFaultKind};
use crate::model::fault::{BodyPoint, FaultAction, FaultDecision, StreamError};
use crate::units::RunClock;
use bytes::Bytes;
use http::Method;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How much of a request's path is kept in events.
const PATH_KEPT: usize = 200;

/// A request under way that may be hit.
pub struct Passage {
    notes: Arc<Notes>,
    clock: RunClock,
    request: String,
    hit: AtomicBool,
}

/// Decisions by what they act on.
#[derive(Default)]
pub struct Sorted {
    /// How much later the headers go.
    pub delay: Duration,
    /// What happens to the body.
    pub body: Vec<BodyFault>,
    /// What happens instead of an answer.
    pub terminal: Option<FaultAction>,
}

impl Passage {
    /// A request that these notes are of.
    pub fn new(notes: &Arc<Notes>, clock: RunClock, method: &Method, path: &str) -> Self {
        Self {
            notes: Arc::clone(notes),
            clock,
            request: format!("{method} {}", path.get(..PATH_KEPT).unwrap_or(path)),
            hit: AtomicBool::new(false),
        }
    }

    /// Sorts decisions by what they act on. Those that happen whatever the answer is are noted as fired; those on
    /// its body are once they strike. `stream_error` makes what an error inside a stream consists of.
    pub fn sort(
        self: Arc<Self>,
        decisions: Vec<FaultDecision>,
        stream_error: impl Fn(&StreamError) -> Option<Bytes>,
    ) -> Sorted {
        let mut sorted = Sorted::default();
        for decision in decisions {
            let (after, kind) = match &decision.action {
                FaultAction::Delay(delay) => {
                    sorted.delay += delay.get();
                    self.fired(decision);
                    continue;
                }
                FaultAction::Abort(_) | FaultAction::Reset | FaultAction::Hang(_) => {
                    sorted.terminal = Some(decision.action.clone());
                    self.fired(decision);
                    continue;
                }
                FaultAction::Cut(bytes) => (BodyPoint::Bytes(*bytes), BodyFaultKind::Cut),
                FaultAction::Stall { after, pause } => (*after, BodyFaultKind::Stall(pause.map(|pause| pause.get()))),
                FaultAction::Truncate(after) => (*after, BodyFaultKind::Truncate),
                // Carried out where connections are.
                FaultAction::Connection(_) => continue,
                FaultAction::StreamError(error) => match stream_error(error) {
                    Some(event) => (BodyPoint::Events(error.events), BodyFaultKind::Replace(event)),
                    None => continue,
                },
            };
            let passage = Arc::clone(&self);
            sorted.body.push(BodyFault { after, kind, on_fire: Box::new(move || passage.fired(decision)) });
        }
        sorted
    }

    /// Notes that a fault has hit this request.
    fn fired(&self, decision: FaultDecision) {
        let first = !self.hit.swap(true, Ordering::Relaxed);
        self.notes.fired(&self.clock, &self.request, decision, first);
    }
}
