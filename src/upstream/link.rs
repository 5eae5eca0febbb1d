//! [`Link`]: the socket of one connection, with the two things that HTTP hides and faults need: closing with a
//! reset, and knowing when everything written so far has left for the kernel.

use futures_util::task::AtomicWaker;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::net::TcpStream;

/// What the requests of a connection may ask of its socket.
#[derive(Debug, Default)]
pub struct LinkControl {
    reset: AtomicBool,
    flushes: AtomicU64,
    waiter: AtomicWaker,
}

impl LinkControl {
    /// Makes the connection end with a reset (RST) instead of an orderly close (FIN), once it is dropped.
    pub fn reset_on_close(&self) {
        self.reset.store(true, Ordering::Release);
    }

    /// A mark to wait behind with [`Self::poll_flushed`].
    pub fn mark(&self) -> u64 {
        self.flushes.load(Ordering::Acquire)
    }

    /// Ready once everything that was written before `mark` was taken is with the kernel.
    pub fn poll_flushed(&self, mark: u64, cx: &mut Context<'_>) -> Poll<()> {
        self.waiter.register(cx.waker());
        if self.flushes.load(Ordering::Acquire) > mark { Poll::Ready(()) } else { Poll::Pending }
    }

    fn flushed(&self) {
        self.flushes.fetch_add(1, Ordering::AcqRel);
        self.waiter.wake();
    }
}

/// The socket of one connection, for hyper.
pub struct Link {
    io: TokioIo<TcpStream>,
    control: Arc<LinkControl>,
}

impl Link {
    /// Takes over an accepted socket.
    pub fn new(stream: TcpStream, control: Arc<LinkControl>) -> Self {
        // Small answers must not wait for a full segment; a socket that cannot do it still works.
        let _ = stream.set_nodelay(true);
        Self { io: TokioIo::new(stream), control }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if self.control.reset.load(Ordering::Acquire) {
            // With a linger time of zero, closing sends RST and discards what was not sent.
            let _ = self.io.inner().set_zero_linger();
        }
    }
}

impl Read for Link {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl Write for Link {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes its socket only after it has written out its own buffer.
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.control.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.control.reset.load(Ordering::Acquire) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}
