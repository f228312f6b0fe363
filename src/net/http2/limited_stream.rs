//! The stream under h2: it fails when its client exceeds the frame budget. A trusted proxy has none.

use crate::net::http2::frame_budget::FrameBudget;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The kind of the error of a client that exceeds its budget. h2 keeps the kind of an error and not
/// the error itself, and no socket returns this kind.
pub const OVER_BUDGET: io::ErrorKind = io::ErrorKind::QuotaExceeded;

/// A stream of HTTP/2 that fails when its client exceeds the [`FrameBudget`]: the read returns
/// [`OVER_BUDGET`]. h2 then ends the connection without a GOAWAY, as after any error of the socket.
#[derive(Debug)]
pub struct FrameLimitedStream<Io> {
    io: Io,
    /// `None` for a trusted proxy. Its connection carries the requests of many clients, and it may send
    /// a frame for each piece of a body that one of them sends slowly.
    budget: Option<FrameBudget>,
}

impl<Io> FrameLimitedStream<Io> {
    /// Wraps a stream that begins with the preface.
    pub fn new(io: Io, is_trusted_proxy: bool) -> Self {
        let budget = (!is_trusted_proxy).then(FrameBudget::default);
        Self { io, budget }
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for FrameLimitedStream<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        if let Some(budget) = &mut self.budget
            && let Err(exceeded) = budget.record(&buf.filled()[before..])
        {
            let error = io::Error::new(OVER_BUDGET, exceeded);
            return Poll::Ready(Err(error));
        }
        read
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for FrameLimitedStream<Io> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
