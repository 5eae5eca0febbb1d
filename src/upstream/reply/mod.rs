//! [`ReplyBody`]: the body of an answer as it goes out, in its time, cut, stalled or slowed where a fault says so.
//!
//! `pieces` are those of a body that is made while it is sent, `throttle` lets a body go out more slowly than it is
//! there, `padding` makes it huge.

mod padding;
mod pieces;
mod throttle;

pub use padding::Padding;
pub use throttle::Throttle;

use super::alter::EventEditor;
use super::answer::Piece;
use super::calls::CallGuard;
use super::fire::Fire;
use super::link::LinkControl;
use super::passthrough::RemoteBody;
use crate::model::fault::BodyPoint;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use pieces::Pieces;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;

/// Why a request ends without an answer. hyper closes the connection when it gets this.
#[derive(Debug, thiserror::Error)]
pub enum Severed {
    /// The client left, or sent a body that could not be read.
    #[error("request body could not be read")]
    ByClient,
}

/// How the sending of a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ended in good order.
    Whole,
    /// A fault withheld a part of it for good.
    Broken,
    /// The real service that it came from broke it off.
    Lost,
}

/// What a fault does to a body.
#[derive(Debug)]
pub enum BodyFaultKind {
    /// Ends the connection in good order.
    Cut,
    /// Ends the connection with a reset.
    Reset,
    /// Sends nothing for a time, or for ever.
    Stall(Option<Duration>),
    /// Ends the body as if it were whole.
    Truncate,
    /// Sends this instead of what was to come, and ends the body.
    Replace(Bytes),
}

/// A fault on a body.
pub struct BodyFault {
    /// What gets through first.
    pub after: BodyPoint,
    /// What happens then.
    pub kind: BodyFaultKind,
    /// Called when it happens; a body that is short enough to get through is not hit.
    pub fire: Fire,
}

/// What happens at the end of a body whose declared length is wrong.
#[derive(Debug)]
pub enum Tail {
    /// Nothing more comes, and the connection stays.
    Hang,
    /// These bytes follow what was declared, and the connection ends.
    Surplus(Bytes),
}

/// All that happens to a body.
#[derive(Default)]
pub struct BodyFaults {
    /// At places of it.
    pub points: Vec<BodyFault>,
    /// How slowly it goes.
    pub throttle: Throttle,
    /// What is added to it.
    pub padding: Option<Padding>,
    /// What becomes of its end.
    pub tail: Option<Tail>,
    /// What is made of the events of a real service's stream; those of a mock are changed before.
    pub editor: Option<EventEditor>,
}

impl BodyFaults {
    /// Whether nothing happens.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty() && self.is_plain()
    }

    /// Whether nothing happens but at places.
    fn is_plain(&self) -> bool {
        self.throttle.is_empty() && self.padding.is_none() && self.tail.is_none() && self.editor.is_none()
    }
}

impl From<Vec<BodyFault>> for BodyFaults {
    fn from(points: Vec<BodyFault>) -> Self {
        Self { points, ..Self::default() }
    }
}

/// Counts a request as under way for as long as it lives.
#[derive(Debug)]
pub struct Busy {
    counter: Arc<AtomicU64>,
    /// How many were under way when it came, itself included.
    pub now: u64,
    /// The call, if it is watched.
    call: Option<CallGuard>,
}

impl Busy {
    /// One more.
    pub fn new(counter: &Arc<AtomicU64>) -> Self {
        Self { counter: Arc::clone(counter), now: counter.fetch_add(1, Ordering::Relaxed) + 1, call: None }
    }

    /// The call of this request is watched.
    pub fn watch(mut self, call: Option<CallGuard>) -> Self {
        self.call = call;
        self
    }

