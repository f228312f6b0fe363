//! Responses that a client leaves unread by giving them no flow-control window: how much of them
//! the server holds, and for how long.

use super::{Frame, discovery, kinds_until_its_end, open};
use crate::http_robustness::{large_session, start, timed_out};
use crate::server::Server;
use testkit::api::UNSTABLE;
use testkit::eventually;
use testkit::http::{Connection, Request};
use testkit::http2::{DATA, HEADERS, RST_STREAM, frame, get, get_for, initial_window};

/// Streams of one connection (src/net/http2.rs).
const STREAMS: u32 = 32;

const REFUSED_STREAM: [u8; 4] = [0, 0, 0, 7];
const CANCEL: [u8; 4] = [0, 0, 0, 8];

/// Opens a connection whose streams have no window, and sends a request on all streams.
fn hold(server: &Server, request: impl Fn(u32) -> Vec<u8>) -> Connection {
    let mut connection = open(server);
    let requests = (0..STREAMS).flat_map(|number| request(2 * number + 1));
    let requests: Vec<u8> = requests.collect();
    connection.write(&[initial_window(0), requests].concat());
    connection
}

/// Waits until each of the streams has its response or is refused. Returns the number of refused
/// ones.
#[track_caller]
fn refused_of_all(connection: &mut Connection) -> usize {
    let (mut answered, mut refused) = (0, 0);
    while answered + refused < STREAMS as usize {
        let frame = Frame::next(connection);
        match frame.kind {
            HEADERS => answered += 1,
            RST_STREAM => {
                assert_eq!(frame.payload, REFUSED_STREAM);
                refused += 1;
            }
            _ => {}
        }
    }
    refused
}

#[test]
fn client_has_a_limit_of_streams_over_all_connections() {
    let server = start(&[
        ("http.h2c", "true"),
        ("limits.enabled", "true"),
        ("http.trusted_proxies", "127.0.0.1/32"),
        ("http.max_connections_per_client", "40"),
    ]);
    let request = |client| move |stream| get_for(stream, UNSTABLE, client);
    let mut first = hold(&server, request("192.0.2.1"));
    assert_eq!(refused_of_all(&mut first), 0);
    let mut second = hold(&server, request("192.0.2.1"));
    assert_eq!(refused_of_all(&mut second), 24);
    let name = "rendezvous_connections_refused_total";
    let counted = server.metrics().sum(name, &[("reason", "http2_streams")]);
    assert_eq!(counted, 24);
    let line = "reason=\"http2_streams\"";
    eventually("it is logged", || server.log().contains(line).then_some(()));
    // Another client behind the same proxy is not affected.
    let mut other = hold(&server, request("192.0.2.2"));
    assert_eq!(refused_of_all(&mut other), 0);
    // A stream that ends makes room for another.
    first.write(&frame(RST_STREAM, 0, 1, &CANCEL));
    let mut streams = (65..).step_by(2);
    eventually("there is room again", || {
        let stream = streams.next()?;
        second.write(&get_for(stream, UNSTABLE, "192.0.2.1"));
        (Frame::next(&mut second).kind == HEADERS).then_some(())
    });
}

/// The total is that of the connections, even if clients have no limit.
#[test]
fn all_clients_have_a_limit_of_streams() {
    let server = start(&[
        ("http.h2c", "true"),
        ("limits.enabled", "false"),
        ("http.max_connections", "40"),
    ]);
    let mut first = hold(&server, discovery);
    assert_eq!(refused_of_all(&mut first), 0);
    let mut second = hold(&server, discovery);
    assert_eq!(refused_of_all(&mut second), 24);
}

/// One byte of window once made h2 hold the whole response without a time limit.
#[test]
fn stream_with_a_byte_of_window_is_reset() {
    let server = start(&[("http.h2c", "true"), ("http.request_timeout", "300ms")]);
    let mut connection = open(&server);
    connection.write(&[initial_window(1), discovery(1)].concat());
    assert_eq!(
        kinds_until_its_end(&mut connection, 1),
        [HEADERS, DATA, RST_STREAM]
    );
    assert_eq!(timed_out(&server, "stream"), 1);
}

#[test]
fn largest_response_is_within_its_bound() {
    let server = start(&[]);
    let reply = server.raw(&Request::get(&large_session(&server)));
    let length = reply.expect(200).body.len();
    // MAX_RESPONSE_BYTES in src/http/response.rs.
    assert!((24 << 10..25 << 10).contains(&length), "{length} bytes");
}

/// 40 connections with 32 responses of 25 KiB: 32 MB, if the server holds all of them.
#[test]
fn unread_responses_of_one_client_take_bounded_memory() {
    let server = start(&[("http.h2c", "true"), ("limits.enabled", "true")]);
    // Each has a limit of 200 requests at once.
    let sessions = [(); 8].map(|()| large_session(&server));
    let memory = server.process().rss();
    let request = |number: usize| {
        let session = &sessions[number % sessions.len()];
        move |stream| get(stream, session)
    };
    let mut held: Vec<_> = (0..40)
        .map(|number| hold(&server, request(number)))
        .collect();
    let refused: usize = held.iter_mut().map(refused_of_all).sum();
    let grown = server.process().peak_rss() - memory;
    // `http.max_connections_per_client` is 100.
    assert_eq!(refused, 40 * STREAMS as usize - 100);
    assert!(grown < 16 << 20, "the server took {grown} bytes");
}
