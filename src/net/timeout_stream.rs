//! A socket on which every wait has a timeout.
//!
//! hyper's own header timeout begins when a connection becomes idle. It cannot allow an idle
//! connection 90 s and a request head 10 s. Here the head's timeout begins with its first byte. The
//! stream also closes the connection of a client that does not read its response. It knows no HTTP:
//! `connection` reports through [`RequestActivity`] when a request is in flight. No read timeout
//! applies then.

use crate::clock::Clock;
use crate::clock::lazy_timeout::LazyTimeout;
use crate::net::peer_end::{PeerEnd, PollEnd};
use crate::net::request_activity::RequestActivity;
use crate::net::request_boundary::RequestBoundary;
use crate::telemetry::labels::TimeoutKind;
use crate::telemetry::metrics::Metrics;
use bytes::{Buf, Bytes};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// Bytes that are still read after the last response, and for how long. A close with unread bytes
/// resets the connection, and the client would lose the response that explains the close.
const LINGER_BYTES: usize = 4 * 1024 * 1024;
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// Bytes that a client must receive within `send`, if that many are pending: one of hyper's
/// buffers. Otherwise a client could hold a connection indefinitely by reading a byte now and then.
const SEND_QUOTA_BYTES: usize = 16 * 1024;

/// The first byte of a TLS handshake (RFC 8446 §5.1), which begins no request.
const TLS_HANDSHAKE: u8 = 0x16;

/// The timeouts of a socket.
#[derive(Debug, Clone, Copy)]
pub struct SocketTimeouts {
    /// From a head's first byte to its last. `None` if heads cannot be detected (HTTP/2).
    pub header: Option<Duration>,
    /// From the end of one request to the first byte of the next.
    pub idle: Duration,
    /// For a client to receive its response, in steps of 16 KiB.
    pub send: Duration,
}

/// A socket with timeouts.
#[derive(Debug)]
pub struct TimeoutStream<Io> {
    io: Io,
    /// Bytes that were read to detect the client or the HTTP version, and that must be read again.
    pushed_back: Bytes,
    timeouts: SocketTimeouts,
    activity: Arc<RequestActivity>,
    metrics: Arc<Metrics>,
    read_timeout: LazyTimeout,
    write_timeout: LazyTimeout,
    /// Bytes that the client has received since `write_timeout` was reset.
    sent_bytes: usize,
    /// Whether bytes of the next head have arrived, and the number of requests at that time.
    head_started: bool,
    requests_seen: u32,
    boundary: RequestBoundary,
    /// After the server's close: how many bytes are still read, and until when.
    linger: Option<(usize, Pin<Box<Sleep>>)>,
}

impl<Io> TimeoutStream<Io> {
    /// Wraps a new socket.
    pub fn new(
        io: Io,
        timeouts: SocketTimeouts,
        activity: Arc<RequestActivity>,
        metrics: Arc<Metrics>,
        clock: &Clock,
    ) -> Self {
        Self {
            io,
            pushed_back: Bytes::new(),
            timeouts,
            activity,
            metrics,
            read_timeout: LazyTimeout::new(clock.clone()),
            write_timeout: LazyTimeout::new(clock.clone()),
            sent_bytes: 0,
            head_started: false,
            requests_seen: 0,
            boundary: RequestBoundary::default(),
            linger: None,
        }
    }

    /// Pushes bytes back, so that they are read first. For all bytes that were read so far.
    pub fn push_back(&mut self, bytes: Bytes) {
        self.boundary = RequestBoundary::default();
        self.pushed_back = if self.pushed_back.is_empty() {
            bytes
        } else {
            [bytes, std::mem::take(&mut self.pushed_back)]
                .concat()
                .into()
        };
    }

    /// Disables the timeout of heads.
    pub fn disable_header_timeout(&mut self) {
        self.timeouts.header = None;
    }

    /// Starts a new wait if a request has started since the last call.
    fn on_new_request(&mut self) {
        let started = self.activity.started();
        if started != self.requests_seen {
            self.requests_seen = started;
            // hyper may have read a part of the next head with the request.
            self.head_started = self.timeouts.header.is_some()
                && self.boundary.end_request(self.activity.body_length());
            self.read_timeout.reset();
        }
    }

