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

#[cfg(test)]
mod tests {
    use super::{FrameLimitedStream, OVER_BUDGET};
    use crate::net::http2::preface::HTTP2_PREFACE;
    use std::io::{self, IoSlice};
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    const PING: [u8; 17] = [0, 0, 8, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    /// Records the writes, and whether they were vectored, flushed and shut down.
    #[derive(Debug, Default)]
    struct Sink {
        written: Vec<u8>,
        calls: Vec<&'static str>,
    }

    impl AsyncWrite for Sink {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.calls.push("write");
            self.written.extend(bytes);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.calls.push("write_vectored");
            let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            self.written.extend(&bytes);
            Poll::Ready(Ok(bytes.len()))
        }

        fn is_write_vectored(&self) -> bool {
            true
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.calls.push("flush");
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.calls.push("shutdown");
            Poll::Ready(Ok(()))
        }
    }

    /// Reads one of these bytes at a time. Returns how many are accepted.
    fn accepted(bytes: &[u8], is_trusted_proxy: bool) -> usize {
        let mut stream = FrameLimitedStream::new(bytes, is_trusted_proxy);
        let mut cx = Context::from_waker(Waker::noop());
        let is_accepted = |_: &&u8| {
            let mut byte = [0];
            let read = Pin::new(&mut stream).poll_read(&mut cx, &mut ReadBuf::new(&mut byte));
            let Poll::Ready(read) = read else {
                panic!("a slice is always ready");
            };
            read.map_err(|error| assert_eq!(error.kind(), OVER_BUDGET))
                .is_ok()
        };
        bytes.iter().take_while(is_accepted).count()
    }

    #[test]
    fn frames_over_the_budget_end_the_reads() {
        let flood = [HTTP2_PREFACE, &PING.repeat(101)].concat();
        // The budget is 100 frames, and a frame counts when its header is complete.
        let end = HTTP2_PREFACE.len() + 100 * PING.len() + 8;
        assert_eq!(accepted(&flood, false), end);
        assert_eq!(accepted(&flood, true), flood.len());
    }

    /// The caller may collect several reads in one buffer.
    #[test]
    fn each_byte_is_counted_once() {
        let before = [HTTP2_PREFACE, &PING.repeat(101)].concat();
        let mut space = [0; 2000];
        let mut buf = ReadBuf::new(&mut space);
        buf.put_slice(&before);
        let mut stream = FrameLimitedStream::new(HTTP2_PREFACE, false);
        let mut cx = Context::from_waker(Waker::noop());
        let read = Pin::new(&mut stream).poll_read(&mut cx, &mut buf);
        assert!(matches!(read, Poll::Ready(Ok(()))), "{read:?}");
        assert_eq!(buf.filled(), [&before, HTTP2_PREFACE].concat());
    }

    #[test]
    fn writes_pass_through() {
        let mut stream = FrameLimitedStream::new(Sink::default(), false);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(stream.is_write_vectored());
        let slices = [IoSlice::new(b"ab"), IoSlice::new(b"c")];
        let written = Pin::new(&mut stream).poll_write_vectored(&mut cx, &slices);
        assert!(matches!(written, Poll::Ready(Ok(3))));
        let written = Pin::new(&mut stream).poll_write(&mut cx, b"d");
        assert!(matches!(written, Poll::Ready(Ok(1))));
        assert!(Pin::new(&mut stream).poll_flush(&mut cx).is_ready());
        assert!(Pin::new(&mut stream).poll_shutdown(&mut cx).is_ready());
        assert_eq!(stream.io.written, b"abcd");
        let calls = ["write_vectored", "write", "flush", "shutdown"];
        assert_eq!(stream.io.calls, calls);
    }
}
