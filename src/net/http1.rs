//! HTTP/1 settings: bounds per connection.
//!
//! For `connection`.

use hyper::server::conn::http1::Builder;
use hyper_util::rt::TokioTimer;

/// Returns a builder with these bounds. `max_head_bytes` bounds the head of a request, and hyper's
/// read buffer.
#[must_use]
pub fn builder(max_head_bytes: usize) -> Builder {
    let mut builder = Builder::new();
    builder
        .timer(TokioTimer::new())
        // `TimeoutStream` has both deadlines. hyper's own would close idle connections too early.
        .header_read_timeout(None)
        .max_buf_size(max_head_bytes)
        // A client may close its side behind a request and wait for the response (RFC 9112 §9.6).
        // Without this, a request whose response takes a while, as with Redis, would be dropped.
        .half_close(true)
        // A head and a body of a few KiB: one copy costs less than two buffers.
        .writev(false);
    builder
}
