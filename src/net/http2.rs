//! HTTP/2 as we speak it: what one connection may hold, and an end for every stream.
//!
//! For `connection`. A client can do to a stream what it cannot do to a socket: ask, and never give the
//! reply any window; or ask and take it back at once (CVE-2023-44487).
//!
//! There are no PINGs of ours: what they would find is found without them. A client that is gone has no
//! request under way, or one that ends by its deadline; then `guard` ends the connection after
//! `http.idle_timeout`, which neither PINGs nor window updates of the client's put off.

use crate::telemetry::labels::TimeoutKind;
use crate::telemetry::metrics::Metrics;
use hyper::rt::Executor;
use hyper::server::conn::http2::Builder;
use hyper_util::rt::TokioTimer;
use std::error::Error;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// HTTP/2 streams of one connection at a time. A proxy that has more to ask opens another; and each stream whose
/// client gives its reply no window holds some 6 KiB until [`StreamExecutor`] ends it, here 200 KiB a connection.
const MAX_STREAMS: u32 = 32;

/// Streams that the client took back before we had looked at them. h2's own default, held to here since it
/// is what ends a rapid reset: an honest client takes back a request now and then, and not twenty in the
/// time that it takes to read them. Those that it takes back later were requests, and limits count them.
const MAX_PENDING_RESETS: usize = 20;

/// Streams that we reset over the life of a connection, since what the client sent on them was wrong
/// (CVE-2025-8671 makes a server do the resetting). hyper allows 1024; whoever makes a hundred such
/// mistakes is no client of ours.
const MAX_LOCAL_RESETS: usize = 100;

/// Bytes that may come on one stream before they are read: two whole bodies of 32 KiB, as RFC 9113 §6.9.2
/// has it for a start (hyper's default is 1 MiB).
const STREAM_WINDOW_BYTES: u32 = 65_535;

/// Bytes that may come on all streams of a connection before they are read, which is what a stranger can make
/// us hold: four whole bodies (hyper's default is 1 MiB).
const CONNECTION_WINDOW_BYTES: u32 = 128 * 1024;

/// Bytes of a stream's reply that are held for a client that gives it no window; a reply has 8 KiB at most.
const SEND_BUFFER_BYTES: usize = 16 * 1024;

/// Connections with these bounds. `max_head` bounds the head of a request, in bytes.
#[must_use]
pub fn builder(streams: StreamExecutor, max_head_bytes: u32) -> Builder<StreamExecutor> {
    let mut builder = Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_LOCAL_RESETS)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .max_header_list_size(max_head_bytes);
    builder
}

/// Runs each stream of a connection in a task, and not for ever.
#[derive(Debug, Clone)]
pub struct StreamExecutor {
    stream_timeout: Duration,
    metrics: Arc<Metrics>,
}

impl StreamExecutor {
    /// `request` is how long a request may take to be answered. Its reply may then wait as long for the client
    /// to give it window, as a reply may on a socket.
    #[must_use]
    pub fn new(request_timeout: Duration, metrics: Arc<Metrics>) -> Self {
        let stream_timeout = request_timeout * 2;
        Self {
            stream_timeout,
            metrics,
        }
    }
}

impl<F> Executor<F> for StreamExecutor
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let Self {
            stream_timeout,
            metrics,
        } = self.clone();
        tokio::spawn(async move {
            // Dropped, a stream resets itself.
            if tokio::time::timeout(stream_timeout, stream).await.is_err() {
                metrics.timeouts.inc(TimeoutKind::Stream);
            }
        });
    }
}

/// Whether a connection ended since its client did too much of what costs us and not it: our own GOAWAY said
/// `ENHANCE_YOUR_CALM` (RFC 9113 §7).
#[must_use]
pub fn is_flood_error(error: &io::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = error.get_ref().map(|error| error as _);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return error.is_library() && error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM);
        }
        cause = error.source();
    }
    false
}
