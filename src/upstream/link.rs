//! [`Link`]: the socket of one connection, plain or TLS, with what HTTP hides and faults need: ending the connection
//! once everything written so far has left for the kernel, in good order or with a reset.

use super::request_line::RequestLines;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::task::AtomicWaker;
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// What an HTTP/2 client sends first (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How much is read at first: the whole head of most requests, so that looking at it costs no further read.
const FIRST_READ: usize = 4 << 10;

/// How long a client may take to close its side of a connection that we have closed.
const LINGER: Duration = Duration::from_secs(2);

const OPEN: u8 = 0;
const CLOSING: u8 = 1;
const RESETTING: u8 = 2;

/// What the requests of a connection may ask of it.
#[derive(Debug, Default)]
pub struct LinkControl {
    /// The connection's number at its upstream, from 1.
    number: u64,
    ending: AtomicU8,
    /// Whether something was written that is not with the kernel yet.
    unsent: AtomicBool,
    connection: AtomicWaker,
    /// The socket of a connection that was closed, until it is taken by [`Self::linger`].
    left: Mutex<Option<TcpStream>>,
    /// What still goes out on it then.
    surplus: Mutex<Bytes>,
}

impl LinkControl {
    /// The control of the connection with this number.
    pub fn new(number: u64) -> Self {
        Self { number, ..Self::default() }
    }

    /// The connection's number at its upstream, from 1.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Ends the connection in good order (FIN) once everything is sent that was given to it before.
    pub fn close(&self) {
        // A reset that is asked for by another request of the same connection stays one.
        let _ = self.ending.compare_exchange(OPEN, CLOSING, Ordering::AcqRel, Ordering::Acquire);
        self.connection.wake();
    }

    /// Ends the connection as [`Self::close`] does, with these bytes as the last: behind an answer whose declared length
    /// does not cover them. They do not go out over TLS.
    pub fn close_behind(&self, surplus: Bytes) {
        *self.surplus.lock().unwrap_or_else(PoisonError::into_inner) = surplus;
        self.close();
    }

