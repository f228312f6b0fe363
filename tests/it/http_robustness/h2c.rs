//! HTTP/2 without TLS: only if configured, and with the same timeouts.

mod abuse;
mod frame_floods;
mod unread_responses;

use super::start;
use crate::server::Server;
use nix::sys::signal::Signal;
use testkit::api::UNSTABLE;
use testkit::http::{Connection, Request};
use testkit::http2::{
    DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, frame, get,
    get_head,
};

/// A received frame.
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    #[track_caller]
    fn next(connection: &mut Connection) -> Self {
        let head = connection.take(9);
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let stream = head[5..].try_into().expect("four bytes");
        Self {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes(stream),
            payload: connection.take(length),
        }
    }
}

#[test]
fn h2_preface_is_rejected_without_h2c() {
    let server = start(&[]);
    let mut connection = Connection::open(server.http);
    connection.write(PREFACE);
    let received = connection.read_to_close();
    assert_ne!(
        received.get(3),
        Some(&SETTINGS),
        "{}",
        String::from_utf8_lossy(&received)
    );
}

/// A request on this stream.
fn discovery(stream: u32) -> Vec<u8> {
    get(stream, UNSTABLE)
}

/// A connection after its handshake.
#[track_caller]
fn open(server: &Server) -> Connection {
    let mut connection = Connection::open(server.http);
    connection.write(PREFACE);
    connection.write(&frame(SETTINGS, 0, 0, &[]));
    let first = Frame::next(&mut connection);
    assert_eq!((first.kind, first.stream), (SETTINGS, 0));
    connection
}

/// The kinds of the frames of one stream, up to its end or its reset.
#[track_caller]
fn kinds_until_its_end(connection: &mut Connection, stream: u32) -> Vec<u8> {
    let mut kinds = Vec::new();
    loop {
        let frame = Frame::next(connection);
        if frame.stream == stream {
            kinds.push(frame.kind);
            let is_end = [HEADERS, DATA].contains(&frame.kind) && frame.flags & END_STREAM != 0;
            if is_end || frame.kind == RST_STREAM {
                return kinds;
            }
        }
    }
}

/// Sends a discovery, and returns the response body.
#[track_caller]
fn discover(connection: &mut Connection) -> String {
    connection.write(&discovery(1));
    let mut body = Vec::new();
    loop {
        let frame = Frame::next(connection);
        match (frame.stream, frame.kind) {
            // `:status 200` is an entry of the static table.
            (1, HEADERS) => assert_eq!(frame.payload.first(), Some(&0x88)),
            (1, DATA) => body.extend_from_slice(&frame.payload),
            (0, _) => continue,
            (stream, kind) => panic!("a frame of kind {kind} on stream {stream}"),
        }
        if frame.flags & END_STREAM != 0 {
            break;
        }
    }
    String::from_utf8(body).expect("text")
}

/// A client that answers no PING because it vanished, and a client that has sent no request yet.
#[test]
fn vanished_h2_client_does_not_delay_shutdown() {
    let server = start(&[
        ("http.h2c", "true"),
        ("shutdown.grace", "0s"),
        ("shutdown.drain", "1h"),
    ]);
    let _silent = open(&server);
    let mut answered = open(&server);
    discover(&mut answered);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.ended().code(), Some(0), "{}", server.log());
}

#[test]
fn h2c_request_is_answered() {
    let server = start(&[("http.h2c", "true")]);
    let body = discover(&mut open(&server));
    assert_eq!(body, r#"{"create_available":true}"#);
}

/// Found in a review: a stream that was reset while its body was still arriving lost its 404 or
/// 413.
#[test]
fn h2c_early_response_does_not_reset_the_stream() {
    let server = start(&[("http.h2c", "true")]);
    let mut connection = Connection::open(server.http);
    connection.write(PREFACE);
    let part = [b'x'; 16_000];
    let sent = [
        frame(SETTINGS, 0, 0, &[]),
        frame(HEADERS, END_HEADERS, 1, &get_head("/nothing/of/ours")),
        frame(DATA, 0, 1, &part),
        frame(DATA, END_STREAM, 1, &part),
    ];
    // The last part of the body arrives after the server had time to answer. The server has seen
    // everything before it, because it answered a PING sent after that.
    let (before, last) = sent.split_at(3);
    for frame in before {
        connection.write(frame);
    }
    let ping = frame(PING, 0, 0, &[7; 8]);
    let mut seen = Vec::new();
    for last in [None, Some(&last[0])] {
        if let Some(frame) = last {
            connection.write(frame);
        }
        connection.write(&ping);
        loop {
            let frame = Frame::next(&mut connection);
            if (frame.kind, frame.flags) == (PING, 1) {
                break;
            }
            seen.push((frame.stream, frame.kind));
        }
    }
    while !seen.contains(&(1, DATA)) {
        let frame = Frame::next(&mut connection);
        seen.push((frame.stream, frame.kind));
    }
    assert!(!seen.contains(&(1, RST_STREAM)), "{seen:?}");
}

#[test]
fn h2c_listener_still_serves_http_1_1() {
    let server = start(&[("http.h2c", "true")]);
    let mut connection = Connection::open(server.http);
    for _ in 0..2 {
        let reply = connection.send(&Request::get(UNSTABLE)).expect(200);
        reply.assert_common_headers();
    }
}

#[test]
fn h2c_incomplete_preface_is_closed() {
    let server = start(&[("http.h2c", "true"), ("http.header_timeout", "300ms")]);
    let mut connection = Connection::open(server.http);
    connection.write(&PREFACE[..PREFACE.len() / 2]);
    let received = connection.read_to_close();
    assert!(
        !received.starts_with(b"HTTP/1.1 2"),
        "{}",
        String::from_utf8_lossy(&received)
    );
}

#[test]
fn h2c_incomplete_http_1_1_head_is_closed() {
    let server = start(&[("http.h2c", "true"), ("http.header_timeout", "300ms")]);
    let mut connection = Connection::open(server.http);
    connection.write(format!("GET {UNSTABLE} HTTP/1.1\r\nX-Half: ").as_bytes());
    let received = connection.read_to_close();
    assert!(
        !received.starts_with(b"HTTP/1.1 2"),
        "{}",
        String::from_utf8_lossy(&received)
    );
}
