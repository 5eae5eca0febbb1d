//! Bodies on their way through: [`SentBody`] to the service, [`RemoteBody`] from it; both recorded if asked.

use super::Shared;
use crate::upstream::inbound::Peeked;
use crate::upstream::recording::billed_tokens;
use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use memchr::memmem;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};

/// An event longer than this is passed on in parts, in bytes.
const LONGEST_EVENT: usize = 1 << 20;
/// How the events begin after which nothing comes (WIRE-openai §5, §6).
const LAST_EVENTS: [&[u8]; 4] =
    [b"data: [DONE]", b"event: response.completed", b"event: response.incomplete", b"event: response.failed"];

/// A request's body on its way to the service.
#[derive(Debug)]
pub struct SentBody {
    /// What was looked at already goes first.
    body: Peeked,
    recording: Option<Shared>,
}

impl SentBody {
    /// This body.
    pub fn new(body: Peeked, recording: Option<Shared>) -> Self {
        Self { body, recording }
    }
}

impl Body for SentBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let frame = match this.body.frames.pop_front() {
            Some(frame) => Some(Ok(frame)),
            None => ready!(Pin::new(&mut this.body.rest).poll_frame(cx)),
        };
        if let (Some(recording), Some(Ok(frame))) = (&this.recording, &frame)
            && let Some(data) = frame.data_ref()
            && let Some(capture) = &mut *recording.lock().unwrap_or_else(PoisonError::into_inner)
        {
            capture.sent(data);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.frames.is_empty() && self.body.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let held: u64 = self.body.frames.iter().filter_map(Frame::data_ref).map(|data| data.len() as u64).sum();
        let rest = self.body.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + held);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + held);
        }
        hint
    }
}

/// Prompt and completion tokens, once they are known.
#[derive(Clone, Debug, Default)]
pub struct Tokens(Arc<OnceLock<(u64, u64)>>);

impl Tokens {
    /// What is known: none at first.
    pub fn get(&self) -> (u64, u64) {
        self.0.get().copied().unwrap_or_default()
    }
}

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// There is more than shall be held. What was read comes again, as the next piece.
    TooLarge,
    /// The service broke it off.
    Broken,
}

/// An answer's body as it comes from the service.
#[derive(Debug)]
pub struct RemoteBody {
    body: Incoming,
    recording: Option<Shared>,
    /// What came and is not yet a whole event; `None` if pieces are passed on as they come.
    event: Option<BytesMut>,
    /// What was read before and is to come again.
    again: Bytes,
    tokens: Tokens,
}

impl RemoteBody {
    /// This body.
    pub fn new(body: Incoming, recording: Option<Shared>) -> Self {
        Self { body, recording, event: None, again: Bytes::new(), tokens: Tokens::default() }
    }

    /// All of it, if it is not larger than `most` bytes.
    ///
    /// # Errors
    /// Why there is no whole.
    pub async fn whole(&mut self, most: usize) -> Result<Bytes, Unread> {
        let mut whole = BytesMut::new();
        while let Some(piece) = std::future::poll_fn(|cx| self.poll_piece(cx)).await {
            whole.extend_from_slice(&piece.map_err(|_| Unread::Broken)?);
            if whole.len() > most {
                self.again = whole.freeze();
                return Err(Unread::TooLarge);
            }
        }
        Ok(whole.freeze())
    }

    /// The same body, passed on event by event, however it comes.
    #[must_use]
    pub fn by_events(mut self) -> Self {
        self.event = Some(BytesMut::new());
        self
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.body.is_end_stream()
    }

    /// Whether nothing comes any more, as far as that is known without asking.
    pub fn is_over(&self) -> bool {
        self.body.is_end_stream() && self.again.is_empty() && self.event.as_ref().is_none_or(BytesMut::is_empty)
    }

    /// Its length, as far as it is known.
    pub fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    /// Prompt and completion tokens that it says were billed: known at its end, and only if it is recorded.
    pub fn tokens(&self) -> Tokens {
        self.tokens.clone()
    }

    /// Whether this piece is an event after which nothing comes.
    pub fn is_last_event(piece: &[u8]) -> bool {
        LAST_EVENTS.iter().any(|start| piece.starts_with(start))
    }

    /// The next piece, which is not empty; `None` at the end, an error where the service broke off.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, hyper::Error>>> {
        loop {
            if let Some(event) = self.event.as_mut().and_then(whole_event) {
                return Poll::Ready(Some(Ok(event)));
            }
            if !self.again.is_empty() {
                let again = std::mem::take(&mut self.again);
                match &mut self.event {
                    None => return Poll::Ready(Some(Ok(again))),
                    Some(event) => event.extend_from_slice(&again),
                }
                continue;
            }
            let data = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => data,
                    _ => continue,
                },
                Some(Err(error)) => {
                    self.recording = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    self.finish();
                    let rest = self.event.as_mut().map(BytesMut::split).filter(|rest| !rest.is_empty());
                    return Poll::Ready(rest.map(|rest| Ok(rest.freeze())));
                }
            };
            self.record(&data);
            // hyper does not ask again once the declared length is reached.
            if self.body.is_end_stream() {
                self.finish();
            }
            match &mut self.event {
                None => return Poll::Ready(Some(Ok(data))),
                Some(event) => event.extend_from_slice(&data),
            }
        }
    }

    fn record(&self, data: &[u8]) {
        if let Some(recording) = &self.recording
            && let Some(capture) = &mut *recording.lock().unwrap_or_else(PoisonError::into_inner)
        {
            capture.received(data);
        }
    }

    /// Writes what was recorded: the answer is over.
    pub fn finish(&mut self) {
        let capture =
            self.recording.take().and_then(|shared| shared.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(capture) = capture {
            let _ = self.tokens.0.set(billed_tokens(capture.body()));
            capture.finish();
        }
    }
}

/// Takes the first event that is there to its end, or a part of one that is too long.
fn whole_event(came: &mut BytesMut) -> Option<Bytes> {
    let ends = [memmem::find(came, b"\n\n").map(|at| at + 2), memmem::find(came, b"\r\n\r\n").map(|at| at + 4)];
    match ends.into_iter().flatten().min() {
        Some(end) => Some(came.split_to(end).freeze()),
        None if came.len() >= LONGEST_EVENT => Some(came.split().freeze()),
        None => None,
    }
}
