//! A response before the end of the body: it says whether the connection stays open, and that is
//! true.
//!
//! A client, or a proxy with a pool, that does not learn of a close sends its next request into it.

use super::start;
use crate::server::Server;
use testkit::api::{UNSTABLE, at};
use testkit::http::{Connection, Request};
use testkit::server::Store;

/// Requests that are answered without reading their body, and the expected status.
fn early(server: &Server) -> Vec<(Request, u16)> {
    let id = server.create("x").id;
    vec![
        (Request::new("POST", "/unknown"), 404),
        (Request::new("PUT", &at("a+b")), 404),
        (Request::new("PUT", UNSTABLE), 405),
        (Request::options(UNSTABLE), 204),
        (Request::get(UNSTABLE), 200),
        (
            Request::get(&at(&id)).header("Sec-Fetch-Mode", "navigate"),
            403,
        ),
        (Request::new("PUT", &format!("{}/a+b", at(&id))), 400),
        (Request::new("DELETE", &at(&id)), 200),
    ]
}

/// A request head with this framing of the body.
fn head(request: &Request, framing: &str) -> Vec<u8> {
    let mut bytes = request.bytes();
    bytes.truncate(bytes.len() - 2);
    bytes.extend_from_slice(format!("{framing}\r\n\r\n").as_bytes());
    bytes
}

const FIVE: &str = "Content-Length: 5";
const CHUNKED: &str = "Transfer-Encoding: chunked";

/// Complete bodies; the last one has one chunk per byte.
fn bodies() -> [(&'static str, Vec<u8>); 3] {
    [
        (FIVE, b"small".to_vec()),
        (CHUNKED, b"5\r\nsmall\r\n0\r\n\r\n".to_vec()),
        (
            CHUNKED,
            [b"1\r\nx\r\n".repeat(64), b"0\r\n\r\n".to_vec()].concat(),
        ),
    ]
}

#[test]
fn buffered_small_body_keeps_the_connection() {
    let server = start(&[]);
    for (framing, body) in bodies() {
        for (request, status) in early(&server) {
            let mut connection = Connection::open(server.http);
            connection.write(&[head(&request, framing), body.clone()].concat());
            let reply = connection.reply().expect(status);
            assert!(!reply.says_close(), "{request:?} {framing}: {reply}");
            connection.send(&Request::get(UNSTABLE)).expect(200);
        }
    }
}

#[test]
fn unfinished_body_closes_with_connection_close() {
    let server = start(&[]);
    for (framing, body) in [
        (FIVE, &b""[..]),
        (FIVE, b"smal"),
        (CHUNKED, b""),
        (CHUNKED, b"5\r\nsmall\r\n"),
        ("Content-Length: 5\r\nExpect: 100-continue", b""),
    ] {
        for (request, status) in early(&server) {
            let mut connection = Connection::open(server.http);
            connection.write(&[&head(&request, framing), body].concat());
            // No interim response either: the server does not ask for the body.
            let reply = connection.reply().expect(status);
            assert!(reply.says_close(), "{request:?} {framing}: {reply}");
            assert_eq!(connection.read_to_close(), b"", "{request:?}");
        }
    }
}

#[test]
fn rate_limited_request_closes_with_connection_close() {
    let settings = [
        ("limits.enabled", "true"),
        ("limits.create.client.burst", "1"),
    ];
    let server = Server::start(Store::Memory, &settings);
    let create = Request::new("POST", UNSTABLE);
    server
        .call(&create.clone().body(r#"{"data":"x"}"#))
        .expect(200);
    let mut connection = Connection::open(server.http);
    connection.write(&[head(&create, FIVE), b"small".to_vec()].concat());
    assert!(!connection.reply().expect(429).says_close());
    connection.write(&head(&create, FIVE));
    assert!(connection.reply().expect(429).says_close());
    assert_eq!(connection.read_to_close(), b"");
}

/// The server does not read such a body to its end, whatever its size.
#[test]
fn large_body_closes_after_the_response_arrives() {
    let server = start(&[]);
    for (request, status) in early(&server) {
        let mut connection = Connection::open(server.http);
        connection.write(&head(&request, "Content-Length: 1048576"));
        connection.write(&vec![b'x'; 1 << 20]);
        let reply = connection.reply().expect(status);
        assert!(reply.says_close(), "{request:?}: {reply}");
        assert_eq!(connection.read_to_close(), b"", "{request:?}");
    }
}

// R0.28
#[test]
fn invalid_chunks_close_with_connection_close() {
    let server = start(&[]);
    for (method, path) in [("POST", UNSTABLE), ("PUT", "/unknown")] {
        let mut connection = Connection::open(server.http);
        let head = head(&Request::new(method, path), CHUNKED);
        connection.write(&[&head[..], b"1\r\n{\r\nnonsense\r\n"].concat());
        let reply = connection.reply();
        assert!([400, 404].contains(&reply.status), "{reply}");
        assert!(reply.says_close(), "{method}: {reply}");
        assert_eq!(connection.read_to_close(), b"");
    }
}
