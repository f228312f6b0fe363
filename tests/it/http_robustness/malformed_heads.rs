//! Heads that hyper rejects before a request exists: counted by reason, with a line in the log.

use super::{partial_create, start};
use crate::server::Server;
use testkit::api::UNSTABLE;
use testkit::eventually;
use testkit::http::{Connection, Request};

const REFUSED: &str = "rendezvous_connections_refused_total";
const CLIENT_HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

/// Sends each of these heads on a connection of its own, and checks how each response begins, that
/// there is no second one, and what is counted and logged.
#[track_caller]
fn assert_refused(server: &Server, reason: &str, status: &str, heads: &[Vec<u8>]) {
    for head in heads {
        let mut connection = Connection::open(server.http);
        connection.write(&[&head[..], &Request::get(UNSTABLE).bytes()].concat());
        let received = connection.read_to_close();
        let received = String::from_utf8_lossy(&received);
        let (is_first, responses) = (received.starts_with(status), received.matches("HTTP/1."));
        assert!(is_first, "{:?}: {received}", String::from_utf8_lossy(head));
        assert_eq!(responses.count(), usize::from(!status.is_empty()));
    }
    let count = heads.len() as u64;
    eventually("each is counted", || {
        let refused = server.metrics().sum(REFUSED, &[("reason", reason)]);
        (refused == count).then_some(())
    });
    logged(server, reason);
    // A port scan must not look like an attack that the limits hold off.
    let limited = server.metrics().sum("rendezvous_limited_clients", &[]);
    assert_eq!(limited, 0);
}

/// The first line about this reason.
fn logged(server: &Server, reason: &str) -> String {
    let field = format!("reason=\"{reason}\"");
    eventually("a line in the log", || {
        let log = server.log();
        log.lines()
            .find(|line| line.contains(&field))
            .map(str::to_owned)
    })
}

/// A head with these lines behind its `Host`.
fn with_lines(lines: &str) -> Vec<u8> {
    format!("GET {UNSTABLE} HTTP/1.1\r\nHost: x\r\n{lines}\r\n").into_bytes()
}

#[test]
fn tls_is_counted_and_explained() {
    let server = start(&[]);
    assert_refused(&server, "tls", "HTTP/1.1 400 ", &[CLIENT_HELLO.to_vec()]);
    let line = logged(&server, "tls");
    assert!(line.contains("https") || line.contains("http://"), "{line}");
    assert!(!line.contains("127.0.0.1"), "{line}");
}

#[test]
fn trusted_proxy_that_speaks_tls_is_named() {
    let server = start(&[("http.trusted_proxies", "127.0.0.1")]);
    assert_refused(&server, "tls", "HTTP/1.1 400 ", &[CLIENT_HELLO.to_vec()]);
    let line = logged(&server, "tls");
    assert!(line.contains("proxy=127.0.0.1"), "{line}");
}

#[test]
fn http_2_without_h2c_is_counted_and_explained() {
    let server = start(&[]);
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    assert_refused(&server, "http2_off", "", &[preface]);
    let line = logged(&server, "http2_off");
    assert!(line.contains("http.h2c"), "{line}");
}

#[test]
fn too_large_head_is_counted_and_explained() {
    let server = start(&[]);
    let heads = [
        with_lines(&format!("Cookie: {}\r\n", "x".repeat(20_000))),
        with_lines(&"X: y\r\n".repeat(100)),
        format!("GET /{} HTTP/1.1\r\n", "x".repeat(20_000)).into_bytes(),
    ];
    assert_refused(&server, "head_too_large", "HTTP/1.1 431 ", &heads);
    let line = logged(&server, "head_too_large");
    assert!(line.contains("cookies"), "{line}");
}

#[test]
fn malformed_head_is_counted() {
    let server = start(&[]);
    let heads = [
        with_lines("A b: c\r\n"),
        with_lines("A : b\r\n"),
        with_lines("A: b\r\n c\r\n"),
        with_lines("A: b\0c\r\n"),
        with_lines("Content-Length: 1\r\nContent-Length: 2\r\n"),
        with_lines("Content-Length: -1\r\n"),
        with_lines("Transfer-Encoding: xchunked\r\n"),
        b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
        b"GET / HTTP/3.0\r\n\r\n".to_vec(),
        b"nonsense\r\n\r\n".to_vec(),
    ];
    assert_refused(&server, "malformed_head", "HTTP/1.", &heads);
}

/// Clients that leave are no malformed requests, at any time.
#[test]
fn client_that_leaves_is_not_refused() {
    let server = start(&[]);
    drop(partial_create(&server));
    for head in [&b""[..], b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"] {
        let mut connection = Connection::open(server.http);
        connection.write(head);
        connection.close_write();
        connection.read_to_close();
    }
    let open = || server.metrics().sum("rendezvous_connections", &[]);
    eventually("all are closed", || (open() == 0).then_some(()));
    assert_eq!(server.metrics().sum(REFUSED, &[]), 0);
}
