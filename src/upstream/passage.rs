//! [`Passage`]: a request that faults were decided for, with what is needed to note which of them really struck.
//!
//! Several faults compose in this order, whatever their order in the profile; faults of one stage apply in the order
//! of their rules.
//!
//! 1. What ends the request (`abort`, `reset_peer` without a place, `timeout`): the first of them takes the place of
//!    the answer, and rules behind it do not see the request.
//! 2. Delays before the headers add up.
//! 3. Faults of the database, while the answer is made.
//! 4. Alterations of the content, each on what the one before left.
//! 5. Headers, so that what a rule sets is what goes out; then the answer is compressed, unless it is huge.
//! 6. The body on its way: padding, ends and stalls at their places, slowness; the declared length last, off from what
//!    is really sent.
//!
//! What cannot have its effect on an answer leaves it alone and is not noted as fired.

use super::alter::Alterations;
use super::answer::{Call, DataHit};
use super::fire::Fire;
use super::head::HeadFaults;
use super::notes::Notes;
use super::reply::{BodyFault, BodyFaultKind, BodyFaults};
use crate::model::fault::{BodyPoint, Cause, FaultAction, FaultDecision, StreamError};
use crate::units::{ByteSize, RunClock};
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

/// What an error inside a stream consists of.
pub enum MidStream {
    /// This event.
    Event(Bytes),
    /// What the stream began, with this reason for its failing.
    Failed {
        /// The error's code.
        code: String,
        /// Its words.
        message: String,
    },
}

/// Decisions by what they act on.
#[derive(Default)]
pub struct Sorted {
    /// How much later the headers go.
    pub delay: Duration,
    /// What happens instead of an answer.
    pub terminal: Option<FaultAction>,
    /// What goes wrong in the database.
    pub data: Vec<DataHit>,
    /// What becomes of the content.
    pub content: Alterations,
    /// What becomes of the headers.
    pub head: HeadFaults,
    /// What happens to the body on its way.
    pub body: BodyFaults,
    /// How much is added to the body.
    pub padding: Option<(u64, Fire)>,
    /// How far the declared length is off.
    pub length: Option<(i64, Fire)>,
}

impl Sorted {
    /// Whether the bytes of the answer must be readable as they are, uncompressed.
    pub fn reads(&self) -> bool {
        !self.content.is_empty() || self.padding.is_some()
    }
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

    /// Sorts decisions by what they act on. Those that happen whatever the answer is are noted as fired; the others
    /// are once they strike. `stream_error` makes what an error inside a stream consists of.
    pub fn sort(
        self: Arc<Self>,
        decisions: Vec<FaultDecision>,
        call: &Call<'_>,
        stream_error: impl Fn(&StreamError) -> Option<MidStream>,
    ) -> Sorted {
        let mut sorted = Sorted::default();
        for decision in decisions {
            let passage = Arc::clone(&self);
            let action = decision.action.clone();
            let cause = Cause { rule: decision.rule, n: decision.n };
            let mut fire = Fire::new(move || passage.fired(decision));
            let mut at = |after, kind, fire| sorted.body.points.push(BodyFault { after, kind, fire });
            match action {
                FaultAction::Delay(delay) => {
                    sorted.delay += delay.get();
                    fire.now();
                }
                FaultAction::Abort(_) | FaultAction::Reset | FaultAction::Hang(_) => {
                    sorted.terminal = Some(action);
                    fire.now();
                }
                // Carried out where connections are.
                FaultAction::Connection(_) => {}
                FaultAction::Data(fault) => sorted.data.push(DataHit { fault, cause, fire }),
                FaultAction::Content { fault, draw } => sorted.content.add(&fault, draw, call, fire),
                FaultAction::Headers(headers) => sorted.head.headers(headers, fire),
                FaultAction::WrongContentType(wrong) => sorted.head.content_type(wrong, fire),
                FaultAction::HugeBody(huge) => sorted.padding = Some((huge.size.get(), fire)),
                FaultAction::WrongContentLength(wrong) => sorted.length = Some((wrong.off, fire)),
                FaultAction::DelayBody(delay) => {
                    at(BodyPoint::Bytes(ByteSize::default()), BodyFaultKind::Stall(Some(delay.get())), fire);
                }
                FaultAction::Cut(bytes) => at(BodyPoint::Bytes(bytes), BodyFaultKind::Cut, fire),
                FaultAction::ResetMidway(after) => at(after, BodyFaultKind::Reset, fire),
                FaultAction::Stall { after, pause } => {
                    at(after, BodyFaultKind::Stall(pause.map(|pause| pause.get())), fire);
                }
                FaultAction::Truncate(after) => at(after, BodyFaultKind::Truncate, fire),
                FaultAction::StreamError(error) => match stream_error(&error) {
                    Some(MidStream::Event(event)) => {
                        at(BodyPoint::Events(error.events), BodyFaultKind::Replace(event), fire);
                    }
                    Some(MidStream::Failed { code, message }) => {
                        sorted.content.add_failed(error.events, code, message, fire);
                    }
                    None => {}
                },
                FaultAction::HoldChunks { delay, draw } => sorted.body.throttle.hold(&delay, draw, fire),
                FaultAction::Drip(drip) => sorted.body.throttle.drip(drip, fire),
                FaultAction::SlowTokens(slow) => sorted.body.throttle.slow(slow, fire),
            }
        }
        sorted
    }

    /// Notes that a fault has hit this request.
    fn fired(&self, decision: FaultDecision) {
        let first = !self.hit.swap(true, Ordering::Relaxed);
        self.notes.fired(&self.clock, &self.request, decision, first);
    }
}
