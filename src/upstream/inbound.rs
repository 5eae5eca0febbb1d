//! [`Inbound`]: reads request bodies without ever holding more memory than is set aside for them.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, EXPECT};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Larger bodies are refused with 413.
pub const BODY_LIMIT: u64 = 32 << 20;
/// Bodies up to this size are read without asking for room; almost all are.
const SMALL: u64 = 1 << 20;
/// Room for large bodies of all connections together, in MiB, taken as they come.
const ROOM_MIB: usize = 224;
/// How long a client may send nothing of a body before it is given up.
const STALLED: Duration = Duration::from_secs(30);
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
    _room: Taken,
}

/// The room that one body has.
#[derive(Debug, Default)]
struct Taken {
    room: Option<OwnedSemaphorePermit>,
    /// Beyond what it has taken, it may have as much as any body needs.
    last: Option<OwnedSemaphorePermit>,
}

impl Taken {
    /// In MiB.
    fn mib(&self) -> u64 {
        self.room.as_ref().map_or(0, |room| room.num_permits() as u64)
    }
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
    room: Taken,
}

impl Peeked {
    /// A body that nobody has looked at.
    pub fn unread(rest: Incoming) -> Self {
        Self { frames: VecDeque::new(), rest, is_whole: false, room: Taken::default() }
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
    /// Where nothing is left, one body at a time gets all that it needs: so of many that wait for each other one always
    /// comes to its end.
    last: Arc<Semaphore>,
}

impl Inbound {
    /// All the room, empty.
    pub fn new() -> Self {
        Self { room: Arc::new(Semaphore::new(ROOM_MIB)), last: Arc::new(Semaphore::new(1)) }
    }

    /// Reads a body to its end.
    ///
    /// # Errors
    /// When the body is too large or does not come whole. A refused body is read and thrown away, so that the client
    /// gets to read the refusal and the connection stays usable; unless the client asked before sending it
    /// (`Expect: 100-continue`): it learns at once, and hyper closes the connection.
    pub async fn read(&self, headers: &HeaderMap, mut body: Incoming) -> Result<Held, InboundError> {
        if body.is_end_stream() {
            return Ok(Held { bytes: Bytes::new(), _room: Taken::default() });
        }
        let declared = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
        if declared.is_some_and(|declared| declared > BODY_LIMIT) {
            return Err(if headers.contains_key(EXPECT) { InboundError::TooLarge } else { drain(body).await });
        }
        let mut room = Taken::default();
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
            self.take_room(&mut room, length).await?;
            bytes.extend_from_slice(&data);
        }
        Ok(Held { bytes: bytes.freeze(), _room: room })
    }

    /// Waits for room for so many bytes in all. What is declared is not reserved: it may never come.
    async fn take_room(&self, taken: &mut Taken, bytes: u64) -> Result<(), InboundError> {
        let wanted = bytes.saturating_sub(SMALL).div_ceil(1 << 20);
        while taken.mib() < wanted && taken.last.is_none() {
            tokio::select! {
                biased;
                more = Arc::clone(&self.room).acquire_owned() => {
                    let more = more.map_err(|_| InboundError::Broken)?;
                    match &mut taken.room {
                        Some(room) => room.merge(more),
                        none => *none = Some(more),
                    }
                }
                last = Arc::clone(&self.last).acquire_owned() => {
                    taken.last = Some(last.map_err(|_| InboundError::Broken)?);
                }
            }
        }
        Ok(())
    }

    /// Reads a body that is to be passed on to its end, or until it is longer than [`LOOK_LIMIT`].
    ///
    /// # Errors
    /// When the body does not come whole.
    pub async fn peek(&self, body: Incoming) -> Result<Peeked, InboundError> {
        let mut peeked = Peeked::unread(body);
        let mut length = 0_u64;
        while !peeked.rest.is_end_stream() {
            let frame = match timeout(STALLED, peeked.rest.frame()).await {
                Ok(None) => break,
                Err(_) | Ok(Some(Err(_))) => return Err(InboundError::Broken),
                Ok(Some(Ok(frame))) => frame,
            };
            length += frame.data_ref().map_or(0, |data| data.len() as u64);
            peeked.frames.push_back(frame);
            if length > LOOK_LIMIT {
                return Ok(peeked);
            }
            self.take_room(&mut peeked.room, length).await?;
        }
        peeked.is_whole = true;
        Ok(peeked)
    }
}

/// The next bytes of a body. A client that stops in the middle is given up as one that left.
async fn next(body: &mut Incoming) -> Result<Option<Bytes>, InboundError> {
    while !body.is_end_stream() {
        match timeout(STALLED, body.frame()).await {
            Ok(None) => break,
            Err(_) | Ok(Some(Err(_))) => return Err(InboundError::Broken),
            Ok(Some(Ok(frame))) => {
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
    loop {
        match next(&mut body).await {
            Ok(None) => return InboundError::TooLarge,
            Ok(Some(data)) => seen += data.len() as u64,
            Err(error) => return error,
        }
        if seen > DRAIN_LIMIT {
            return InboundError::Broken;
        }
    }
}
