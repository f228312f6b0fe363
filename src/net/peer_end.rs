//! Sees that the peer of a socket has ended, without reading what it sent.

use std::io;
use std::task::{Context, Poll, ready};
use tokio::io::ReadBuf;
use tokio::net::TcpStream;

/// How a peer has ended.
#[derive(Debug)]
pub enum PeerEnd {
    /// It has closed its sending side. It may still read.
    Closed,
    /// It has reset the connection.
    Reset(io::Error),
}

/// A socket that reports the end of its peer without being read.
pub trait PollEnd {
    /// Returns how the peer has ended, as soon as it has. Pending while bytes are left to read.
    fn poll_end(&self, cx: &mut Context<'_>) -> Poll<PeerEnd>;
}

impl PollEnd for TcpStream {
    fn poll_end(&self, cx: &mut Context<'_>) -> Poll<PeerEnd> {
        let mut byte = [0];
        let available = match ready!(self.poll_peek(cx, &mut ReadBuf::new(&mut byte))) {
            Ok(available) => available,
            Err(error) => return Poll::Ready(PeerEnd::Reset(error)),
        };
        // Bytes, or their end, may precede a reset.
        match (self.take_error(), available) {
            (Ok(Some(error)) | Err(error), _) => Poll::Ready(PeerEnd::Reset(error)),
            (Ok(None), 0) => Poll::Ready(PeerEnd::Closed),
            (Ok(None), _) => Poll::Pending,
        }
    }
}
