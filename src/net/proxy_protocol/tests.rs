//! Headers of both versions, read at once and in pieces.

use super::{MAX_HEADER_LEN, MAX_V1_LEN, ProxyConnection, ProxyHeaderError, read};
use futures_util::FutureExt;
use std::net::IpAddr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const FULL_IPV6: &str = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";

fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).expect("a short block");
    [V2, &[command, family], &length.to_be_bytes(), block].concat()
}

/// Reads the bytes at once and one by one: the way the network splits them must not matter.
/// `buffered` has all bytes after the header.
async fn read_both_ways(bytes: &[u8]) -> Result<ProxyConnection, ProxyHeaderError> {
    let mut stream = bytes;
    let whole = read(&mut stream).await.map(|header| ProxyConnection {
        buffered: [&header.buffered[..], stream].concat().into(),
        ..header
    });
    let (mut client, mut server) = tokio::io::duplex(1);
    let sent = bytes.to_vec();
    let sending = tokio::spawn(async move {
        let _ = client.write_all(&sent).await;
    });
    let pieces = read(&mut server).await;
    let mut rest = Vec::new();
    server.read_to_end(&mut rest).await.expect("the rest");
    sending.await.expect("it sends");
    match (&whole, &pieces) {
        (Ok(whole), Ok(pieces)) => {
            assert_eq!(whole.client, pieces.client);
            assert_eq!(whole.buffered, [&pieces.buffered[..], &rest].concat());
        }
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
}

/// Both bounds are inclusive: 107 bytes in version 1, 536 in version 2.
#[tokio::test]
async fn header_may_have_its_maximum_length() {
    let longest = format!("PROXY UNKNOWN {FULL_IPV6} {FULL_IPV6} 65535 65535\r\n");
    assert_eq!(longest.len(), MAX_V1_LEN);
    let longer = longest.replace("65535\r", "065535\r");
    let block_len = MAX_HEADER_LEN - 16;
    let (block, one_more) = (vec![0; block_len], vec![0; block_len + 1]);
    for (longest, longer) in [
        (longest.into_bytes(), longer.into_bytes()),
        (v2(0x20, 0x00, &block), v2(0x20, 0x00, &one_more)),
        (v2(0x21, 0x11, &block), v2(0x21, 0x11, &one_more)),
    ] {
        let bytes = [&longest[..], b"GET"].concat();
        let header = read_both_ways(&bytes).await.expect("a header");
        assert_eq!(&header.buffered[..], b"GET", "{longest:?}");
        let header = read_both_ways(&longer).await;
        assert!(
            matches!(header, Err(ProxyHeaderError::Malformed)),
            "{header:?} of {longer:?}"
        );
    }
}

/// A peer that is no proxy is closed at once, and not after the timeout.
#[test]
fn invalid_header_is_rejected_while_the_peer_waits() {
    for bytes in [
        &b"G"[..],
        b"GET / HTTP/1.1\r\n",
        b"PROXYX",
        b"\r\n\r\n\0\r\nQUIX",
        b"PROXY TCP5 203.0.113.1 10.0.0.1 4711 80\r\n",
        b"PROXY TCP4 203.0.113.256 ",
        &v2(0x11, 0x11, &[0; 12]),
        &v2(0x21, 0x41, &[0; 12]),
    ] {
        let (mut client, mut server) = tokio::io::duplex(bytes.len());
        let written = client.write_all(bytes).now_or_never();
        written.expect("there is room").expect("it is written");
        let found = read(&mut server).now_or_never();
        assert!(
            matches!(found, Some(Err(ProxyHeaderError::Malformed))),
            "{found:?} of {bytes:?}"
        );
    }
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
