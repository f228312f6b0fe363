//! Clients that send requests and read no responses: the server gives up after
//! `http.request_timeout`.

use super::{start, timed_out};
use crate::server::Server;
use testkit::eventually;
use testkit::http::{Connection, Request};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Sends the same bytes and reads nothing, until the server closes the connection.
#[track_caller]
fn assert_given_up(server: &Server, mut client: Connection, bytes: &[u8]) {
    // Far more than the buffers of two sockets hold.
    assert!(!client.takes(bytes, 4096), "it took all of it");
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

/// Each PING requires an answer.
#[test]
fn h2_client_that_reads_no_response_is_closed() {
    let server = start(&[("http.h2c", "true"), ("http.request_timeout", "300ms")]);
    let mut client = Connection::open(server.http);
    client.write(&[PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat());
    let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    assert_given_up(&server, client, &ping.repeat(1024));
}
