//! [`Inbound`]: reads request bodies without ever holding more memory than is set aside for them.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use hyper::body::Incoming;
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
    pub async fn read(&self, headers: &HeaderMap, mut body: Incoming) -> Result<Held, InboundError> {
        let declared = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
        let undeclared = declared.is_none() && !hyper::body::Body::is_end_stream(&body);
        // A body of unknown length gets the most that it may need at once: taking room bit by bit could deadlock.
        let expected = if undeclared { BODY_LIMIT } else { declared.unwrap_or(0) };
        if expected > BODY_LIMIT {
            return Err(drain(body).await);
        }
        let room = if expected > SMALL {
            let mib = u32::try_from(expected.div_ceil(1 << 20)).unwrap_or(u32::MAX);
            Some(Arc::clone(&self.room).acquire_many_owned(mib).await.map_err(|_| InboundError::Broken)?)
        } else {
            None
        };
        // What is declared may never come: memory is taken as it does.
        let mut bytes = BytesMut::with_capacity(usize::try_from(declared.unwrap_or(0).min(64 << 10)).unwrap_or(0));
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| InboundError::Broken)?;
            let Ok(data) = frame.into_data() else { continue };
            if (bytes.len() + data.len()) as u64 > BODY_LIMIT {
                drop(bytes);
                return Err(drain(body).await);
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Held { bytes: bytes.freeze(), _room: room })
    }
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
