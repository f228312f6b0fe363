//! A connection over TLS, after its handshake.

use crate::net::peer_end::{PeerEnd, PollEnd};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

/// A connection over TLS.
#[derive(Debug)]
pub struct ServerTlsStream<Io>(TlsStream<Io>);

impl<Io> ServerTlsStream<Io> {
    /// Wraps a connection whose handshake is complete.
    pub fn new(stream: TlsStream<Io>) -> Self {
        Self(stream)
    }
}

/// Whether the peer ended the connection without a `close_notify` alert, as many clients do. HTTP has
/// its own framing, so an attacker who cuts a request off makes it incomplete, and never another one.
fn is_bare_end(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof
}

impl<Io: AsyncRead + AsyncWrite + Unpin> AsyncRead for ServerTlsStream<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.0).poll_read(cx, buf)) {
            Err(error) if is_bare_end(&error) => Poll::Ready(Ok(())),
            read => Poll::Ready(read),
        }
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ServerTlsStream<Io> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    /// Pending until the socket has taken every record.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    /// Sends `close_notify` and closes the sending side.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> PollEnd for ServerTlsStream<Io> {
    /// Reads up to one record of data ahead, because the end may be an alert behind it.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<PeerEnd> {
        match ready!(Pin::new(&mut self.0).poll_fill_buf(cx)) {
            Ok([]) => Poll::Ready(PeerEnd::Closed),
            Ok(_) => Poll::Pending,
            Err(error) if is_bare_end(&error) => Poll::Ready(PeerEnd::Closed),
            Err(error) => Poll::Ready(PeerEnd::Reset(error)),
        }
    }
}
