//! Sees that the peer of a socket has ended, without reading what it sent.

use rustix::net::{RecvFlags, recv};
use std::io;
use std::task::{Context, Poll, ready};
use tokio::io::{Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

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
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<PeerEnd>;
}

impl PollEnd for TcpStream {
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<PeerEnd> {
        let peeked = ready!(self.poll_peek(cx, &mut ReadBuf::new(&mut [0])));
        peer_end(peeked, || self.take_error())
    }
}

impl PollEnd for UnixStream {
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<PeerEnd> {
        loop {
            if let Err(error) = ready!(self.poll_read_ready(cx)) {
                return Poll::Ready(PeerEnd::Reset(error));
            }
            match self.try_io(Interest::READABLE, || peek(self)) {
                // The readiness was of an earlier read. It is cleared now, so the next poll waits.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                peeked => return peer_end(peeked, || self.take_error()),
            }
        }
    }
}

/// Returns whether a byte can be read, without reading it. tokio has this for TCP only.
fn peek(stream: &UnixStream) -> io::Result<usize> {
    let (available, _) = recv(stream, &mut [0][..], RecvFlags::PEEK)?;
    Ok(available)
}

fn peer_end(
    peeked: io::Result<usize>,
    take_error: impl FnOnce() -> io::Result<Option<io::Error>>,
) -> Poll<PeerEnd> {
    let available = match peeked {
        Ok(available) => available,
        Err(error) => return Poll::Ready(PeerEnd::Reset(error)),
    };
    // Bytes, or their end, may precede a reset.
    match (take_error(), available) {
        (Ok(Some(error)) | Err(error), _) => Poll::Ready(PeerEnd::Reset(error)),
        (Ok(None), 0) => Poll::Ready(PeerEnd::Closed),
        (Ok(None), _) => Poll::Pending,
    }
}
