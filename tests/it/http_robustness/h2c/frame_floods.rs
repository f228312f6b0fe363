//! Frames that are no requests: a connection has a budget of them, which its requests add to.

use super::{Frame, discovery, kinds_until_its_end, open};
use crate::http_robustness::start;
use crate::server::Server;
use testkit::api::UNSTABLE;
use testkit::eventually;
use testkit::http::{Connection, Request};
use testkit::http2::{
    DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, PRIORITY, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, frame, get_head,
};

/// Frames of a new connection, and of each request (`net/http2/frame_budget.rs`).
const INITIAL: usize = 100;
const PER_REQUEST: usize = 32;

const ONE: [u8; 4] = [0, 0, 0, 1];

fn ping() -> Vec<u8> {
    frame(PING, 0, 0, &[7; 8])
}

/// A PRIORITY of an idle stream.
fn priority() -> Vec<u8> {
    frame(PRIORITY, 0, 99, &[0, 0, 0, 0, 16])
}

fn refused(server: &Server) -> u64 {
    let name = "rendezvous_connections_refused_total";
    server.metrics().sum(name, &[("reason", "http2_flood")])
}

/// Sends the beginning of a connection and then twice as many frames as it may send.
#[track_caller]
fn assert_flooded(beginning: &[u8], flood: &[u8]) {
    let server = start(&[("http.h2c", "true")]);
    let mut connection = Connection::open(server.http);
    let preface = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    connection.write(
        &[
            &preface,
            beginning,
            &flood.repeat(2 * (INITIAL + PER_REQUEST)),
        ]
        .concat(),
    );
    connection.read_to_close();
    eventually("it is counted", || (refused(&server) == 1).then_some(()));
    eventually("it is logged", || {
        let line = "reason=\"http2_flood\"";
        server.log().contains(line).then_some(())
    });
    // Other connections are not affected.
    server.raw(&Request::get(UNSTABLE)).expect(200);
}

#[test]
fn ping_flood_ends_the_connection() {
    assert_flooded(&[], &ping());
}

#[test]
fn settings_flood_ends_the_connection() {
    assert_flooded(&[], &frame(SETTINGS, 0, 0, &[]));
}

#[test]
fn priority_flood_ends_the_connection() {
    assert_flooded(&[], &priority());
}

#[test]
fn window_update_flood_ends_the_connection() {
    assert_flooded(&[], &frame(WINDOW_UPDATE, 0, 0, &ONE));
}

#[test]
fn unknown_frame_flood_ends_the_connection() {
    assert_flooded(&[], &frame(77, 0, 0, &[]));
}

/// A body in frames of one byte.
#[test]
fn tiny_data_flood_ends_the_connection() {
    let head = get_head(UNSTABLE);
    let post = [&[0x83], &head[1..]].concat();
    let begun = frame(HEADERS, END_HEADERS, 1, &post);
    assert_flooded(&begun, &frame(DATA, 0, 1, b" "));
}

/// h2 has a warning for each of these.
#[test]
fn frames_of_a_client_are_not_logged() {
    const ACK: u8 = 1;
    let server = start(&[("http.h2c", "true")]);
    let mut connection = open(&server);
    let unsolicited = frame(PING, ACK, 0, &[7; 8]).repeat(INITIAL / 2);
    connection.write(&[unsolicited, discovery(1)].concat());
    kinds_until_its_end(&mut connection, 1);
    let log = server.log();
    assert!(!log.contains("PING"), "{log}");
}

/// On a stream that has ended, h2 reads any number of such frames.
#[test]
fn ended_stream_flood_ends_the_connection() {
    assert_flooded(&discovery(1), &frame(DATA, END_STREAM, 1, &[]));
}

/// A trusted proxy may pass on a body in the pieces in which its client sends it. Its connection also
/// carries the requests of other clients.
#[test]
fn trusted_proxy_may_send_tiny_data_frames() {
    let server = start(&[("http.h2c", "true"), ("http.trusted_proxies", "127.0.0.1")]);
    let mut connection = open(&server);
    let head = get_head(UNSTABLE);
    let post = [&[0x83], &head[1..]].concat();
    let body = format!("{{\"data\":\"{}\"}}", "x".repeat(2 * PER_REQUEST));
    // h2 itself bounds the tiny frames that the server has not read yet, to a hundred.
    for number in 0..u32::try_from(INITIAL / PER_REQUEST).expect("few") * 3 {
        let stream = 2 * number + 1;
        let mut request = frame(HEADERS, END_HEADERS, stream, &post);
        for (at, piece) in body.as_bytes().chunks(1).enumerate() {
            let flags = if at + 1 == body.len() { END_STREAM } else { 0 };
            request.extend(frame(DATA, flags, stream, piece));
        }
        connection.write(&request);
        loop {
            let frame = Frame::next(&mut connection);
            if (frame.stream, frame.kind) == (stream, DATA) {
                break;
            }
        }
    }
    assert_eq!(refused(&server), 0);
}

/// More than any client sends: before the first request, and with each of many.
#[test]
fn frames_of_real_clients_are_within_the_budget() {
    let server = start(&[("http.h2c", "true"), ("limits.enabled", "false")]);
    let mut connection = open(&server);
    let many = [priority().repeat(20), ping(), frame(SETTINGS, 0, 0, &[])];
    connection.write(&many.concat());
    for number in 0..300 {
        let stream = 2 * number + 101;
        let few = [
            frame(WINDOW_UPDATE, 0, 0, &ONE).repeat(4),
            frame(WINDOW_UPDATE, 0, stream, &ONE).repeat(4),
            priority().repeat(4),
            frame(RST_STREAM, 0, stream - 2, &[0, 0, 0, 8]),
            ping(),
        ];
        connection.write(&[discovery(stream), few.concat()].concat());
        loop {
            let frame = Frame::next(&mut connection);
            if (frame.stream, frame.kind) == (stream, DATA) {
                break;
            }
        }
    }
    assert_eq!(refused(&server), 0);
}
