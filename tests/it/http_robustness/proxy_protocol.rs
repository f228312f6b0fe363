//! The PROXY protocol: a trusted load balancer announces the client's address; no other peer may.

mod incomplete_headers;

use serde_json::json;

use super::start;
use crate::server::Server;
use testkit::api::UNSTABLE;
use testkit::http::{Connection, Reply, Request};

const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const REFUSED: &str = "rendezvous_connections_refused_total";

/// A server behind a load balancer at 127.0.0.1 and proxies in 10.0.0.0/8. Each client may create twice.
fn connect_through_proxy(trusted: &str, others: &[(&str, &str)]) -> Server {
    let settings = [
        ("http.proxy_protocol", "true"),
        ("http.trusted_proxies", trusted),
        ("limits.enabled", "true"),
        ("limits.create.client.burst", "2"),
        ("limits.create.client.per_second", "0.001"),
    ];
    start(&[&settings, others].concat())
}

fn start_behind_balancer() -> Server {
    connect_through_proxy("127.0.0.1,10.0.0.0/8", &[])
}

fn v1(source: &str) -> Vec<u8> {
    let (family, destination) = if source.contains(':') {
        ("TCP6", "2001:db8::80")
    } else {
        ("TCP4", "192.0.2.80")
    };
    format!("PROXY {family} {source} {destination} 4711 443\r\n").into_bytes()
}

fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).expect("a short block");
    [V2, &[command, family], &length.to_be_bytes(), block].concat()
}

/// `PROXY`, TCP over IPv4, with a TLV after the addresses, as haproxy adds them.
fn v2_from(source: [u8; 4]) -> Vec<u8> {
    let rest = [192, 0, 2, 80, 0x12, 0x67, 1, 187, 0x05, 0, 2, b'i', b'd'];
    v2(0x21, 0x11, &[&source[..], &rest].concat())
}

fn create() -> Request {
    Request::post(UNSTABLE).json(&json!({"data": "x"}))
}

/// Sends a PROXY header and a creation on a new connection, in one write.
#[track_caller]
fn create_through_proxy(server: &Server, header: &[u8], create: &Request) -> Reply {
    let mut connection = Connection::open(server.http);
    connection.write(&[header, &create.bytes()].concat());
    connection.reply()
}

/// Whether both headers announce one client: the second is rejected once the first has used its two
/// creations.
#[track_caller]
fn are_one_client(server: &Server, one: &[u8], other: &[u8]) -> bool {
    create_through_proxy(server, one, &create()).expect(200);
    create_through_proxy(server, one, &create()).expect(200);
    create_through_proxy(server, one, &create()).expect_error(429, "M_LIMIT_EXCEEDED");
    create_through_proxy(server, other, &create()).status == 429
}

#[track_caller]
fn refused_connections(server: &Server, reason: &str) -> u64 {
    server.metrics().sum(REFUSED, &[("reason", reason)])
}

/// Sends these bytes on a new connection, which closes without a response.
#[track_caller]
fn assert_closed(server: &Server, bytes: &[u8]) {
    let mut connection = Connection::open(server.http);
    connection.write(bytes);
    let received = connection.read_to_close();
    assert_eq!(String::from_utf8_lossy(&received), "", "to {bytes:?}");
}

#[test]
fn announced_source_is_the_client() {
    let server = start_behind_balancer();
    for (one, other, same) in [
        (v1("203.0.113.1"), v1("203.0.113.2"), false),
        (v1("203.0.113.3"), v2_from([203, 0, 113, 3]), true),
        (v2_from([203, 0, 113, 4]), v2_from([203, 0, 113, 5]), false),
        (v1("2001:db8:0:1::1"), v1("2001:db8:0:1::2"), true),
        (v1("2001:db8:0:2::1"), v1("2001:db8:0:3::1"), false),
        (v1("203.0.113.6"), v1("::ffff:203.0.113.6"), true),
    ] {
        assert_eq!(
            are_one_client(&server, &one, &other),
            same,
            "{one:?} {other:?}"
        );
    }
    assert_eq!(server.metrics().sum(REFUSED, &[]), 0);
}

#[test]
fn proxy_header_in_pieces_and_following_requests_are_read() {
    let server = start_behind_balancer();
    for header in [v1("203.0.113.1"), v2_from([203, 0, 113, 2])] {
        let mut connection = Connection::open(server.http);
        for piece in header.chunks(5) {
            connection.write(piece);
        }
        for expected in [200, 200, 429, 429] {
            connection.send(&create()).expect(expected);
        }
    }
}

/// Such a client could write any address into the header.
#[test]
fn forwarded_header_from_an_announced_client_is_ignored() {
    let server = start_behind_balancer();
    let header = v1("203.0.113.1");
    let statuses = ["198.51.100.1", "198.51.100.2", "198.51.100.3"].map(|forged| {
        create_through_proxy(
            &server,
            &header,
            &create().header("X-Forwarded-For", forged),
        )
        .status
    });
    assert_eq!(statuses, [200, 200, 429]);
}

