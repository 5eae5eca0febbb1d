//! [`ReplyBody`]: the body of an answer as it goes out, cut or stalled where a fault says so.

use super::answer::AnswerBody;
use super::link::LinkControl;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;

/// Why a connection was ended on purpose. hyper closes the connection when it gets this.
#[derive(Debug, thiserror::Error)]
pub enum Severed {
    /// A fault ended it.
    #[error("connection ended by a fault")]
    ByFault,
    /// The client left, or sent a body that could not be read.
    #[error("request body could not be read")]
    ByClient,
}

/// How the sending of a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All of it went out.
    Whole,
    /// A fault withheld a part of it for good.
    Broken,
}

/// What a fault does to a body.
#[derive(Debug)]
pub enum BodyFaultKind {
    /// Ends the connection.
    Cut,
    /// Sends nothing for a time, or for ever.
    Stall(Option<Duration>),
}

/// A fault on a body.
pub struct BodyFault {
    /// How many bytes get through first.
    pub after: u64,
    /// What happens then.
    pub kind: BodyFaultKind,
    /// Called when it happens; a body that is short enough to get through is not hit.
    pub on_fire: Box<dyn FnOnce() + Send>,
}

type OnEnd = Box<dyn FnOnce(Ending) + Send>;

/// A body on its way out.
pub struct ReplyBody {
    source: AnswerBody,
    faults: VecDeque<BodyFault>,
    control: Arc<LinkControl>,
    on_end: Option<OnEnd>,
    sent: u64,
    flow: Flow,
}

enum Flow {
    Sending(Bytes),
    Stalled(Bytes, Option<Pin<Box<Sleep>>>),
    /// Waits until the kernel has what was let through: an error at once would discard it.
    Cutting(u64),
    Done,
}

impl ReplyBody {
    /// A body without faults whose sending nobody needs to watch.
    pub fn plain(body: Bytes, control: Arc<LinkControl>) -> Self {
        Self::new(AnswerBody::Full(body), Vec::new(), control, None)
    }

    /// A body; `on_end` is called once it went out or was broken by a fault, not if the client left before.
    pub fn new(
        source: AnswerBody,
        mut faults: Vec<BodyFault>,
        control: Arc<LinkControl>,
        on_end: Option<OnEnd>,
    ) -> Self {
        faults.sort_by_key(|fault| fault.after);
        Self { source, faults: faults.into(), control, on_end, sent: 0, flow: Flow::Sending(Bytes::new()) }
    }

    fn next_piece(&mut self) -> Option<Bytes> {
        match &mut self.source {
            AnswerBody::Full(bytes) => Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty()),
            AnswerBody::Stream(pieces) => pieces.map(|piece| piece.bytes).find(|bytes| !bytes.is_empty()),
            AnswerBody::Upgrade(_) => None,
        }
    }

    fn end(&mut self, ending: Ending) {
        if let Some(on_end) = self.on_end.take() {
            on_end(ending);
        }
    }

    /// The fault that is due before another byte may go.
    fn due_fault(&mut self) -> Option<BodyFault> {
        if self.faults.front().is_some_and(|fault| fault.after <= self.sent) { self.faults.pop_front() } else { None }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Severed;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Severed>>> {
        let this = self.get_mut();
        loop {
            match std::mem::replace(&mut this.flow, Flow::Done) {
                Flow::Sending(piece) => {
                    let piece = if piece.is_empty() { this.next_piece() } else { Some(piece) };
                    let Some(mut piece) = piece else {
                        this.end(Ending::Whole);
                        return Poll::Ready(None);
                    };
                    if let Some(fault) = this.due_fault() {
                        (fault.on_fire)();
                        this.flow = match fault.kind {
                            BodyFaultKind::Cut => {
                                this.end(Ending::Broken);
                                Flow::Cutting(this.control.mark())
                            }
                            BodyFaultKind::Stall(Some(pause)) => {
                                Flow::Stalled(piece, Some(Box::pin(tokio::time::sleep(pause))))
                            }
                            BodyFaultKind::Stall(None) => {
                                this.end(Ending::Broken);
                                Flow::Stalled(piece, None)
                            }
                        };
                        continue;
                    }
                    let room = this.faults.front().map_or(u64::MAX, |fault| fault.after - this.sent);
                    let frame = piece.split_to(piece.len().min(usize::try_from(room).unwrap_or(usize::MAX)));
                    this.sent += frame.len() as u64;
                    if piece.is_empty() && matches!(&this.source, AnswerBody::Full(rest) if rest.is_empty()) {
                        // hyper does not ask again once the declared length is reached.
                        this.end(Ending::Whole);
                    }
                    this.flow = Flow::Sending(piece);
                    return Poll::Ready(Some(Ok(Frame::data(frame))));
                }
                Flow::Stalled(piece, Some(mut pause)) => {
                    if pause.as_mut().poll(cx).is_pending() {
                        this.flow = Flow::Stalled(piece, Some(pause));
                        return Poll::Pending;
                    }
                    this.flow = Flow::Sending(piece);
                }
                Flow::Stalled(piece, None) => {
                    // hyper still sees the client leave, and shutting down drops the connection.
                    this.flow = Flow::Stalled(piece, None);
                    return Poll::Pending;
                }
                Flow::Cutting(mark) => {
                    this.flow = Flow::Cutting(mark);
                    ready!(this.control.poll_flushed(mark, cx));
                    this.flow = Flow::Done;
                    return Poll::Ready(Some(Err(Severed::ByFault)));
                }
                Flow::Done => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match (&self.source, &self.flow) {
            (AnswerBody::Full(rest), Flow::Sending(piece)) => rest.is_empty() && piece.is_empty(),
            _ => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            // With a fault ahead the declared length is set as a header: it must hold for what was meant to be sent.
            AnswerBody::Full(bytes) if self.faults.is_empty() => SizeHint::with_exact(bytes.len() as u64),
            _ => SizeHint::default(),
        }
    }
}
