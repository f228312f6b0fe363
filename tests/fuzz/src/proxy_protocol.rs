//! Headers of the PROXY protocol. The input is the size of the pieces that arrive, an address and a
//! port for a valid header, and the bytes of a connection.

use crate::input::Input;
use crate::ready::ready;
use matrix_rendezvous::net::proxy_protocol::{ProxyConnection, ProxyHeaderError, read};
use proxy_header::{ProxiedAddress, ProxyHeader};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, ReadBuf};

/// The longest header, and the longest header of version 1, in bytes.
const MAX_HEADER_LEN: usize = 536;
const MAX_V1_LEN: usize = 107;

/// Checks what is read of any bytes, and that valid headers are read.
///
/// # Panics
/// If a property is violated.
pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let size = 1 + usize::from(input.byte());
    let source = SocketAddr::new(input.address(), u16::from_be_bytes(input.bytes()));
    check_valid(source, input.0, size);
    check_any(input.0, size);
}

/// A header that the crate encodes is read, and the bytes after it are returned.
fn check_valid(source: SocketAddr, after: &[u8], size: usize) {
    let destination: IpAddr = match source {
        SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let address = ProxiedAddress::stream(source, (destination, 443).into());
    let header = ProxyHeader::with_address(address);
    let (mut v1, mut v2) = (Vec::new(), Vec::new());
    header.encode_v1(&mut v1).expect("TCP");
    header.encode_v2(&mut v2).expect("TCP");
    for header in [v1, v2] {
        let bytes = [&header[..], after].concat();
        let found = read_all(&bytes, size).expect("a header");
        assert_eq!(found.connection.client, Some(source.ip()), "{header:?}");
        assert_eq!(found.header, header);
    }
}

/// The size of the pieces does not matter, no byte is lost, and no part of a header is accepted.
fn check_any(bytes: &[u8], size: usize) {
    let (whole, pieces) = (read_all(bytes, usize::MAX), read_all(bytes, size));
    let (found, pieces) = match (whole, pieces) {
        (Ok(whole), Ok(pieces)) => (whole, pieces),
        (Err(ProxyHeaderError::Empty), Err(ProxyHeaderError::Empty)) => {
            assert!(bytes.is_empty());
            return;
        }
        (Err(ProxyHeaderError::Malformed), Err(ProxyHeaderError::Malformed)) => return,
        (whole, pieces) => panic!("{whole:?} whole, {pieces:?} in pieces"),
    };
    assert_eq!(found.header, pieces.header);
    assert_eq!(found.connection.client, pieces.connection.client);

    let alone = read_all(found.header, usize::MAX).expect("the same header");
    assert_eq!(alone.connection.client, found.connection.client);
    assert!(alone.connection.buffered.is_empty());
    let (_, shorter) = found.header.split_last().expect("a signature");
    assert!(
        read_all(shorter, usize::MAX).is_err(),
        "a part of a header is accepted"
    );
    assert_eq!(found.connection.client, plain_client(found.header));
}

/// Reads the client of a valid header without the crate.
fn plain_client(header: &[u8]) -> Option<IpAddr> {
    if let Some(rest) = header.strip_prefix(b"\r\n\r\n\0\r\nQUIT\n") {
        return match rest {
            [0x20, ..] => None,
            [0x21, family, _, _, block @ ..] => match family >> 4 {
                1 => block.first_chunk::<4>().map(|octets| (*octets).into()),
                2 => block.first_chunk::<16>().map(|octets| (*octets).into()),
                _ => None,
            },
            _ => panic!("neither LOCAL nor PROXY of version 2"),
        };
    }
    assert!(header.len() <= MAX_V1_LEN);
    // What follows UNKNOWN is ignored (section 2.1), even if it is no text.
    if header.starts_with(b"PROXY UNKNOWN") {
        return None;
    }
    let line = std::str::from_utf8(header).expect("a line of text");
    let line = line.strip_suffix("\r\n").expect("the end of the line");
    let mut words = line.split(' ');
    assert_eq!(words.next(), Some("PROXY"));
    match words.next() {
        Some("TCP4" | "TCP6") => words.next().expect("a source").parse().ok(),
        protocol => panic!("{protocol:?}"),
    }
}

/// A connection, and the bytes of its header.
#[derive(Debug)]
struct Found<'a> {
    connection: ProxyConnection,
    header: &'a [u8],
}

fn read_all(bytes: &[u8], size: usize) -> Result<Found<'_>, ProxyHeaderError> {
    let mut stream = Pieces { rest: bytes, size };
    let result = ready(read(&mut stream));
    let taken = bytes.len() - stream.rest.len();
    assert!(taken <= MAX_HEADER_LEN, "{taken} bytes are read");
    let connection = result?;
    let header = &bytes[..taken - connection.buffered.len()];
    assert_eq!(
        connection.buffered,
        bytes[header.len()..taken],
        "bytes are lost"
    );
    Ok(Found { connection, header })
}

/// A stream that arrives in pieces of at most `size` bytes.
struct Pieces<'a> {
    rest: &'a [u8],
    size: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let length = self.rest.len().min(self.size).min(buffer.remaining());
        let (piece, rest) = self.rest.split_at(length);
        buffer.put_slice(piece);
        self.rest = rest;
        Poll::Ready(Ok(()))
    }
}
