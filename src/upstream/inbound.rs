//! [`Inbound`]: reads request bodies without ever holding more memory than is set aside for them.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, EXPECT};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Larger bodies are refused with 413.
pub const BODY_LIMIT: u64 = 32 << 20;
/// Bodies up to this size are read without asking for room; almost all are.
const SMALL: u64 = 1 << 20;
/// Room for large bodies of all connections together, in MiB; further ones wait their turn.
const ROOM_MIB: usize = 256;
/// As much of a body that is only passed on is held to be looked at.
pub const LOOK_LIMIT: u64 = 8 << 20;
/// How much of a refused body is read and thrown away, so that the client gets to read the refusal.
const DRAIN_LIMIT: u64 = 256 << 20;

/// Why there is no body.
#[derive(Debug, PartialEq, Eq)]
pub enum InboundError {
    /// It is larger than [`BODY_LIMIT`].
    TooLarge,
    /// The client left or broke the protocol.
    Broken,
}

/// A body in memory; gives its room back when dropped.
#[derive(Debug)]
pub struct Held {
    bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

impl std::ops::Deref for Held {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A body that is passed on, of which the beginning was looked at.
#[derive(Debug)]
pub struct Peeked {
    /// What was read, in the pieces in which it came.
    pub frames: VecDeque<Frame<Bytes>>,
    /// What is still to come.
    pub rest: Incoming,
    /// Whether that was all of it.
    pub is_whole: bool,
    /// The room that it takes until it is gone.
    room: Option<OwnedSemaphorePermit>,
}

impl Peeked {
    /// A body that nobody has looked at.
    pub fn unread(rest: Incoming) -> Self {
        Self { frames: VecDeque::new(), rest, is_whole: false, room: None }
    }

    /// A whole one, for an answer that is made here; nothing if more is to come.
    pub fn into_held(self) -> Held {
        Held { bytes: self.whole().unwrap_or_default(), _room: self.room }
    }

    /// All of it, if that is known without reading on.
    pub fn known(&self) -> Option<Bytes> {
        let is_none = self.frames.is_empty() && self.rest.is_end_stream();
        if is_none { Some(Bytes::new()) } else { self.whole().filter(|_| self.is_whole) }
    }

    /// All of it in one piece; `None` if more is to come than was looked at.
    pub fn whole(&self) -> Option<Bytes> {
        let mut data = self.frames.iter().filter_map(Frame::data_ref);
        match (data.next(), self.frames.len()) {
            _ if !self.is_whole => None,
            (None, _) => Some(Bytes::new()),
            (Some(only), 1) => Some(only.clone()),
            (Some(first), _) => {
                let mut all = BytesMut::from(&first[..]);
                data.for_each(|next| all.extend_from_slice(next));
                Some(all.freeze())
            }
        }
    }
}

/// The room for request bodies.
#[derive(Debug)]
pub struct Inbound {
    room: Arc<Semaphore>,
}

impl Inbound {
    /// All the room, empty.
    pub fn new() -> Self {
        Self { room: Arc::new(Semaphore::new(ROOM_MIB)) }
    }

    /// Reads a body to its end.
    ///
    /// # Errors
    /// When the body is too large or does not come whole. A refused body is read and thrown away, so that the client
    /// gets to read the refusal and the connection stays usable; unless the client asked before sending it
    /// (`Expect: 100-continue`): it learns at once, and hyper closes the connection.
    pub async fn read(&self, headers: &HeaderMap, mut body: Incoming) -> Result<Held, InboundError> {
        if body.is_end_stream() {
            return Ok(Held { bytes: Bytes::new(), _room: None });
        }
        let declared = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
        if declared.is_some_and(|declared| declared > BODY_LIMIT) {
            return Err(if headers.contains_key(EXPECT) { InboundError::TooLarge } else { drain(body).await });
        }
        let mut room = match declared {
            Some(declared) if declared > SMALL => Some(self.take_room(declared).await?),
            _ => None,
        };
        let first = match next(&mut body).await? {
            // Almost every body comes in one piece, which needs no copy.
            Some(first) if body.is_end_stream() => return Ok(Held { bytes: first, _room: room }),
            Some(first) => first,
            None => return Ok(Held { bytes: Bytes::new(), _room: room }),
        };
        // What is declared may never come: memory is taken as it does.
        let expected = usize::try_from(declared.unwrap_or(0)).unwrap_or(0).min(64 << 10);
        let mut bytes = BytesMut::with_capacity(expected.max(first.len()));
        bytes.extend_from_slice(&first);
        drop(first);
        while let Some(data) = next(&mut body).await? {
            let length = (bytes.len() + data.len()) as u64;
            if length > BODY_LIMIT {
                drop((bytes, room));
                return Err(drain(body).await);
            }
            if length > SMALL && room.is_none() {
                // A body of unknown length gets the most that it may need at once: bit by bit could deadlock.
                room = Some(self.take_room(BODY_LIMIT).await?);
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Held { bytes: bytes.freeze(), _room: room })
    }

    /// Reads a body that is to be passed on to its end, or until it is longer than [`LOOK_LIMIT`].
    ///
    /// # Errors
    /// When the body does not come whole.
    pub async fn peek(&self, body: Incoming) -> Result<Peeked, InboundError> {
        let mut peeked = Peeked::unread(body);
        let mut length = 0_u64;
        while !peeked.rest.is_end_stream() {
            let frame = match peeked.rest.frame().await {
                None => break,
                Some(Err(_)) => return Err(InboundError::Broken),
                Some(Ok(frame)) => frame,
            };
            length += frame.data_ref().map_or(0, |data| data.len() as u64);
            peeked.frames.push_back(frame);
            if length > LOOK_LIMIT {
                return Ok(peeked);
            }
            if length > SMALL && peeked.room.is_none() {
                peeked.room = Some(self.take_room(LOOK_LIMIT).await?);
            }
        }
        peeked.is_whole = true;
        Ok(peeked)
    }

    /// Waits for room for so many bytes.
    async fn take_room(&self, bytes: u64) -> Result<OwnedSemaphorePermit, InboundError> {
        let mib = u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX);
        Arc::clone(&self.room).acquire_many_owned(mib).await.map_err(|_| InboundError::Broken)
    }
}

/// The next bytes of a body.
async fn next(body: &mut Incoming) -> Result<Option<Bytes>, InboundError> {
    while !body.is_end_stream() {
        match body.frame().await {
            None => break,
            Some(Err(_)) => return Err(InboundError::Broken),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
    Ok(None)
}

/// Reads the rest of a body that is refused, keeping nothing.
async fn drain(mut body: Incoming) -> InboundError {
    let mut seen = 0_u64;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return InboundError::Broken };
        seen += frame.data_ref().map_or(0, |data| data.len() as u64);
        if seen > DRAIN_LIMIT {
            return InboundError::Broken;
        }
    }
    InboundError::TooLarge
}