    /// Checks the read timeout while there is nothing to read.
    fn poll_read_deadline(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if !self.activity.is_idle() {
            return Poll::Pending;
        }
        self.on_new_request();
        let (wait, timeout) = match self.timeouts.header {
            Some(header) if self.head_started => (TimeoutKind::Header, header),
            _ => (TimeoutKind::Idle, self.timeouts.idle),
        };
        ready!(self.read_timeout.poll(timeout, cx));
        self.metrics.timeouts.inc(wait);
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }

    /// Records that these bytes were read.
    fn on_read(&mut self, bytes: &[u8]) {
        if self.timeouts.header.is_none() {
            return;
        }
        if self.activity.is_idle() {
            self.on_new_request();
            if !self.head_started {
                self.head_started = true;
                self.read_timeout.reset();
                if bytes.first() == Some(&TLS_HANDSHAKE) {
                    self.activity.record_tls();
                }
            }
        }
        self.boundary.on_read(bytes);
    }

    fn check_write_deadline(
        &mut self,
        written: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = &written {
            self.sent_bytes += written.as_ref().map_or(0, |count| *count);
            if self.sent_bytes >= SEND_QUOTA_BYTES {
                self.reset_write_deadline();
            }
        }
        self.bound_write(written, cx)
    }

    /// Checks the write timeout if a write, a flush or a close waits for the client.
    fn bound_write<T>(
        &mut self,
        ended: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if ended.is_ready() {
            return ended;
        }
        ready!(self.write_timeout.poll(self.timeouts.send, cx));
        self.metrics.timeouts.inc(TimeoutKind::Send);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Restarts the write timeout: the client has received everything, or [`SEND_QUOTA_BYTES`].
    fn reset_write_deadline(&mut self) {
        self.write_timeout.reset();
        self.sent_bytes = 0;
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for TimeoutStream<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.pushed_back.has_remaining() {
            let length = self.pushed_back.len().min(buf.remaining());
            let bytes = self.pushed_back.split_to(length);
            buf.put_slice(&bytes);
            self.on_read(&bytes);
            return Poll::Ready(Ok(()));
        }
        let filled = buf.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut self.io).poll_read(cx, buf) {
            self.on_read(&buf.filled()[filled..]);
            return Poll::Ready(read);
        }
        self.poll_read_deadline(cx).map(Err)
    }
}

impl<Io: AsyncRead + AsyncWrite + PollEnd + Unpin> AsyncWrite for TimeoutStream<Io> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.check_write_deadline(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.check_write_deadline(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    /// Flushes a response. The connection is idle from now on. hyper does not poll for the next
    /// request before the socket wakes it, so the idle timeout is started here.
    ///
    /// hyper also flushes while a request waits for its response, and reads nothing then, because a
    /// client may have closed its side (`http1`). That ends a held read. A client that has reset the
    /// connection is gone.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TLS keeps what the socket does not take, so its flush waits for the client.
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        ready!(self.bound_write(flushed, cx))?;
        self.reset_write_deadline();
        let ended = if self.activity.is_idle() {
            self.poll_read_deadline(cx)
        } else {
            match self.io.poll_end(cx) {
                Poll::Ready(PeerEnd::Reset(error)) => Poll::Ready(error),
                Poll::Ready(PeerEnd::Closed) => {
                    self.activity.close_read();
                    Poll::Pending
                }
                Poll::Pending => Poll::Pending,
            }
        };
        match ended {
            Poll::Ready(error) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Ready(Ok(())),
        }
    }

    /// Closes the server's side, then reads until the client closes its own, within bounds.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            let closed = Pin::new(&mut this.io).poll_shutdown(cx);
            ready!(this.bound_write(closed, cx))?;
            this.activity.close_write();
        }
        let timer = || (LINGER_BYTES, Box::pin(tokio::time::sleep(LINGER_TIMEOUT)));
        let (remaining, timer) = this.linger.get_or_insert_with(timer);
        let mut discarded = [0; 4 * 1024];
        loop {
            let mut buf = ReadBuf::new(&mut discarded);
            match Pin::new(&mut this.io).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() && *remaining > 0 => {
                    *remaining = remaining.saturating_sub(buf.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return timer.as_mut().poll(cx).map(Ok),
            }
        }
    }
}

#[cfg(test)]
mod tests;
