//! Detects HTTP/2 without TLS by its preface.

use crate::net::timeout_stream::TimeoutStream;
use bytes::BytesMut;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The first bytes of a client that uses HTTP/2 without TLS (RFC 9113 §3.4).
pub const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Whether the first bytes are the HTTP/2 preface. The bytes stay readable.
///
/// # Errors
/// That of the stream.
pub async fn begins_with_preface(
    stream: &mut TimeoutStream<impl AsyncRead + Unpin>,
) -> io::Result<bool> {
    let mut received = BytesMut::with_capacity(HTTP2_PREFACE.len());
    while received.len() < HTTP2_PREFACE.len() && HTTP2_PREFACE.starts_with(&received) {
        let mut limited = (&mut *stream).take((HTTP2_PREFACE.len() - received.len()) as u64);
        if limited.read_buf(&mut received).await? == 0 {
            break;
        }
    }
    let is_http2 = *received == *HTTP2_PREFACE;
    stream.push_back(received.freeze());
    Ok(is_http2)
}
