//! A socket that takes nothing while its stream still accepts writes.

use super::{Fixture, TIMEOUTS, assert_about, fixture};
use crate::net::peer_end::{PeerEnd, PollEnd};
use crate::net::timeout_stream::TimeoutStream;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

/// A stream that keeps what is written and sends nothing, as TLS does while the client reads nothing.
struct FullSocket;

impl AsyncRead for FullSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for FullSocket {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl PollEnd for FullSocket {
    fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<PeerEnd> {
        Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn flush_and_close_that_the_client_does_not_take_time_out() {
    for closes in [false, true] {
        let Fixture {
            metrics,
            clock,
            activity,
            ..
        } = fixture();
        let mut stream = TimeoutStream::new(FullSocket, TIMEOUTS, activity, metrics, &clock);
        stream.write_all(b"a response").await.expect("it is kept");
        let begun = clock.now();
        let waited = tokio::time::timeout(Duration::from_mins(10), async {
            if closes {
                stream.shutdown().await
            } else {
                stream.flush().await
            }
        });
        let error = waited.await.expect("an end").expect_err("no end");
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{closes}");
        assert_about(30, clock.now().saturating_sub(begun));
    }
}
