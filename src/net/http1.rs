//! HTTP/1 settings: bounds per connection, and why a connection ended before a request existed.
//!
//! For `connection`.

use crate::telemetry::labels::ConnectionRefusal;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::TokioTimer;
use std::io;

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
        // Without this, the request would be dropped if its response takes a while, as with Redis.
        .half_close(true)
        // A head and a body of a few KiB: one copy costs less than two buffers.
        .writev(false);
    builder
}

/// Returns the reason if a connection ended because hyper rejected the head of a request. hyper
/// answers such a head itself with 400 or 431, an HTTP/2 preface not at all, and closes.
///
/// `is_tls`: the connection's bytes look like TLS.
#[must_use]
pub fn rejected_head(error: &io::Error, is_tls: bool) -> Option<ConnectionRefusal> {
    let error = error.get_ref()?.downcast_ref::<hyper::Error>()?;
    if error.is_parse_version_h2() {
        Some(ConnectionRefusal::Http2Off)
    } else if error.is_parse_too_large() {
        Some(ConnectionRefusal::HeadTooLarge)
    } else if !error.is_parse() {
        None
    } else if is_tls {
        Some(ConnectionRefusal::Tls)
    } else {
        Some(ConnectionRefusal::MalformedHead)
    }
}
