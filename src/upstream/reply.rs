//! [`ReplyBody`]: the body of an answer as it goes out, in its time, cut or stalled where a fault says so.

use super::answer::Piece;
use super::link::LinkControl;
use super::passthrough::RemoteBody;
use crate::model::fault::BodyPoint;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

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
    /// Ends the connection.
    Cut,
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
    pub on_fire: Box<dyn FnOnce() + Send>,
}

/// Counts a request as under way for as long as it lives.
#[derive(Debug)]
pub struct Busy {
    counter: Arc<AtomicU64>,
    /// How many were under way when it came, itself included.
    pub now: u64,
}

impl Busy {
    /// One more.
    pub fn new(counter: &Arc<AtomicU64>) -> Self {
        Self { counter: Arc::clone(counter), now: counter.fetch_add(1, Ordering::Relaxed) + 1 }
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

/// The pieces of a stream, each in its time.
struct Pieces {
    pieces: Box<dyn Iterator<Item = Piece> + Send>,
    /// Whether it must be known of each piece if it is the last.
    look_ahead: bool,
    ahead: Option<Piece>,
    /// When the present piece is due. Counts from the first question for a piece, which is when the headers go.
    due: Option<Instant>,
    waiting: bool,
    /// One timer for all pieces, made when the first has to wait.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Pieces {
    fn next(&mut self) -> Option<Bytes> {
        let mut due = self.due.unwrap_or_else(Instant::now);
        let piece = loop {
            let piece = self.ahead.take().or_else(|| self.pieces.next())?;
            // A time beyond the clock's end is no time to wait for.
            due = due.checked_add(piece.after).unwrap_or(due);
            self.waiting |= !piece.after.is_zero();
            if !piece.bytes.is_empty() {
                break piece.bytes;
            }
        };
        self.due = Some(due);
        if self.look_ahead {
            // Pieces without bytes end nothing; their time counts for the piece behind them.
            let mut skipped = Duration::ZERO;
            self.ahead = self.pieces.by_ref().find_map(|piece| {
                skipped += piece.after;
                (!piece.bytes.is_empty()).then(|| Piece { bytes: piece.bytes, after: skipped })
            });
        }
        Some(piece)
    }

    fn is_last(&self) -> bool {
        self.look_ahead && self.ahead.is_none()
    }

    /// Ready once the present piece is due.
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.waiting {
            return Poll::Ready(());
        }
        let due = self.due.unwrap_or_else(Instant::now);
        let timer = match &mut self.timer {
            _ if due <= Instant::now() => {
                self.waiting = false;
                return Poll::Ready(());
            }
            Some(timer) => {
                if timer.deadline() != due {
                    timer.as_mut().reset(due);
                }
                timer
            }
            None => self.timer.insert(Box::pin(tokio::time::sleep_until(due))),
        };
        ready!(timer.as_mut().poll(cx));
        self.waiting = false;
        Poll::Ready(())
    }
}

impl ReplyBody {
    /// A body that is sent as it is.
    pub fn plain(body: Bytes, control: Arc<LinkControl>, busy: Option<Busy>) -> Self {
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
        }
    }

    /// A body that is there, with faults. `on_end` is called once it went out or was broken by a fault, not if the
    /// client left before.
    pub fn whole(
        body: Bytes,
        faults: Vec<BodyFault>,
        control: Arc<LinkControl>,
        busy: Option<Busy>,
        on_end: OnEnd,
    ) -> Self {
        Self { faults, on_end: Some(on_end), ..Self::plain(body, control, busy) }
    }

    /// A body that is made while it is sent; else as [`Self::whole`].
    pub fn stream(
        pieces: Box<dyn Iterator<Item = Piece> + Send>,
        faults: Vec<BodyFault>,
        control: Arc<LinkControl>,
        busy: Option<Busy>,
        on_end: OnEnd,
    ) -> Self {
        let look_ahead = faults.iter().any(|fault| fault.after == BodyPoint::LastEvent);
        let pieces = Pieces { pieces, look_ahead, ahead: None, due: None, waiting: false, timer: None };
        let source = Source::Pieces(Box::new(pieces));
        Self { source, faults, on_end: Some(on_end), ..Self::plain(Bytes::new(), control, busy) }
    }

    /// A body that comes from a real service; else as [`Self::whole`].
    pub fn remote(
        body: RemoteBody,
        faults: Vec<BodyFault>,
        control: Arc<LinkControl>,
        busy: Option<Busy>,
        on_end: OnEnd,
    ) -> Self {
        // What comes in one read is no event: only for a fault that counts events are they told apart.
        let by_events = faults.iter().any(|fault| !matches!(fault.after, BodyPoint::Bytes(_)));
        let source = Source::Remote(Box::new(if by_events { body.by_events() } else { body }));
        Self { source, faults, on_end: Some(on_end), ..Self::plain(Bytes::new(), control, busy) }
    }

