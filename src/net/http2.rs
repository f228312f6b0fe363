//! HTTP/2 settings: bounds per connection, and a time limit for every stream.
//!
//! For `connection`. HTTP/2 lets a client do to a stream what it cannot do to a socket: send a
//! request and never give its response any window, or send a request and reset it at once
//! (CVE-2023-44487). It also lets a client send frames without any request, which `frame_budget`
//! bounds.
//!
//! The server sends no PINGs, since what they would find is found without them. A client that has
//! vanished has no request in flight, or one that ends by its deadline. Then `timeout_stream`
//! closes the connection after `http.idle_timeout`, which neither PINGs nor window updates extend.

pub mod frame_budget;
pub mod limited_stream;
pub mod preface;
pub mod response_body;

use crate::http::response::MAX_RESPONSE_BYTES;
use crate::telemetry::labels::TimeoutKind;
use crate::telemetry::metrics::Metrics;
use futures_util::FutureExt;
use hyper::rt::Executor;
use hyper::server::conn::http2::Builder;
use hyper_util::rt::TokioTimer;
use std::error::Error;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Concurrent streams of one connection. A proxy with more requests opens another connection. A
/// stream without a window for its response holds at most [`MAX_RESPONSE_BYTES`] and some 2 KiB until
/// [`StreamExecutor`] ends it, so this allows 860 KiB per connection, and 2.4 MiB with heads and
/// bodies. For a client over all its connections, `limits::http2_streams` is the bound.
const MAX_STREAMS: u32 = 32;

/// Streams that the client reset before the server accepted them. This is h2's default, fixed here
/// because it stops a rapid reset: an honest client resets a request now and then, and not twenty
/// in the time that it takes to read them. A stream that is reset later was a request, and limits
/// count it.
const MAX_PENDING_RESETS: usize = 20;

/// Both limits on resets for a trusted proxy: those of all its clients come over one connection, and
/// its end would end the requests of all of them. h2 keeps the heads of pending resets until it has read
/// what the proxy sent: at most these, 78 KiB each.
const MAX_PROXY_RESETS: usize = 1_000;

/// Streams that the server resets over the life of a connection because the client sent invalid
/// frames (CVE-2025-8671 makes a server do the resetting). hyper allows 1024; no real client makes
/// a hundred such mistakes.
const MAX_LOCAL_RESETS: usize = 100;

/// Upper bound of a client's request head, counted with 32 bytes for each field (RFC 9113 §6.5.2): a
/// field without a value takes 160 bytes of memory, and a request in flight keeps its head. Browsers
/// send 1 to 2 KiB. A proxy passes on what it accepts itself, up to `max_head_bytes`.
const MAX_CLIENT_HEAD_BYTES: usize = 8 * 1024;

/// Unread bytes of one stream: two whole bodies of 32 KiB, and the initial value of RFC 9113 §6.9.2
/// (hyper's default is 1 MiB).
const STREAM_WINDOW_BYTES: u32 = 65_535;

/// Unread bytes of all streams of a connection, which is what a stranger can make the server hold:
/// four whole bodies (hyper's default is 1 MiB).
const CONNECTION_WINDOW_BYTES: u32 = 128 * 1024;

/// Bytes of a stream's response that h2 buffers: a whole response.
const SEND_BUFFER_BYTES: usize = MAX_RESPONSE_BYTES;

/// Returns a builder with these bounds. `max_head_bytes` bounds the head of a proxy's request.
#[must_use]
pub fn builder(
    streams: StreamExecutor,
    max_head_bytes: usize,
    is_trusted_proxy: bool,
) -> Builder<StreamExecutor> {
    let (pending_resets, local_resets, max_head_bytes) = if is_trusted_proxy {
        (MAX_PROXY_RESETS, MAX_PROXY_RESETS, max_head_bytes)
    } else {
        (MAX_PENDING_RESETS, MAX_LOCAL_RESETS, MAX_CLIENT_HEAD_BYTES)
    };
    let mut builder = Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(pending_resets)
        .max_local_error_reset_streams(local_resets)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .max_header_list_size(u32::try_from(max_head_bytes).unwrap_or(u32::MAX));
    builder
}

/// Runs each stream of a connection in a task, with a time limit.
#[derive(Debug, Clone)]
pub struct StreamExecutor {
    stream_timeout: Duration,
    metrics: Arc<Metrics>,
}

impl StreamExecutor {
    /// Creates an executor. `request_timeout` bounds the time to a response, beside `longest_hold` of a
    /// held read. The response may then wait as long again for the client's window, as it may on a
    /// socket.
    #[must_use]
    pub fn new(request_timeout: Duration, longest_hold: Duration, metrics: Arc<Metrics>) -> Self {
        let stream_timeout = request_timeout * 2 + longest_hold;
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
        // A dropped stream resets itself. An `async` block would hold the future twice, as its
        // capture and as what it awaits.
        let bounded = tokio::time::timeout(stream_timeout, stream).map(move |ended| {
            if ended.is_err() {
                metrics.timeouts.inc(TimeoutKind::Stream);
            }
        });
        tokio::spawn(bounded);
    }
}

/// Whether a connection ended because its client caused too much work: the server's own GOAWAY had
/// `ENHANCE_YOUR_CALM` (RFC 9113 §7), or the client exceeded its frame budget.
#[must_use]
pub fn is_flood_error(error: &io::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = error.get_ref().map(|error| error as _);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return error.is_library() && error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM);
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.kind() == limited_stream::OVER_BUDGET;
        }
        cause = error.source();
    }
    false
}
