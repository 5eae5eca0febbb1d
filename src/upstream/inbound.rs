//! [`Inbound`]: reads request bodies without ever holding more memory than is set aside for them.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, EXPECT};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Larger bodies are refused with 413.
pub const BODY_LIMIT: u64 = 32 << 20;
/// Bodies up to this size are read without asking for room; almost all are.
const SMALL: u64 = 1 << 20;
/// Room for large bodies of all connections together, in MiB; further ones wait their turn.
const ROOM_MIB: usize = 256;
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