    /// Whether something still goes out behind the last answer.
    pub fn has_surplus(&self) -> bool {
        !self.surplus.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Ends the connection with a reset (RST). What the client has not taken yet may be lost.
    pub fn reset(&self) {
        self.ending.store(RESETTING, Ordering::Release);
        self.connection.wake();
    }

    fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire) != OPEN
    }

    fn is_resetting(&self) -> bool {
        self.ending.load(Ordering::Acquire) == RESETTING
    }

    /// After the connection is gone: if it was closed through this control, waits for the client to close its side.
    ///
    /// A socket that is dropped while something from the client lies unread in it is reset by the system, which takes
    /// what was let through with it. An HTTP/2 client sends at any time (window updates).
    pub async fn linger(&self) {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut stream) = left else { return };
        let surplus = std::mem::take(&mut *self.surplus.lock().unwrap_or_else(PoisonError::into_inner));
        let until_closed = async {
            // Whoever closed its side already does not want them.
            if stream.write_all(&surplus).await.is_ok() && stream.shutdown().await.is_ok() {
                while stream.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {}
            }
        };
        // Whoever does not close its side by then will not.
        let _ = tokio::time::timeout(LINGER, until_closed).await;
    }

    /// Drives a connection until it ends by itself or is ended through this control.
    pub async fn drive(&self, connection: impl Future) {
        let mut connection = pin!(connection);
        std::future::poll_fn(|cx| {
            self.connection.register(cx.waker());
            // Asked before the turn, so that what HTTP/2 streams handed over before asking goes out in this turn.
            let ending = self.is_ending();
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            if ending && !self.unsent.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

enum Socket {
    Plain(TokioIo<TcpStream>),
    Tls(Box<TokioIo<TlsStream<TcpStream>>>),
    /// Taken out at the very end.
    Gone,
}

/// The socket of one connection, for hyper.
pub struct Link {
    socket: Socket,
    /// What was read ahead, to be read again.
    ahead: Bytes,
    /// Looks for request lines in what is read, once it is known to be HTTP/1.
    lines: RequestLines,
    control: Arc<LinkControl>,
}

impl Link {
    /// Takes over an accepted socket.
    pub fn plain(stream: TcpStream, control: Arc<LinkControl>) -> Self {
        Self { socket: Socket::Plain(TokioIo::new(stream)), ahead: Bytes::new(), lines: RequestLines::none(), control }
    }

    /// Takes over a socket whose TLS handshake is done.
    pub fn tls(stream: TlsStream<TcpStream>, control: Arc<LinkControl>) -> Self {
        let socket = Socket::Tls(Box::new(TokioIo::new(stream)));
        Self { socket, ahead: Bytes::new(), lines: RequestLines::none(), control }
    }

    /// Whether the client speaks HTTP/2: by what TLS agreed on, or by its first bytes ("prior knowledge"). Waits for
    /// those, without an end.
    ///
    /// # Errors
    /// When nothing more can be read.
    pub async fn speaks_http2(&mut self) -> io::Result<bool> {
        if let Socket::Tls(stream) = &self.socket
            && let Some(agreed) = stream.inner().get_ref().1.alpn_protocol()
        {
            let speaks = agreed == b"h2";
            if !speaks {
                self.lines = RequestLines::new();
            }
            return Ok(speaks);
        }
        let mut seen = BytesMut::with_capacity(FIRST_READ);
        let speaks = loop {
            let read = match &mut self.socket {
                Socket::Plain(stream) => stream.inner_mut().read_buf(&mut seen).await?,
                Socket::Tls(stream) => stream.inner_mut().read_buf(&mut seen).await?,
                Socket::Gone => 0,
            };
            let start = &seen[..seen.len().min(PREFACE.len())];
            if read == 0 || !PREFACE.starts_with(start) {
                break false;
            }
            if start.len() == PREFACE.len() {
                break true;
            }
        };
        if !speaks {
            self.lines = RequestLines::new();
        }
        self.ahead = match self.lines.mended(&seen) {
            Some(mended) => mended.into(),
            None => seen.freeze(),
        };
        Ok(speaks)
    }

    /// Notes that something was given to the socket; until it is flushed, it may not be with the kernel.
    fn wrote<T>(&mut self, written: Poll<T>) -> Poll<T> {
        self.lines.answered();
        self.control.unsent.store(true, Ordering::Relaxed);
        written
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if !self.control.is_ending() {
            return;
        }
        let stream = match std::mem::replace(&mut self.socket, Socket::Gone) {
            Socket::Plain(stream) => stream.into_inner(),
            Socket::Tls(stream) => {
                // In the middle of TLS, bytes of HTTP would be no bytes of HTTP.
                self.control.surplus.lock().unwrap_or_else(PoisonError::into_inner).clear();
                stream.into_inner().into_inner().0
            }
            Socket::Gone => return,
        };
        if self.control.is_resetting() {
            // With a linger time of zero, closing sends RST and discards what was not sent.
            let _ = stream.set_zero_linger();
        } else {
            *self.control.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
        }
    }
}

/// What is left to do on a socket that was taken out: nothing.
fn gone<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}

impl Read for Link {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.ahead.is_empty() {
            let length = this.ahead.len().min(buf.remaining());
            buf.put_slice(&this.ahead[..length]);
            this.ahead.advance(length);
            if this.ahead.is_empty() {
                this.ahead = Bytes::new();
            }
            return Poll::Ready(Ok(()));
        }
        if !this.lines.is_looking() {
            return this.socket.poll_read(cx, buf);
        }
        let mut space = [MaybeUninit::uninit(); FIRST_READ];
        let most = space.len().min(buf.remaining());
        let mut read = ReadBuf::uninit(&mut space[..most]);
        ready!(this.socket.poll_read(cx, read.unfilled()))?;
        match this.lines.mended(read.filled()) {
            None => buf.put_slice(read.filled()),
            Some(mended) => {
                let length = mended.len().min(buf.remaining());
                buf.put_slice(&mended[..length]);
                this.ahead = Bytes::from(mended).slice(length..);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Socket {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
            Self::Gone => gone(),
        }
    }
}

impl Write for Link {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = match &mut self.socket {
            Socket::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Socket::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, buf),
            Socket::Gone => gone(),
        };
        self.wrote(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes its socket only after it has written out its own buffer.
        let flushed = match &mut self.socket {
            Socket::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
            Socket::Gone => gone(),
        };
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.control.unsent.store(false, Ordering::Relaxed);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.control.is_resetting() {
            return Poll::Ready(Ok(()));
        }
        match &mut self.socket {
            Socket::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
            Socket::Gone => gone(),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.socket {
            Socket::Plain(stream) => stream.is_write_vectored(),
            Socket::Tls(stream) => stream.is_write_vectored(),
            Socket::Gone => false,
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.socket {
            Socket::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Socket::Tls(stream) => Pin::new(stream.as_mut()).poll_write_vectored(cx, bufs),
            Socket::Gone => gone(),
        };
        self.wrote(written)
    }
}
