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
            let length = FIXED_LEN + usize::from(u16::from_be_bytes([*high, *low]));
            (length <= MAX_HEADER_LEN).then_some(length)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_HEADER_LEN, ProxyConnection, ProxyHeaderError, read};
    use std::net::IpAddr;
    use tokio::io::{AsyncRead, AsyncReadExt};

    const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

    fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let length = u16::try_from(block.len()).expect("a short block");
        [V2, &[command, family], &length.to_be_bytes(), block].concat()
    }

    /// Reads the bytes at once and one by one: where the network splits them must not matter.
    async fn read_both_ways(bytes: &[u8]) -> Result<ProxyConnection, ProxyHeaderError> {
        let whole = read(&mut &bytes[..]).await;
        let (mut client, mut server) = tokio::io::duplex(1);
        let sent = bytes.to_vec();
        let sending = tokio::spawn(async move {
            use tokio::io::AsyncWriteExt;
            let _ = client.write_all(&sent).await;
        });
        let pieces = read(&mut server).await;
        drop(server);
        sending.await.expect("it sends");
        match (&whole, &pieces) {
            (Ok(whole), Ok(pieces)) => assert_eq!(whole.client, pieces.client),
            (Err(_), Err(_)) => {}
            _ => panic!("{whole:?} whole, {pieces:?} in pieces, of {bytes:?}"),
        }
        whole
    }

    /// A load balancer that probes sends LOCAL, and what follows the command has no meaning.
    #[tokio::test]
    async fn local_ignores_family_and_address_block() {
        for (family, block) in [
            (0x00, &[][..]),
            (0x11, &[]),
            (0x31, &[]),
            (0x41, &[1, 2, 3]),
            (0x11, &[1; 12]),
        ] {
            let bytes = [&v2(0x20, family, block)[..], b"GET"].concat();
            let header = read_both_ways(&bytes).await.expect("a header");
            assert_eq!(header.client, None);
            assert_eq!(header.buffered, &b"GET"[..], "{family:x}");
        }
        let long = v2(0x20, 0, &[0; MAX_HEADER_LEN]);
        assert!(matches!(
            read_both_ways(&long).await,
            Err(ProxyHeaderError::Malformed)
        ));
    }

    #[tokio::test]
    async fn source_is_the_client_and_later_bytes_are_returned() {
        let v4 = [203, 0, 113, 1, 10, 0, 0, 1, 0x12, 0x34, 0, 80];
        let mut v6 = [0; 36];
        v6[..2].copy_from_slice(&[0x20, 0x01]);
        v6[15] = 1;
        let with_more = [&v4[..], &[0x04, 0, 3, 1, 2, 3]].concat();
        for (header, client) in [
            (
                b"PROXY TCP4 203.0.113.1 10.0.0.1 4711 80\r\n".to_vec(),
                "203.0.113.1",
            ),
            (b"PROXY TCP6 2001::1 ::1 4711 80\r\n".to_vec(), "2001::1"),
            (v2(0x21, 0x11, &v4), "203.0.113.1"),
            (v2(0x21, 0x11, &with_more), "203.0.113.1"),
            (v2(0x21, 0x21, &v6), "2001::1"),
        ] {
            let bytes = [&header[..], b"GET / "].concat();
            let found = read_both_ways(&bytes).await.expect("a header");
            let client: IpAddr = client.parse().expect("an address");
            assert_eq!(found.client, Some(client), "{header:?}");
            assert_eq!(&found.buffered[..], b"GET / ");
        }
    }

    /// The address block of LOCAL is ignored, even if it contains an address.
    #[tokio::test]
    async fn local_and_unknown_name_no_client() {
        let v4 = [203, 0, 113, 1, 10, 0, 0, 1, 0x12, 0x34, 0, 80];
        for header in [
            b"PROXY UNKNOWN\r\n".to_vec(),
            b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n".to_vec(),
            v2(0x20, 0x00, &[]),
            v2(0x20, 0x11, &v4),
            v2(0x21, 0x00, &[]),
            v2(0x21, 0x31, &[0; 216]),
        ] {
            let found = read_both_ways(&header).await.expect("a header");
            assert_eq!(found.client, None, "{header:?}");
        }
    }

    #[tokio::test]
    async fn invalid_header_is_rejected() {
        for bytes in [
            &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"PROXYXTCP4 203.0.113.1 10.0.0.1 4711 80\r\n",
            b"PROXY TCP4 203.0.113.1 10.0.0.1 4711 80\n\n",
            b"PROXY TCP4 203.0.113.1 10.0.0.1 4711\r\n",
            b"PROXY TCP4 2001::1 ::1 4711 80\r\n",
            b"PROXY TCP5 203.0.113.1 10.0.0.1 4711 80\r\n",
            b"PROXY TCP4 203.0.113.1 10.0.0.1 4711 65536\r\n",
            b"PROXY TCP4 203.0.113.256 10.0.0.1 4711 80\r\n",
            b"PROXY TCP4 203.0.113.1",
            b"PROXY",
            &[b"PROXY UNKNOWN ", &[b'x'; 200][..], b"\r\n"].concat(),
            &V2[..5],
            &v2(0x11, 0x11, &[0; 12]),
            &v2(0x22, 0x11, &[0; 12]),
            &v2(0x21, 0x41, &[0; 12]),
            &v2(0x21, 0x11, &[0; 11]),
            &v2(0x21, 0x21, &[0; 12]),
            &v2(0x21, 0x11, &[0; MAX_HEADER_LEN]),
        ] {
            let found = read_both_ways(bytes).await;
            assert!(
                matches!(found, Err(ProxyHeaderError::Malformed)),
                "{found:?} of {bytes:?}"
            );
        }
        assert!(matches!(
            read(&mut &b""[..]).await,
            Err(ProxyHeaderError::Empty)
        ));
    }

    #[tokio::test]
    async fn no_more_than_the_longest_header_is_read() {
        let mut endless = tokio::io::repeat(b'\r').take(1 << 20);
        let mut stream = V2.chain(&[0x21, 0x11, 0xff, 0xff][..]).chain(&mut endless);
        let stream: &mut (dyn AsyncRead + Unpin) = &mut stream;
        let found = read(&mut &mut *stream).await;
        assert!(
            matches!(found, Err(ProxyHeaderError::Malformed)),
            "{found:?}"
        );
        assert!(endless.limit() >= (1 << 20) - MAX_HEADER_LEN as u64);
    }
}
