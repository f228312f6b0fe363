//! Connections: kept alive, counted, limited, and released when a client disconnects.

use std::time::Duration;

use super::{partial_create, rest_of_create, start};
use crate::server::Server;
use testkit::api::{UNSTABLE, at, body};
use testkit::eventually;
use testkit::http::{Connection, Request};

#[test]
fn one_connection_serves_a_whole_sign_in() {
    let server = start(&[]);
    let session = server.create("hello");
    let mut connection = Connection::open(server.http);
    let mut token = session.token;
    for n in 0..8 {
        let write = Request::put(&at(&session.id)).json(&body(&token, &format!("message {n}")));
        let reply = connection.send(&write).expect(200);
        assert!(!reply.says_close(), "{reply}");
        token = reply.text("sequence_token");
        // Errors keep the connection too: a polling client must not need a handshake each time.
        let late = Request::put(&at(&session.id)).json(&body("stale", "late"));
        assert!(!connection.send(&late).expect(409).says_close());
        assert!(
            !connection
                .send(&Request::get(&at("not-here")))
                .expect(404)
                .says_close()
        );
        assert!(
            !connection
                .send(&Request::post(UNSTABLE).body("{"))
                .expect(400)
                .says_close()
        );
    }
    assert!(
        !connection
            .send(&Request::delete(&at(&session.id)))
            .expect(200)
            .says_close()
    );
    connection.send(&Request::get(UNSTABLE)).expect(200);
}

#[test]
fn connection_close_is_honoured() {
    let server = start(&[]);
    let mut connection = Connection::open(server.http);
    connection
        .send(&Request::get(UNSTABLE).header("Connection", "close"))
        .expect(200);
    assert_eq!(connection.read_to_close(), b"");
}

#[test]
fn http_1_0_response_closes_the_connection() {
    let server = start(&[]);
    let mut connection = Connection::open(server.http);
    connection.write(format!("GET {UNSTABLE} HTTP/1.0\r\n\r\n").as_bytes());
    assert_eq!(
        connection.reply().expect(200).json()["create_available"],
        true
    );
    assert_eq!(connection.read_to_close(), b"");
}

#[test]
fn http_1_0_keep_alive_is_honoured() {
    let server = start(&[]);
    let mut connection = Connection::open(server.http);
    let poll = format!("GET {UNSTABLE} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    for _ in 0..2 {
        connection.write(poll.as_bytes());
        connection.reply().expect(200);
    }
}

#[test]
fn non_http_bytes_are_rejected_and_closed() {
    let server = start(&[]);
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"nonsense\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
    ] {
        let mut connection = Connection::open(server.http);
        connection.write(bytes);
        let received = connection.read_to_close();
        assert!(!received.starts_with(b"HTTP/1.1 2"));
    }
    let mut connection = Connection::open(server.http);
    connection
        .write(format!("GET {UNSTABLE} HTTP/1.1\r\nX: {}\r\n", "x".repeat(1 << 20)).as_bytes());
    assert!(!connection.read_to_close().starts_with(b"HTTP/1.1 2"));
    server.call(&Request::get(UNSTABLE)).expect(200);
}

#[track_caller]
fn eventually_at(server: &Server, name: &str, value: u64) {
    let reached = || (server.metrics().sum(name, &[]) == value).then_some(());
    eventually(&format!("{name} is {value}"), reached);
}

#[test]
fn aborted_request_leaves_nothing_behind() {
    let server = start(&[]);
    let clients: Vec<_> = (0..3).map(|_| partial_create(&server)).collect();
    eventually_at(&server, "rendezvous_http_requests_in_flight", 3);
    drop(clients);
    eventually_at(&server, "rendezvous_http_requests_in_flight", 0);
}

#[test]
fn open_connections_are_counted() {
    let server = start(&[]);
    eventually_at(&server, "rendezvous_connections", 0);
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let mut connection = Connection::open(server.http);
            connection.send(&Request::get(UNSTABLE)).expect(200);
            connection
        })
        .collect();
    eventually_at(&server, "rendezvous_connections", 3);
    drop(clients);
    eventually_at(&server, "rendezvous_connections", 0);
}

/// The permit is acquired before the accept: a client over the limit waits in the kernel's queue.
#[test]
fn connection_over_the_cap_waits_for_a_permit() {
    let server = start(&[("http.max_connections", "2")]);
    let mut first = partial_create(&server);
    let mut second = Connection::open(server.http);
    second.send(&Request::get(UNSTABLE)).expect(200);
    let mut third = Connection::open(server.http);
    third.write(&Request::get(UNSTABLE).bytes());
    assert!(third.stays_silent(Duration::from_millis(300)));
    // Accepted connections are still served.
    second.send(&Request::get(UNSTABLE)).expect(200);
    first.write(rest_of_create());
    first.reply().expect(200);
    drop(second);
    third.reply().expect(200);
}
