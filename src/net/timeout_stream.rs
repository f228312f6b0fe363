//! A socket on which no wait is endless.
//!
//! hyper's own header timeout runs from the moment a connection is idle, so it cannot let an idle
//! connection live for 90 s and yet give a head 10 s. Here the deadline of a head begins with its
//! first byte. It also ends a client that does not read its reply. It knows no HTTP: `connection`
//! tells it, through [`RequestActivity`], when a request is being worked on; then other deadlines count.

use crate::clock::Clock;
use crate::clock::lazy_timeout::LazyTimeout;
use crate::telemetry::labels::Wait;
use crate::telemetry::metrics::Metrics;
use bytes::{Buf, Bytes};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// How much is still read, and for how long, after the last reply: closing with unread bytes resets
/// the connection, and the client would lose the reply that tells it why.
const LINGER_BYTES: usize = 4 * 1024 * 1024;
const LINGER: Duration = Duration::from_secs(2);

/// Bytes that a client must take within `send`, where so many are there: one buffer of hyper's. A byte now and
/// then would else hold a connection for as long as a client likes.
const SEND_SHARE: usize = 16 * 1024;

/// Requests of one connection: how many are under way, how many have begun so far, and whether all
/// that was to be said has been said.
#[derive(Debug, Default)]
pub struct RequestActivity {
    active: AtomicU32,
    begun: AtomicU32,
    ended: AtomicBool,
}

/// One request under way, until dropped.
#[derive(Debug)]
pub struct ActiveRequest<'a>(&'a RequestActivity);

impl RequestActivity {
    /// A request's head is complete.
    pub fn begin(&self) -> ActiveRequest<'_> {
        self.active.fetch_add(1, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
        ActiveRequest(self)
    }

    /// Whether no request is under way.
    pub fn is_idle(&self) -> bool {
        self.active.load(Ordering::Relaxed) == 0
    }

    /// Whether our side has ended: the last reply is out, and all that is left is the client's end.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

impl Drop for ActiveRequest<'_> {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The deadlines of a socket.
#[derive(Debug, Clone, Copy)]
pub struct SocketTimeouts {
    /// From a head's first byte to its last; `None` where heads cannot be told apart (HTTP/2).
    pub header: Option<Duration>,
    /// From the end of one request to the first byte of the next.
    pub idle: Duration,
    /// For a client to take its reply, 16 KiB of it at a time.
    pub send: Duration,
}

/// The guarded socket.
#[derive(Debug)]
pub struct TimeoutStream<IO> {
    io: IO,
    /// Bytes that were read to see who comes and which HTTP they speak, and not used.
    unread: Bytes,
    timeouts: SocketTimeouts,
    activity: Arc<RequestActivity>,
    metrics: Arc<Metrics>,
    reading: LazyTimeout,
    writing: LazyTimeout,
    /// Bytes that the client has taken since `writing` was stopped last.
    taken: usize,
    /// Whether bytes of the next head have come, and after how many requests that was seen.
    head_begun: bool,
    requests_seen: u32,
    /// Once our side has ended: how much is still read, and until when.
    linger: Option<(usize, Pin<Box<Sleep>>)>,
}

impl<IO> TimeoutStream<IO> {
    /// Guards a fresh socket.
    pub fn new(
        io: IO,
        timeouts: SocketTimeouts,
        activity: Arc<RequestActivity>,
        metrics: Arc<Metrics>,
        clock: &Clock,
    ) -> Self {
        Self {
            io,
            unread: Bytes::new(),
            timeouts,
            activity,
            metrics,
            reading: LazyTimeout::new(clock.clone()),
            writing: LazyTimeout::new(clock.clone()),
            taken: 0,
            head_begun: false,
            requests_seen: 0,
            linger: None,
        }
    }

    /// Gives bytes back, to be read again first.
    pub fn unread(&mut self, bytes: Bytes) {
        self.unread = if self.unread.is_empty() {
            bytes
        } else {
            [bytes, std::mem::take(&mut self.unread)].concat().into()
        };
    }

    /// From here on heads have no deadline of their own.
    pub fn without_header_timeout(&mut self) {
        self.timeouts.header = None;
    }

    /// Starts a new wait where a request has come since the last look.
    fn look(&mut self) {
        let begun = self.activity.begun.load(Ordering::Relaxed);
        if begun != self.requests_seen {
            self.requests_seen = begun;
            self.head_begun = false;
            self.reading.stop();
        }
    }

    /// Nothing to read: is it time to give up?
    fn poll_read_deadline(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.activity.active.load(Ordering::Relaxed) > 0 {
            return Poll::Pending;
        }
        self.look();
        let (wait, timeout) = match self.timeouts.header {
            Some(header) if self.head_begun => (Wait::Header, header),
            _ => (Wait::Idle, self.timeouts.idle),
        };
        ready!(self.reading.poll(timeout, cx));
        self.metrics.timed_out(wait);
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }

    /// Bytes came.
    fn note_read(&mut self) {
        if self.activity.active.load(Ordering::Relaxed) > 0 {
            return;
        }
        self.look();
        if !self.head_begun && self.timeouts.header.is_some() {
            self.head_begun = true;
            self.reading.stop();
        }
    }

    fn poll_written(
        &mut self,
        written: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = written {
            self.taken += written.as_ref().map_or(0, |count| *count);
            if self.taken >= SEND_SHARE {
                self.caught_up();
            }
            return Poll::Ready(written);
        }
        ready!(self.writing.poll(self.timeouts.send, cx));
        self.metrics.timed_out(Wait::Send);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// The client has taken all there was, or enough of it: the next wait is another one.
    fn caught_up(&mut self) {
        self.writing.stop();
        self.taken = 0;
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for TimeoutStream<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unread.has_remaining() {
            let length = self.unread.len().min(buf.remaining());
            buf.put_slice(&self.unread.split_to(length));
            self.note_read();
            return Poll::Ready(Ok(()));
        }
        if let Poll::Ready(read) = Pin::new(&mut self.io).poll_read(cx, buf) {
            self.note_read();
            return Poll::Ready(read);
        }
        self.poll_read_deadline(cx).map(Err)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TimeoutStream<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.poll_written(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.poll_written(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    /// A reply is out: from now on the connection is idle. hyper does not look for the next request
    /// before the socket wakes it, so this is where that wait begins.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        self.caught_up();
        match self.poll_read_deadline(cx) {
            Poll::Ready(error) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Ready(Ok(())),
        }
    }

    /// Ends our side, then reads on until the client has ended its own, within bounds.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
            this.activity.ended.store(true, Ordering::Relaxed);
        }
        let timer = || (LINGER_BYTES, Box::pin(tokio::time::sleep(LINGER)));
        let (left, timer) = this.linger.get_or_insert_with(timer);
        let mut scrap = [0; 4 * 1024];
        loop {
            let mut buf = ReadBuf::new(&mut scrap);
            match Pin::new(&mut this.io).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() && *left > 0 => {
                    *left = left.saturating_sub(buf.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return timer.as_mut().poll(cx).map(Ok),
            }
        }
    }
}

#[cfg(test)]
mod tests;
