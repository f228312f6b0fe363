//! What a client can do on HTTP/2 and not on HTTP/1.1: request without opening a window, request
//! and reset.

use super::{Frame, discovery, kinds_until_its_end, open};
use crate::http_robustness::{start, timed_out};
use crate::server::Server;
use testkit::api::UNSTABLE;
use testkit::eventually;
use testkit::http::{Connection, Request};
use testkit::http2::{
    DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PREFACE, RST_STREAM, SETTINGS, WINDOW_UPDATE,
    frame, get_head, initial_window,
};

const CANCEL: [u8; 4] = [0, 0, 0, 8];

#[test]
fn stream_without_window_is_reset_alone() {
    let server = start(&[("http.h2c", "true"), ("http.request_timeout", "300ms")]);
    let mut connection = open(&server);
    connection.write(&[initial_window(0), discovery(1)].concat());
    assert_eq!(
        kinds_until_its_end(&mut connection, 1),
        [HEADERS, RST_STREAM]
    );
    assert_eq!(timed_out(&server, "stream"), 1);
    connection.write(&[initial_window(1000), discovery(3)].concat());
    assert_eq!(
        kinds_until_its_end(&mut connection, 3),
        [HEADERS, DATA, DATA]
    );
    assert_eq!(timed_out(&server, "stream"), 1);
}

/// The maximum number of concurrent streams. Each ends, so further streams get their permits.
#[test]
fn streams_without_window_release_their_permits() {
    let server = start(&[("http.h2c", "true"), ("http.request_timeout", "300ms")]);
    let mut connection = open(&server);
    let asked: Vec<u8> = (1..=63).step_by(2).flat_map(discovery).collect();
    connection.write(&[initial_window(0), asked].concat());
    eventually("all are reset", || {
        (timed_out(&server, "stream") == 32).then_some(())
    });
    connection.write(&[initial_window(1000), discovery(65)].concat());
    assert_eq!(
        kinds_until_its_end(&mut connection, 65),
        [HEADERS, DATA, DATA]
    );
}

/// Sends everything at once, on all 128 streams that these tests can address, and waits for the
/// end.
#[track_caller]
fn assert_flooded(server: &Server, each: impl Fn(u32) -> Vec<u8>) {
    let frames: Vec<u8> = (1..=255).step_by(2).flat_map(each).collect();
    let mut connection = Connection::open(server.http);
    connection.write(&[PREFACE, &initial_window(1000), &frames].concat());
    connection.read_to_close();
    let name = "rendezvous_connections_refused_total";
    let counted = || server.metrics().sum(name, &[("reason", "http2_flood")]);
    eventually("it is counted", || (counted() == 1).then_some(()));
    eventually("and announced of", || {
        server
            .log()
            .contains("reason=\"http2_flood\"")
            .then_some(())
    });
    // Other connections are not affected.
    server.raw(&Request::get(UNSTABLE)).expect(200);
}

/// CVE-2023-44487.
#[test]
fn reset_flood_ends_the_connection() {
    let server = start(&[("http.h2c", "true")]);
    assert_flooded(&server, |stream| {
        let reset = frame(RST_STREAM, 0, stream, &CANCEL);
        [discovery(stream), reset].concat()
    });
}

/// CVE-2025-8671: here the body is longer than its Content-Length.
#[test]
fn protocol_error_flood_ends_the_connection() {
    let server = start(&[("http.h2c", "true")]);
    // HPACK literals: `:method POST` and `:scheme http` of the static table, a Content-Length of 1.
    let head = [
        &[0x83][..],
        &get_head(UNSTABLE)[1..],
        &[0x0f, 0x0d, 1, b'1'],
    ]
    .concat();
    assert_flooded(&server, |stream| {
        let wrong = frame(DATA, END_STREAM, stream, b"22");
        [frame(HEADERS, END_HEADERS, stream, &head), wrong].concat()
    });
}

/// A client may send `ENHANCE_YOUR_CALM` to us; that is not a flood by the client.
#[test]
fn goaway_from_a_client_is_not_a_flood() {
    const ENHANCE_YOUR_CALM: u8 = 11;
    let server = start(&[("http.h2c", "true")]);
    let mut connection = open(&server);
    let last_and_error = [0, 0, 0, 0, 0, 0, 0, ENHANCE_YOUR_CALM];
    connection.write(&frame(GOAWAY, 0, 0, &last_and_error));
    connection.read_to_close();
    let name = "rendezvous_connections_refused_total";
    assert_eq!(server.metrics().sum(name, &[]), 0);
}

/// The bounds of one connection (src/net/http2.rs), as announced to the client.
#[test]
fn h2_settings_announce_small_windows() {
    let server = start(&[("http.h2c", "true")]);
    let mut connection = Connection::open(server.http);
    connection.write(&[PREFACE, &initial_window(1000)].concat());
    let settings = Frame::next(&mut connection);
    assert_eq!(settings.kind, SETTINGS);
    let announced: Vec<_> = settings
        .payload
        .chunks(6)
        .map(|one| {
            let value = u32::from_be_bytes(one[2..].try_into().expect("four bytes"));
            (one[1], value)
        })
        .collect();
    // Concurrent streams, the initial window of each, and the head size (RFC 9113, 6.5.2).
    for expected in [(3, 32), (4, 65_535), (6, 8 * 1024)] {
        assert!(
            announced.contains(&expected),
            "{expected:?} of {announced:?}"
        );
    }
    // And the window of the whole connection, beyond the initial 65,535.
    let update = loop {
        let frame = Frame::next(&mut connection);
        if frame.kind == WINDOW_UPDATE {
            break frame;
        }
    };
    assert_eq!(update.payload, (128 * 1024 - 65_535_u32).to_be_bytes());
}

/// A proxy may pass on the resets of one client at once, on the connection that carries the requests of
/// others.
#[test]
fn resets_behind_a_trusted_proxy_end_no_other_request() {
    let server = start(&[("http.h2c", "true"), ("http.trusted_proxies", "127.0.0.1")]);
    let mut connection = open(&server);
    let resets = (1..=199).step_by(2).flat_map(|stream| {
        let reset = frame(RST_STREAM, 0, stream, &CANCEL);
        [discovery(stream), reset].concat()
    });
    let resets: Vec<u8> = resets.collect();
    connection.write(&[resets, discovery(201)].concat());
    assert_eq!(
        kinds_until_its_end(&mut connection, 201),
        [HEADERS, DATA, DATA]
    );
}

/// Occasional resets are not a flood: a browser sends them when a page is closed.
#[test]
fn occasional_resets_are_tolerated() {
    let server = start(&[("http.h2c", "true")]);
    let mut connection = open(&server);
    for stream in (1..=199).step_by(4) {
        let reset = frame(RST_STREAM, 0, stream, &CANCEL);
        connection.write(&[discovery(stream), reset, discovery(stream + 2)].concat());
        kinds_until_its_end(&mut connection, stream + 2);
    }
    let name = "rendezvous_connections_refused_total";
    assert_eq!(server.metrics().sum(name, &[]), 0);
}
