//! Clients that send requests and read no responses: the server gives up after
//! `http.request_timeout`.

use super::{large_session, start, timed_out};
use crate::server::Server;
use testkit::http::{Connection, Request};
use testkit::http2::{PREFACE, WINDOW_UPDATE, frame, get, initial_window};
use testkit::{eventually, until};

/// Sends the same bytes and reads nothing, until the server closes the connection.
#[track_caller]
fn assert_given_up(server: &Server, mut client: Connection, bytes: &[u8]) {
    // Far more than the buffers of two sockets hold.
    assert!(!client.takes(bytes, 4096), "it took all of it");
    assert_closed(server);
}

#[track_caller]
fn assert_closed(server: &Server) {
    eventually("it is counted", || {
        (timed_out(server, "send") == 1).then_some(())
    });
    let open = || server.metrics().sum("rendezvous_connections", &[]);
    eventually("the connection is gone", || (open() == 0).then_some(()));
}

#[test]
fn client_that_reads_no_response_is_closed() {
    let settings = [
        ("http.request_timeout", "300ms"),
        ("telemetry.access_log", "false"),
    ];
    let server = start(&settings);
    let requests = Request::get("/nothing/of/ours").bytes().repeat(256);
    assert_given_up(&server, Connection::open(server.http), &requests);
}

/// The client gives all windows that there are, so that the responses wait for its socket alone.
#[test]
fn h2_client_that_reads_no_response_is_closed() {
    let settings = [
        ("http.h2c", "true"),
        ("http.request_timeout", "300ms"),
        ("limits.enabled", "false"),
        ("telemetry.access_log", "false"),
    ];
    let server = start(&settings);
    let session = large_session(&server);
    let mut client = Connection::open(server.http);
    let window = frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0, 0, 0]);
    client.write(&[PREFACE, &initial_window(0x7fff_ffff), &window].concat());
    // 50 MB of responses, far more than the buffers of two sockets hold. There are never 32 streams
    // without a response, as h2 refuses more.
    let total = "rendezvous_http_requests_total";
    let answered = || server.metrics().sum(total, &[("method", "GET")]);
    let is_closed = || timed_out(&server, "send") == 1;
    for batch in 0..125_u32 {
        let stream = |number: u32| 2 * (16 * batch + number) + 1;
        let requests: Vec<u8> = (0..16).flat_map(|n| get(stream(n), &session)).collect();
        let sent = client.takes(&requests, 1);
        let expected = u64::from(16 * (batch + 1));
        until("the batch was read", || {
            answered() == expected || is_closed()
        });
        if !sent || is_closed() {
            break;
        }
    }
    assert_closed(&server);
}
