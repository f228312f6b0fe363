//! Timeouts of a head, a body and a whole request; a pause within them is harmless.
//!
//! Each test sets its own timeout to a fraction of a second and the others far beyond the tests'
//! patience, so that only that timeout can end the wait.

use std::time::Duration;

use super::{partial_create, rest_of_create, start, timed_out};
use crate::server::Server;
use testkit::api::{UNSTABLE, request};
use testkit::http::{Connection, Request};

const FAR: &str = "300s";
const DRIP: Duration = Duration::from_millis(20);

/// A server with long timeouts, except for this one.
fn start_with_short(key: &str, others: &[(&str, &str)]) -> Server {
    let mut settings: Vec<_> = [
        "header_timeout",
        "body_timeout",
        "request_timeout",
        "idle_timeout",
    ]
    .iter()
    .map(|name| (format!("http.{name}"), FAR))
    .collect();
    settings.push((key.to_owned(), "300ms"));
    let mut settings: Vec<_> = settings
        .iter()
        .map(|(key, value)| (key.as_str(), *value))
        .collect();
    settings.extend(others);
    start(&settings)
}

fn partial_head(server: &Server) -> Connection {
    let mut connection = Connection::open(server.http);
    connection.write(format!("GET {UNSTABLE} HTTP/1.1\r\nHost: x\r\nX-Half: ").as_bytes());
    connection
}

/// If a response precedes a close in the middle of a head, it is not a success.
#[track_caller]
fn assert_no_success(received: &[u8]) {
    assert!(
        !received.starts_with(b"HTTP/1.1 2"),
        "{}",
        String::from_utf8_lossy(received)
    );
}

#[test]
fn incomplete_head_is_closed() {
    let server = start_with_short("http.header_timeout", &[]);
    assert_no_success(&partial_head(&server).read_to_close());
    assert_eq!(timed_out(&server, "header"), 1);
}

#[test]
fn dripping_head_is_closed() {
    let server = start_with_short("http.header_timeout", &[]);
    assert_no_success(&partial_head(&server).drip_until_close(b'a', DRIP));
    assert_eq!(timed_out(&server, "header"), 1);
}

#[test]
fn incomplete_second_head_is_closed() {
    let server = start_with_short("http.header_timeout", &[]);
    let mut connection = Connection::open(server.http);
    connection.send(&Request::get(UNSTABLE)).expect(200);
    connection.write(b"GET ");
    assert_no_success(&connection.read_to_close());
}

/// Whole requests in each framing.
fn whole_requests() -> [Vec<u8>; 3] {
    let chunked = format!(
        "POST {UNSTABLE} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
         c\r\n{{\"data\":\"x\"}}\r\n0\r\n\r\n"
    );
    [
        Request::get(UNSTABLE).bytes(),
        request::create("x").bytes(),
        chunked.into_bytes(),
    ]
}

/// hyper reads the part with the request, and the socket has nothing more.
#[test]
fn incomplete_head_behind_a_request_is_closed() {
    let server = start_with_short("http.header_timeout", &[]);
    for (count, request) in (1..).zip(whole_requests()) {
        let mut connection = Connection::open(server.http);
        connection.write(&[&request[..], b"GET /"].concat());
        connection.reply().expect(200);
        assert_eq!(connection.read_to_close(), b"");
        assert_eq!(timed_out(&server, "header"), count);
    }
}

#[test]
fn head_in_pieces_within_the_deadline_is_answered() {
    let server = start(&[]);
    let mut connection = Connection::open(server.http);
    for piece in Request::get(UNSTABLE).bytes().chunks(7) {
        connection.write(piece);
    }
    connection.reply().expect(200);
}

/// The header timeout starts with the first byte of a head, because proxies keep pooled connections
/// open for a minute.
#[test]
fn idle_connection_outlives_the_header_timeout() {
    let server = start_with_short("http.header_timeout", &[]);
    let mut idle = whole_requests().map(|request| {
        let mut connection = Connection::open(server.http);
        connection.write(&request);
        connection.reply().expect(200);
        connection
    });
    let mut silent = Connection::open(server.http);
    // Opened after both and closed by the timeout, so their timeouts would have passed too.
    partial_head(&server).read_to_close();
    partial_head(&server).read_to_close();
    for idle in &mut idle {
        idle.send(&Request::get(UNSTABLE)).expect(200);
    }
    silent.send(&Request::get(UNSTABLE)).expect(200);
}

// R0.27
#[test]
fn incomplete_body_times_out_with_a_matrix_error() {
    let server = start_with_short("http.body_timeout", &[]);
    let mut connection = partial_create(&server);
    let reply = connection.reply().expect(408);
    reply.assert_common_headers();
    assert!(reply.says_close(), "{reply}");
    connection.read_to_close();
    assert_eq!(timed_out(&server, "body"), 1);
}

#[test]
fn dripping_body_times_out() {
    let server = start_with_short("http.body_timeout", &[]);
    let mut connection = Connection::open(server.http);
    let head = format!("POST {UNSTABLE} HTTP/1.1\r\nHost: x\r\nContent-Length: 30000\r\n\r\n");
    connection.write(head.as_bytes());
    let received = connection.drip_until_close(b' ', DRIP);
    assert!(
        received.starts_with(b"HTTP/1.1 408 "),
        "{}",
        String::from_utf8_lossy(&received)
    );
}

#[test]
fn request_timeout_returns_a_matrix_error() {
    let server = start_with_short("http.request_timeout", &[]);
    let mut connection = partial_create(&server);
    let reply = connection.reply();
    assert!(reply.status >= 400, "{reply}");
    reply.assert_common_headers();
    connection.read_to_close();
    assert_eq!(timed_out(&server, "request"), 1);
}

#[test]
fn timed_out_body_creates_no_session() {
    let server = start_with_short("http.body_timeout", &[("session.max_live", "1")]);
    partial_create(&server).read_to_close();
    server.create("the only one");
}

#[test]
fn body_in_two_halves_within_the_timeout_is_accepted() {
    let server = start(&[]);
    let mut connection = partial_create(&server);
    connection.write(rest_of_create());
    connection.reply().expect(200);
}