    /// Makes sure that there is something to send, if anything is left.
    fn refill(&mut self) -> bool {
        if self.piece.is_empty()
            && let Source::Pieces(pieces) = &mut self.source
            && let Some(piece) = pieces.next()
        {
            self.piece = piece;
        }
        !self.piece.is_empty()
    }

    fn end(&mut self, ending: Ending) {
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

    fn strike(&mut self, fault: BodyFault) {
        (fault.on_fire)();
        match fault.kind {
            BodyFaultKind::Cut => {
                self.end(Ending::Broken);
                self.control.close();
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

    /// Forgets what was to come, and sends this as the last.
    fn finish_with(&mut self, last: Bytes) {
        self.source = Source::Whole;
        self.piece = last;
        self.faults.clear();
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
            if this.piece.is_empty()
                && let Source::Remote(remote) = &mut this.source
            {
                match ready!(remote.poll_piece(cx)) {
                    Some(Ok(piece)) => this.piece = piece,
                    Some(Err(_)) => {
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
            let room = if this.faults.is_empty() { usize::MAX } else { this.room() };
            let frame =
                if this.piece.len() <= room { std::mem::take(&mut this.piece) } else { this.piece.split_to(room) };
            this.sent += frame.len() as u64;
            if this.piece.is_empty() {
                this.events += 1;
                if matches!(this.source, Source::Whole) {
                    // hyper does not ask again once the declared length is reached.
                    this.end(Ending::Whole);
                }
            }
            return Poll::Ready(Some(Ok(Frame::data(frame))));
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.source, Source::Whole) && self.piece.is_empty() && !matches!(self.flow, Flow::Severing)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            // With a fault ahead the declared length is set as a header: it must hold for what was meant to be sent.
            Source::Whole if self.faults.is_empty() => SizeHint::with_exact(self.piece.len() as u64),
            Source::Remote(remote) if self.faults.is_empty() && self.sent == 0 => remote.size_hint(),
            _ => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::ByteSize;
    use http_body_util::BodyExt;
    use proptest::prelude::*;
    use std::sync::Mutex;

    type Log = Arc<Mutex<Vec<&'static str>>>;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn pieces(all: &[(&'static str, u64)]) -> Box<dyn Iterator<Item = Piece> + Send> {
        let all: Vec<Piece> = all
            .iter()
            .map(|(text, after)| Piece { bytes: Bytes::from_static(text.as_bytes()), after: millis(*after) })
            .collect();
        Box::new(all.into_iter())
    }

    fn fault(after: BodyPoint, kind: BodyFaultKind, log: &Log) -> BodyFault {
        let log = Arc::clone(log);
        BodyFault { after, kind, on_fire: Box::new(move || log.lock().unwrap().push("fired")) }
    }

    fn stream(all: &[(&'static str, u64)], faults: Vec<BodyFault>, log: &Log) -> ReplyBody {
        let log = Arc::clone(log);
        let on_end = Box::new(move |ending| {
            log.lock().unwrap().push(match ending {
                Ending::Whole => "whole",
                Ending::Broken | Ending::Lost => "broken",
            });
        });
        ReplyBody::stream(pieces(all), faults, Arc::default(), None, on_end)
    }

    /// Every frame with the time at which it came, in milliseconds, reading `pauses` late before each.
    async fn read(body: &mut ReplyBody, pauses: &[u64]) -> Vec<(String, u64)> {
        let started = Instant::now();
        let mut pauses = pauses.iter().copied();
        let mut seen = Vec::new();
        loop {
            if let Some(pause) = pauses.next() {
                tokio::time::sleep(millis(pause)).await;
            }
            let Some(frame) = body.frame().await else { return seen };
            let text = String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap();
            seen.push((text, u64::try_from(started.elapsed().as_millis()).unwrap()));
        }
    }

    fn expected(all: &[(&str, u64)]) -> Vec<(String, u64)> {
        all.iter().map(|(text, at)| ((*text).to_owned(), *at)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn pieces_come_at_their_times_and_a_late_one_delays_no_other() {
        let log = Log::default();
        let all = [("a", 0), ("b", 50), ("", 10), ("c", 40), ("d", 50), ("e", 0)];
        let mut body = stream(&all, vec![], &log);
        assert_eq!(read(&mut body, &[]).await, expected(&[("a", 0), ("b", 50), ("c", 100), ("d", 150), ("e", 150)]));
        assert_eq!(*log.lock().unwrap(), ["whole"]);
        let mut body = stream(&all, vec![], &log);
        let late = read(&mut body, &[0, 0, 57]).await;
        assert_eq!(late, expected(&[("a", 0), ("b", 50), ("c", 107), ("d", 150), ("e", 150)]), "no drift");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_holds_back_what_becomes_due_and_shifts_nothing_behind_it() {
        let log = Log::default();
        let stall = fault(BodyPoint::Events(1), BodyFaultKind::Stall(Some(millis(120))), &log);
        let mut body = stream(&[("a", 0), ("b", 50), ("c", 50), ("d", 50)], vec![stall], &log);
        assert_eq!(read(&mut body, &[]).await, expected(&[("a", 0), ("b", 120), ("c", 120), ("d", 150)]));
        assert_eq!(*log.lock().unwrap(), ["fired", "whole"]);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_count_across_pieces_and_a_cut_asks_for_the_connections_end() {
        let log = Log::default();
        let cut = fault(BodyPoint::Bytes(ByteSize(4)), BodyFaultKind::Cut, &log);
        let mut body = stream(&[("abc", 5), ("def", 5), ("ghi", 5)], vec![cut], &log);
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "abc");
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "d");
        let rest = tokio::time::timeout(millis(1_000), body.frame()).await;
        assert!(rest.is_err(), "the connection ends instead");
        assert_eq!(*log.lock().unwrap(), ["fired", "broken"]);
        let ended = body.control.drive(std::future::pending::<()>());
        tokio::time::timeout(millis(10), ended).await.expect("the connection is ended");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_can_end_in_good_order_too_early() {
        for (after, left) in [
            (BodyPoint::LastEvent, "abcdef"),
            (BodyPoint::Events(1), "abc"),
            (BodyPoint::Events(0), ""),
            (BodyPoint::Bytes(ByteSize(5)), "abcde"),
        ] {
            let log = Log::default();
            let truncate = fault(after, BodyFaultKind::Truncate, &log);
            let mut body = stream(&[("abc", 5), ("def", 5), ("ghi", 5), ("", 5)], vec![truncate], &log);
            let text: String = read(&mut body, &[]).await.into_iter().map(|(text, _)| text).collect();
            assert_eq!(text, left, "{after:?}");
            assert_eq!(*log.lock().unwrap(), ["fired", "whole"]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_takes_the_place_of_what_was_to_come() {
        let log = Log::default();
        let error = fault(BodyPoint::Events(2), BodyFaultKind::Replace("error".into()), &log);
        let mut body = stream(&[("a", 0), ("b", 50), ("c", 50)], vec![error], &log);
        assert_eq!(read(&mut body, &[]).await, expected(&[("a", 0), ("b", 50), ("error", 50)]));
        assert!(body.is_end_stream());
        assert_eq!(*log.lock().unwrap(), ["fired", "whole"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_no_effect_does_not_fire() {
        let log = Log::default();
        let far = vec![
            fault(BodyPoint::Bytes(ByteSize(6)), BodyFaultKind::Cut, &log),
            fault(BodyPoint::Events(2), BodyFaultKind::Truncate, &log),
        ];
        let mut body = stream(&[("abc", 5), ("def", 5)], far, &log);
        assert_eq!(read(&mut body, &[]).await.len(), 2);
        assert_eq!(*log.lock().unwrap(), ["whole"]);
    }

    #[test]
    fn a_request_is_under_way_for_as_long_as_its_body_lives() {
        let counter = Arc::new(AtomicU64::new(0));
        let body = ReplyBody::plain("x".into(), Arc::default(), Some(Busy::new(&counter)));
        let other = Busy::new(&counter);
        assert_eq!((other.now, counter.load(Ordering::Relaxed)), (2, 2));
        drop(body);
        assert_eq!(counter.load(Ordering::Relaxed), 1);
    }

    proptest! {
        /// Whatever the pieces and faults, nothing panics, every fault fires at most once, and what comes is a
        /// beginning of the whole (an error behind it aside).
        #[test]
        fn any_faults_leave_a_beginning(
            lengths in proptest::collection::vec((0..5_usize, 0..3_u64), 0..8),
            faults in proptest::collection::vec((0..3_u8, 0..12_u64, 0..4_u8), 0..4),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let log = Log::default();
                let count = faults.len();
                let faults = faults.into_iter().map(|(point, at, kind)| {
                    let after = match point {
                        0 => BodyPoint::Bytes(ByteSize(at)),
                        1 => BodyPoint::Events(at),
                        _ => BodyPoint::LastEvent,
                    };
                    let kind = match kind {
                        0 => BodyFaultKind::Cut,
                        1 => BodyFaultKind::Stall(Some(millis(at))),
                        2 => BodyFaultKind::Truncate,
                        _ => BodyFaultKind::Replace("!".into()),
                    };
                    fault(after, kind, &log)
                }).collect();
                let all: Vec<(&'static str, u64)> = lengths.iter().map(|(length, after)| (&"abcde"[..*length], *after)).collect();
                let whole: String = all.iter().map(|(text, _)| *text).collect();
                let mut body = stream(&all, faults, &log);
                let mut seen = String::new();
                while let Ok(Some(frame)) = tokio::time::timeout(millis(1_000), body.frame()).await {
                    let frame = frame.unwrap().into_data().unwrap();
                    assert!(!frame.is_empty());
                    seen.push_str(std::str::from_utf8(&frame).unwrap());
                }
                assert!(whole.starts_with(seen.trim_end_matches('!')), "{seen} of {whole}");
                let log = log.lock().unwrap();
                assert!(log.iter().filter(|entry| **entry == "fired").count() <= count);
                assert_eq!(log.iter().filter(|entry| **entry != "fired").count(), 1, "one end: {log:?}");
            });
        }
    }
}
