//! Messages of PostgreSQL's protocol: [`Messages`] reads them off a socket, [`error_response`] makes one.

use crate::model::fault::PostgresError;
use bytes::{BufMut, Bytes, BytesMut};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Codes that stand where a startup message has its version.
pub const SSL_REQUEST: u32 = 80_877_103;
/// The same for GSSAPI encryption.
pub const GSSENC_REQUEST: u32 = 80_877_104;
/// A request to cancel, on a connection of its own.
pub const CANCEL_REQUEST: u32 = 80_877_102;
/// The longest packet before a session; PostgreSQL's own bound (`MAX_STARTUP_PACKET_LENGTH`).
const LONGEST_STARTUP: usize = 10_000;
/// The longest message; PostgreSQL's own bound (`PQ_LARGE_MESSAGE_LIMIT`).
const LONGEST: usize = 0x3fff_ffff;
/// What is read at a time.
const CHUNK: usize = 8 << 10;

/// The beginning of a message: its type, and how long its body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its type.
    pub kind: u8,
    /// Bytes of its body.
    pub length: usize,
}

impl Head {
    /// As it stands on the wire.
    pub fn bytes(self) -> [u8; 5] {
        let length = u32::try_from(self.length + 4).unwrap_or(u32::MAX).to_be_bytes();
        [self.kind, length[0], length[1], length[2], length[3]]
    }
}

/// What comes from one side, message by message.
pub struct Messages<R> {
    from: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Messages<R> {
    /// Reads from here.
    pub fn new(from: R) -> Self {
        Self { from, buffer: BytesMut::new() }
    }

    /// Reads on from here, behind what was read already.
    pub fn starting_with(buffer: BytesMut, from: R) -> Self {
        Self { from, buffer }
    }

    /// A packet before a session, with its length; `None` at an end.
    ///
    /// # Errors
    /// When the socket breaks, or what comes is none.
    pub async fn startup(&mut self) -> io::Result<Option<Bytes>> {
        if !self.has(4).await? {
            return Ok(None);
        }
        let length = number(&self.buffer) as usize;
        if !(8..=LONGEST_STARTUP).contains(&length) {
            return Err(malformed());
        }
        if !self.has(length).await? {
            return Ok(None);
        }
        Ok(Some(self.buffer.split_to(length).freeze()))
    }

    /// The beginning of the next message; `None` at an end. Its body must be read before the next one. Nothing is lost
    /// if this is dropped before it is ready.
    ///
    /// # Errors
    /// When the socket breaks, or what comes is no message.
    pub async fn head(&mut self) -> io::Result<Option<Head>> {
        if !self.has(5).await? {
            return Ok(None);
        }
        let length = number(&self.buffer[1..]) as usize;
        if !(4..=LONGEST).contains(&length) {
            return Err(malformed());
        }
        let kind = self.buffer.split_to(5)[0];
        Ok(Some(Head { kind, length: length - 4 }))
    }

    /// A whole body; only of one that is known not to be too long.
    ///
    /// # Errors
    /// When the socket breaks or ends.
    pub async fn body(&mut self, length: usize) -> io::Result<Bytes> {
        if self.has(length).await? {
            Ok(self.buffer.split_to(length).freeze())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// Passes a body on as it comes.
    ///
    /// # Errors
    /// When either socket breaks, or the body ends too early.
    pub async fn pass(&mut self, mut length: usize, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        while length > 0 {
            if self.buffer.is_empty() && !self.has(1).await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let piece = self.buffer.split_to(length.min(self.buffer.len()));
            to.write_all(&piece).await?;
            length -= piece.len();
        }
        Ok(())
    }

    /// What is read already and not taken, and where the rest comes from.
    pub fn into_parts(self) -> (BytesMut, R) {
        (self.buffer, self.from)
    }

    /// Reads until so much is there; false if it ends before.
    async fn has(&mut self, length: usize) -> io::Result<bool> {
        while self.buffer.len() < length {
            self.buffer.reserve(CHUNK.min(length - self.buffer.len()).max(CHUNK));
            if self.from.read_buf(&mut self.buffer).await? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Four bytes as a number; zero if they are not there.
fn number(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |four| u32::from_be_bytes(*four))
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not PostgreSQL's protocol")
}

/// The code or version of a packet before a session.
pub fn code(packet: &[u8]) -> u32 {
    packet.get(4..).map_or(0, number)
}

/// A message of this type.
pub fn message(kind: u8, body: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(body.len() + 5);
    bytes.put_slice(&Head { kind, length: body.len() }.bytes());
    bytes.put_slice(body);
    bytes.freeze()
}

/// An ErrorResponse that ends a session.
pub fn error_response(error: &PostgresError) -> Bytes {
    let mut body = BytesMut::new();
    for (field, value) in [(b'S', "FATAL"), (b'V', "FATAL"), (b'C', &error.code), (b'M', &error.message)] {
        body.put_u8(field);
        body.put_slice(value.as_bytes());
        body.put_u8(0);
    }
    body.put_u8(0);
    message(b'E', &body)
}

/// The body of an ErrorResponse without what tells where in the server's code, or by which statement, it was raised.
pub fn without_origin(body: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some((field, value)) = rest.split_first().filter(|(field, _)| **field != 0) {
        let end = value.iter().position(|byte| *byte == 0).map_or(value.len(), |at| at + 1);
        if !b"WFLRPpq".contains(field) {
            kept.push(*field);
            kept.extend_from_slice(&value[..end]);
        }
        rest = &value[end..];
    }
    kept.push(0);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_error_has_the_fields_that_every_client_reads() {
        let error = PostgresError { code: "53300".into(), message: "sorry".into() };
        let bytes = error_response(&error);
        assert_eq!(&bytes[..5], &[b'E', 0, 0, 0, 33]);
        assert_eq!(&bytes[5..], b"SFATAL\0VFATAL\0C53300\0Msorry\0\0");
        assert_eq!(bytes.len(), 34);
    }

    #[test]
    fn where_an_error_was_raised_is_left_out() {
        let body = b"SERROR\0C57014\0Mslow\0WPL/pgSQL function\0Fpl_exec.c\0L3923\0Rexec\0\0";
        assert_eq!(without_origin(body), b"SERROR\0C57014\0Mslow\0\0");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(bytes: Vec<u8>) {
            let read = async {
                let mut startup = Messages::new(bytes.as_slice());
                while let Ok(Some(packet)) = startup.startup().await {
                    let _ = code(&packet);
                }
                let mut messages = Messages::new(bytes.as_slice());
                let mut sink = Vec::new();
                while let Ok(Some(head)) = messages.head().await {
                    if messages.pass(head.length, &mut sink).await.is_err() {
                        break;
                    }
                }
                let _ = without_origin(&bytes);
            };
            tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(read);
        }

        #[test]
        fn what_is_written_is_read(kind: u8, body in proptest::collection::vec(any::<u8>(), 0..20_000)) {
            let bytes = message(kind, &body);
            let read = async {
                let mut messages = Messages::new(&bytes[..]);
                let head = messages.head().await.unwrap().unwrap();
                (head, messages.body(head.length).await.unwrap(), messages.head().await.unwrap())
            };
            let (head, read, end) = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(read);
            prop_assert_eq!((head.kind, &read[..], end), (kind, &body[..], None));
        }
    }
}