    /// The call, if it is watched.
    pub fn call(&mut self) -> Option<&mut CallGuard> {
        self.call.as_mut()
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.counter.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Called at the end of a body.
pub type OnEnd = Box<dyn FnOnce(Ending) + Send>;

/// A body on its way out.
pub struct ReplyBody {
    source: Source,
    /// What is being sent.
    piece: Bytes,
    faults: Vec<BodyFault>,
    control: Arc<LinkControl>,
    on_end: Option<OnEnd>,
    busy: Option<Busy>,
    sent: u64,
    events: u64,
    flow: Flow,
    /// What few bodies have.
    more: Option<Box<More>>,
}

/// The faults of a body that are not at places.
struct More {
    throttle: Throttle,
    padding: Option<Padding>,
    tail: Option<Tail>,
    editor: Option<EventEditor>,
    /// Whether the present piece is padding.
    is_padding: bool,
}

enum Source {
    /// All there is to send is the piece.
    Whole,
    Pieces(Box<Pieces>),
    /// As it comes from a real service.
    Remote(Box<RemoteBody>),
}

enum Flow {
    Sending,
    Stalled(Option<Pin<Box<Sleep>>>),
    /// The connection is being ended.
    Severing,
    Done,
}

impl ReplyBody {
    /// A body that is sent as it is.
    pub fn plain(body: Bytes, control: Arc<LinkControl>, mut busy: Option<Busy>) -> Self {
        if body.is_empty() {
            // hyper does not ask for a body that is none.
            busy.as_mut().and_then(Busy::call).into_iter().for_each(CallGuard::answered);
        }
        Self::bare(body, control, busy)
    }

    fn bare(body: Bytes, control: Arc<LinkControl>, busy: Option<Busy>) -> Self {
        Self {
            source: Source::Whole,
            piece: body,
            faults: Vec::new(),
            control,
            on_end: None,
            busy,
            sent: 0,
            events: 0,
            flow: Flow::Sending,
            more: None,
        }
    }

    fn with(mut self, faults: BodyFaults) -> Self {
        if !faults.is_plain() {
            let BodyFaults { throttle, padding, tail, editor, .. } = faults;
            self.more = Some(Box::new(More { throttle, padding, tail, editor, is_padding: false }));
        }
        self.faults = faults.points;
        self
    }

    /// A body that is there, with faults. `on_end` is called once it went out or was broken by a fault, not if the
    /// client left before.
    pub fn whole(
        body: Bytes,
        faults: impl Into<BodyFaults>,
        control: Arc<LinkControl>,
        busy: Option<Busy>,
        on_end: OnEnd,
    ) -> Self {
        Self { on_end: Some(on_end), ..Self::bare(body, control, busy) }.with(faults.into())
    }

    /// A body that is made while it is sent; else as [`Self::whole`].
    pub fn stream(
        pieces: Box<dyn Iterator<Item = Piece> + Send>,
        faults: impl Into<BodyFaults>,
        control: Arc<LinkControl>,
        busy: Option<Busy>,
        on_end: OnEnd,
    ) -> Self {
        let faults = faults.into();
        let look_ahead = faults.points.iter().any(|fault| fault.after == BodyPoint::LastEvent);
        let source = Source::Pieces(Box::new(Pieces::new(pieces, look_ahead)));
        Self { source, on_end: Some(on_end), ..Self::bare(Bytes::new(), control, busy) }.with(faults)
    }

    /// A body that comes from a real service; else as [`Self::whole`].
    pub fn remote(
        body: RemoteBody,
        faults: impl Into<BodyFaults>,
        control: Arc<LinkControl>,
        busy: Option<Busy>,
        on_end: OnEnd,
    ) -> Self {
        let faults = faults.into();
        // What comes in one read is no event: only for a fault that counts events are they told apart.
        let by_events = faults.editor.is_some()
            || faults.throttle.counts_events()
            || faults.points.iter().any(|fault| !matches!(fault.after, BodyPoint::Bytes(_)));
        let source = Source::Remote(Box::new(if by_events { body.by_events() } else { body }));
        Self { source, on_end: Some(on_end), ..Self::bare(Bytes::new(), control, busy) }.with(faults)
    }

    /// Makes sure that there is something to send, if anything is left.
    fn refill(&mut self) -> bool {
        if !self.piece.is_empty() {
            return true;
        }
        if let Source::Pieces(pieces) = &mut self.source
            && let Some(piece) = pieces.next()
        {
            self.piece = piece;
        }
        if self.piece.is_empty() {
            self.pad(false);
        }
        !self.piece.is_empty()
    }

    /// Takes padding for the next piece, if some comes here: in front of the body or behind it.
    fn pad(&mut self, in_front: bool) {
        let Some(more) = &mut self.more else { return };
        let padding = more.padding.as_mut().filter(|padding| padding.in_front == in_front);
        let piece = padding.and_then(Padding::next);
        more.is_padding = piece.is_some();
        if let Some(piece) = piece {
            self.piece = piece;
        }
    }

    /// The next piece of a real service's body, with what is made of its events.
    fn poll_remote(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ()>>> {
        let Source::Remote(remote) = &mut self.source else { return Poll::Ready(None) };
        let editor = self.more.as_mut().and_then(|more| more.editor.as_mut());
        let Some(editor) = editor else {
            return remote.poll_piece(cx).map(|piece| piece.map(|piece| piece.map_err(drop)));
        };
        loop {
            if let Some(piece) = editor.pop() {
                return Poll::Ready(Some(Ok(piece)));
            }
            if editor.is_over() {
                return Poll::Ready(None);
            }
            match ready!(remote.poll_piece(cx)) {
                Some(Ok(event)) => editor.push(event),
                Some(Err(_)) => return Poll::Ready(Some(Err(()))),
                None => return Poll::Ready(None),
            }
        }
    }

    /// Whether nothing comes behind the present piece, as far as that is known.
    fn is_all(&self) -> bool {
        let more = self.more.as_ref();
        let unpadded = more.is_none_or(|more| more.padding.as_ref().is_none_or(|padding| padding.left() == 0));
        let unedited = more.is_none_or(|more| more.editor.is_none());
        match &self.source {
            Source::Whole => unpadded,
            Source::Pieces(_) => false,
            Source::Remote(remote) => unpadded && unedited && remote.is_over(),
        }
    }

    fn end(&mut self, ending: Ending) {
        if let Some(call) = self.busy.as_mut().and_then(Busy::call) {
            match ending {
                Ending::Whole => call.answered(),
                Ending::Lost => call.broken(),
                // A client that waits for what does not come is about to hang up.
                Ending::Broken => {}
            }
        }
        if let Some(on_end) = self.on_end.take() {
            on_end(ending);
        }
    }

    /// The fault that is due before another byte may go.
    fn due_fault(&mut self) -> Option<BodyFault> {
        let is_last = match &self.source {
            Source::Whole => true,
            Source::Pieces(pieces) => pieces.is_last(),
            Source::Remote(_) => RemoteBody::is_last_event(&self.piece),
        };
        let due = self.faults.iter().position(|fault| match fault.after {
            BodyPoint::Bytes(bytes) => bytes.get() <= self.sent,
            BodyPoint::Events(events) => events <= self.events,
            BodyPoint::LastEvent => is_last,
        })?;
        Some(self.faults.remove(due))
    }

    /// How many bytes may go before the next fault.
    fn room(&self) -> usize {
        let nearest = self.faults.iter().filter_map(|fault| match fault.after {
            BodyPoint::Bytes(bytes) => Some(bytes.get().saturating_sub(self.sent)),
            BodyPoint::Events(_) | BodyPoint::LastEvent => None,
        });
        nearest.min().map_or(usize::MAX, |room| usize::try_from(room).unwrap_or(usize::MAX))
    }

    fn strike(&mut self, mut fault: BodyFault) {
        fault.fire.now();
        match fault.kind {
            BodyFaultKind::Cut => {
                self.break_off();
                self.control.close();
                self.flow = Flow::Severing;
            }
            BodyFaultKind::Reset => {
                self.break_off();
                self.control.reset();
                self.flow = Flow::Severing;
            }
            BodyFaultKind::Stall(Some(pause)) => {
                self.flow = Flow::Stalled(Some(Box::pin(tokio::time::sleep(pause))));
            }
            BodyFaultKind::Stall(None) => {
                self.end(Ending::Broken);
                self.flow = Flow::Stalled(None);
            }
            BodyFaultKind::Truncate => self.finish_with(Bytes::new()),
            BodyFaultKind::Replace(bytes) => self.finish_with(bytes),
        }
    }

    /// Ends it for good, and the connection with it.
    fn break_off(&mut self) {
        self.busy.as_mut().and_then(Busy::call).into_iter().for_each(CallGuard::broken);
        self.end(Ending::Broken);
    }

    /// Forgets what was to come, and sends this as the last.
    fn finish_with(&mut self, last: Bytes) {
        self.source = Source::Whole;
        self.piece = last;
        self.faults.clear();
        if let Some(more) = &mut self.more {
            (more.padding, more.tail) = (None, None);
        }
    }

    /// What the end of a body whose declared length is wrong is like; whether there is one.
    fn is_endless(&mut self) -> bool {
        match self.more.as_mut().and_then(|more| more.tail.take()) {
            Some(Tail::Hang) => {
                self.end(Ending::Broken);
                self.flow = Flow::Stalled(None);
                true
            }
            Some(Tail::Surplus(rest)) => {
                self.control.close_behind(rest);
                false
            }
            None => false,
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Severed;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Severed>>> {
        let this = self.get_mut();
        loop {
            match &mut this.flow {
                Flow::Sending => {}
                Flow::Stalled(Some(pause)) => {
                    ready!(pause.as_mut().poll(cx));
                    this.flow = Flow::Sending;
                }
                // hyper still sees the client leave, and shutting down drops the connection.
                Flow::Stalled(None) | Flow::Severing => return Poll::Pending,
                Flow::Done => return Poll::Ready(None),
            }
            if this.piece.is_empty() && this.more.is_some() {
                this.pad(true);
            }
            if this.piece.is_empty() && matches!(this.source, Source::Remote(_)) {
                match ready!(this.poll_remote(cx)) {
                    Some(Ok(piece)) => this.piece = piece,
                    Some(Err(())) => {
                        // The service broke off, and so does this side.
                        this.end(Ending::Lost);
                        this.control.close();
                        this.flow = Flow::Severing;
                        return Poll::Pending;
                    }
                    None => {}
                }
            }
            if !this.refill() {
                if this.is_endless() {
                    return Poll::Pending;
                }
                this.flow = Flow::Done;
                this.end(Ending::Whole);
                this.busy = None;
                return Poll::Ready(None);
            }
            if !this.faults.is_empty()
                && let Some(fault) = this.due_fault()
            {
                this.strike(fault);
                continue;
            }
            if let Source::Pieces(pieces) = &mut this.source {
                ready!(pieces.poll_due(cx));
            }
            let mut room = if this.faults.is_empty() { usize::MAX } else { this.room() };
            if let Some(more) = &mut this.more
                && !more.throttle.is_empty()
            {
                ready!(more.throttle.poll_ready(cx, this.piece.len()));
                room = room.min(more.throttle.room());
            }
            let frame =
                if this.piece.len() <= room { std::mem::take(&mut this.piece) } else { this.piece.split_to(room) };
            this.sent += frame.len() as u64;
            if let Some(more) = &mut this.more {
                more.throttle.sent(this.piece.is_empty());
            }
            if this.piece.is_empty() {
                this.events += u64::from(this.more.as_ref().is_none_or(|more| !more.is_padding));
                // hyper does not ask again once the declared length is reached.
                let hangs = this.more.as_ref().is_some_and(|more| matches!(more.tail, Some(Tail::Hang)));
                if this.is_all() && !hangs {
                    this.is_endless();
                    this.end(Ending::Whole);
                }
            }
            return Poll::Ready(Some(Ok(Frame::data(frame))));
        }
    }

    fn is_end_stream(&self) -> bool {
        let hangs = self.more.as_ref().is_some_and(|more| more.tail.is_some());
        self.is_all() && self.piece.is_empty() && !hangs && matches!(self.flow, Flow::Sending | Flow::Done)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            // With a fault ahead the declared length is set as a header: it must hold for what was meant to be sent.
            Source::Whole if self.faults.is_empty() && self.more.is_none() => {
                SizeHint::with_exact(self.piece.len() as u64)
            }
            Source::Remote(remote) if self.faults.is_empty() && self.more.is_none() && self.sent == 0 => {
                remote.size_hint()
            }
            _ => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests;