/// The same holds for X-Forwarded-Proto: a client could otherwise choose the scheme in the session
/// URL.
#[test]
fn forwarded_scheme_from_an_announced_client_is_ignored() {
    let server = connect_through_proxy("127.0.0.1,10.0.0.0/8", &[("msc4108.enabled", "true")]);
    let url = |header: &[u8]| {
        let create = testkit::etag::creation("x").header("X-Forwarded-Proto", "https");
        let created = create_through_proxy(&server, header, &create);
        created.expect(201).text("url")
    };
    assert!(url(&v1("203.0.113.1")).starts_with("http://"));
    assert!(url(&v2_from([10, 1, 2, 3])).starts_with("https://"));
}

#[test]
fn forwarded_header_from_an_announced_proxy_counts() {
    let server = start_behind_balancer();
    let header = v2_from([10, 1, 2, 3]);
    let statuses = ["203.0.113.1", "203.0.113.1", "203.0.113.1", "203.0.113.2"].map(|client| {
        create_through_proxy(
            &server,
            &header,
            &create().header("X-Forwarded-For", client),
        )
        .status
    });
    assert_eq!(statuses, [200, 200, 429, 200]);
}

/// Health checks come from the proxy itself. If the source is unnamed, no forwarded header counts,
/// and neither do addresses in a PROXY header that must be ignored.
#[test]
fn unnamed_source_is_the_proxy() {
    let headers = [
        b"PROXY UNKNOWN\r\n".to_vec(),
        v2(0x20, 0x00, &[]),
        v2(
            0x20,
            0x11,
            &[203, 0, 113, 9, 192, 0, 2, 80, 0x12, 0x67, 1, 187],
        ),
        v2(0x21, 0x00, &[]),
    ];
    let server = start_behind_balancer();
    let mut left = 2;
    for header in &headers {
        for forged in ["203.0.113.1", "203.0.113.2"] {
            let create = create().header("X-Forwarded-For", forged);
            let expected = if left > 0 { 200 } else { 429 };
            create_through_proxy(&server, header, &create).expect(expected);
            left -= i32::from(expected == 200);
        }
    }
    assert_eq!(server.metrics().sum(REFUSED, &[]), 0);
}

#[test]
fn connection_without_proxy_header_is_closed_and_counted() {
    let server = start_behind_balancer();
    let without = [
        create().bytes(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"PROXY TCP4 nonsense 192.0.2.80 4711 443\r\n".to_vec(),
        b"PROXY TCP9 203.0.113.1 192.0.2.80 4711 443\r\n".to_vec(),
        [b"PROXY ", &[b'x'; 600][..]].concat(),
        v2(0x31, 0x11, &[0; 12]),
        v2(0x21, 0x11, &[0; 4]),
        v2(0x21, 0x11, &[0; 600]),
    ];
    for bytes in &without {
        assert_closed(&server, &[bytes, &create().bytes()[..]].concat());
    }
    assert_eq!(
        refused_connections(&server, "proxy_header"),
        without.len() as u64
    );
    create_through_proxy(&server, &v1("203.0.113.1"), &create()).expect(200);
}

#[test]
fn untrusted_peer_is_closed() {
    let server = connect_through_proxy("10.0.0.0/8", &[]);
    assert_closed(
        &server,
        &[&v1("203.0.113.1"), &create().bytes()[..]].concat(),
    );
    assert_closed(&server, &create().bytes());
    assert_eq!(refused_connections(&server, "untrusted_peer"), 2);
}

#[test]
fn request_head_after_proxy_header_has_a_timeout() {
    let server = connect_through_proxy("127.0.0.1", &[("http.header_timeout", "300ms")]);
    let head = format!("GET {UNSTABLE} HTTP/1.1\r\nHost: x\r\nX-Half: ");
    let mut connection = Connection::open(server.http);
    connection.write(&[&v1("203.0.113.1"), head.as_bytes()].concat());
    let received = connection.read_to_close();
    assert!(!received.starts_with(b"HTTP/1.1 2"));
}

#[test]
fn proxy_header_precedes_http_1_1_and_http_2() {
    let server = connect_through_proxy("127.0.0.1", &[("http.h2c", "true")]);
    create_through_proxy(&server, &v1("203.0.113.1"), &create()).expect(200);
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut connection = Connection::open(server.http);
    connection.write(&[&v1("203.0.113.1"), &preface[..], &settings].concat());
    let kind = connection.take(9)[3];
    assert_eq!(kind, 4, "the server's SETTINGS");
}

#[test]
fn half_closed_request_after_proxy_header_is_answered() {
    let server = connect_through_proxy("127.0.0.1", &[]);
    let mut connection = Connection::open(server.http);
    connection.write(&[v1("203.0.113.1"), create().bytes()].concat());
    connection.close_write();
    connection.reply().expect(200);
    assert_eq!(connection.read_to_close(), b"");
}

/// Without `http.proxy_protocol` the header is just invalid HTTP.
#[test]
fn proxy_header_is_rejected_unless_configured() {
    let server = start(&[("http.trusted_proxies", "127.0.0.1")]);
    for header in [v1("203.0.113.1"), v2_from([203, 0, 113, 1])] {
        let mut connection = Connection::open(server.http);
        connection.write(&[&header, &create().bytes()[..]].concat());
        let received = connection.read_to_close();
        assert!(!received.starts_with(b"HTTP/1.1 2"), "{header:?}");
    }
}
