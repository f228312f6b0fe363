//! Reads the PROXY protocol's header, in which a load balancer of layer 4 names the client of a
//! connection: versions 1 and 2 (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>).
//!
//! For `admission`, before any HTTP. The crate `proxy-header` has the grammar (ADR 12). This module
//! adds what a stream needs: how much is read, when bytes can no longer become a header, and the
//! bytes that follow. It does not decide which peers are trusted.

use bytes::{Bytes, BytesMut};
use proxy_header::{Error, ParseConfig, ProxyHeader};
use std::io;
use std::net::IpAddr;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest header, in bytes: what fits into the smallest TCP segment that every host accepts,
/// 576 − 40 (section 2 of the specification). A longer header, for example with a whole
/// certificate, has nothing more that this server needs.
const MAX_HEADER_LEN: usize = 536;

/// The longest header of version 1, in bytes (section 2.1 of the specification).
const MAX_V1_LEN: usize = 107;

/// The first bytes of each version.
const SIGNATURES: [&[u8]; 2] = [b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"];

/// Only addresses are parsed.
const PARSE_CONFIG: ParseConfig = ParseConfig {
    include_tlvs: false,
    allow_v1: true,
    allow_v2: true,
};

/// A connection as its header describes it.
#[derive(Debug, PartialEq, Eq)]
pub struct ProxyConnection {
    /// The client's address. `None` if the connection is the proxy's own (LOCAL), or if the proxy
    /// names no address (UNKNOWN, a Unix socket).
    pub client: Option<IpAddr>,
    /// Bytes that arrived after the header.
    pub buffered: Bytes,
}

/// Why a connection has no valid header.
#[derive(Debug, thiserror::Error)]
pub enum ProxyHeaderError {
    /// The peer closed the connection and sent nothing: it probed whether the port is open.
    #[error("the peer sent nothing")]
    Empty,
    /// The bytes are not a header, or only the beginning of one.
    #[error("no PROXY protocol header")]
    Malformed,
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads the header. Returns the bytes that arrived with it.
///
/// It has no timeout of its own.
///
/// # Errors
/// [`ProxyHeaderError`], as soon as the received bytes cannot become a header.
pub async fn read(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<ProxyConnection, ProxyHeaderError> {
    let mut buffer = BytesMut::with_capacity(MAX_HEADER_LEN);
    loop {
        let remaining = (MAX_HEADER_LEN - buffer.len()) as u64;
        if (&mut *stream).take(remaining).read_buf(&mut buffer).await? == 0 {
            // The stream has ended, or the maximum length of a header is reached.
            return Err(if buffer.is_empty() {
                ProxyHeaderError::Empty
            } else {
                ProxyHeaderError::Malformed
            });
        }
        if let Some((client, length)) = parse(&buffer)? {
            let buffered = buffer.split_off(length).freeze();
            return Ok(ProxyConnection { client, buffered });
        }
    }
}

/// Parses the client and the header's length. Returns `None` if more bytes are needed.
fn parse(bytes: &[u8]) -> Result<Option<(Option<IpAddr>, usize)>, ProxyHeaderError> {
    // The crate waits for 15 bytes before it parses, and ignores the sixth.
    let may_become_header =
        |signature: &&[u8]| bytes.starts_with(signature) || signature.starts_with(bytes);
    if !SIGNATURES.iter().any(may_become_header) {
        return Err(ProxyHeaderError::Malformed);
    }
    if let Some(length) = local_header_len(bytes) {
        return Ok((length <= bytes.len()).then_some((None, length)));
    }
    match ProxyHeader::parse(bytes, PARSE_CONFIG) {
        // The crate enforces the length of a line only while its end is missing.
        Ok((_, length)) if bytes[0] == b'P' && length > MAX_V1_LEN => {
            Err(ProxyHeaderError::Malformed)
        }
        Ok((header, length)) => {
            let client = header.proxied_address().map(|address| address.source.ip());
            Ok(Some((client, length)))
        }
        Err(Error::BufferTooShort) => Ok(None),
        Err(_) => Err(ProxyHeaderError::Malformed),
    }
}

/// Returns the length of a version 2 header with the command LOCAL. Its family and its address
/// block have no meaning and are ignored (section 2.2). The crate requires the block to fit the
/// family.
fn local_header_len(bytes: &[u8]) -> Option<usize> {
    const LOCAL: u8 = 0x20;
    const FIXED_LEN: usize = 16;
    match bytes.strip_prefix(SIGNATURES[1])? {
        [LOCAL, _, high, low, ..] => {
            Some(FIXED_LEN + usize::from(u16::from_be_bytes([*high, *low])))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
