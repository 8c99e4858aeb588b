//! A connection whose traffic is watched, so that one on which nothing moves can be cut.
//!
//! Slow headers are hyper's business; what it does not see is a peer that never sends its first byte,
//! that stops reading its answer, or that rests on HTTP/2.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What happened on a connection so far.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    bytes: AtomicU64,
    requests: AtomicU32,
}

impl Traffic {
    /// Counts a request as being worked on for as long as the result lives.
    pub(super) fn request(self: &Arc<Self>) -> Working {
        self.requests.fetch_add(1, Relaxed);
        Working(Arc::clone(self))
    }

    /// Bytes moved in both directions.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Whether a request is being worked on.
    pub(super) fn is_working(&self) -> bool {
        self.requests.load(Relaxed) > 0
    }
}

/// A request that is being worked on.
#[derive(Debug)]
pub(super) struct Working(Arc<Traffic>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Relaxed);
    }
}

/// A TCP stream that counts what moves.
pub(super) struct Watched {
    stream: TcpStream,
    traffic: Arc<Traffic>,
}

impl Watched {
    pub(super) fn new(stream: TcpStream, traffic: Arc<Traffic>) -> Watched {
        Watched { stream, traffic }
    }

    fn count(&self, bytes: usize) {
        self.traffic.bytes.fetch_add(bytes as u64, Relaxed);
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.count(buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.count(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs))?;
        self.count(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
