//! Clients that close their side of the connection behind a request, and wait for the response.
//!
//! A response of Redis takes a while, so the close arrives before it. What waits for Redis is in
//! `store_wait`.

use crate::server::{Server, on_both_stores};
use testkit::api::{at, request};
use testkit::http::{Connection, Reply, Request};

on_both_stores!(
    half_closed_requests_are_answered,
    half_closed_pipeline_is_answered,
    half_closed_body_is_rejected,
    half_closed_scrape_is_answered,
);

/// As often as it takes to see a lost response: most were, before R0.43.
const ROUNDS: usize = 20;

/// Sends these bytes, closes the sending side, and returns the connection.
fn send_last(server: &Server, bytes: &[u8]) -> Connection {
    let mut connection = Connection::open(server.http);
    connection.write(bytes);
    connection.close_write();
    connection
}

/// The response to this request, which is the last one of its connection.
fn call_last(server: &Server, request: &Request) -> Reply {
    let mut connection = send_last(server, &request.bytes());
    let reply = connection.reply();
    assert_eq!(connection.read_to_close(), b"");
    reply
}

// R0.43
fn half_closed_requests_are_answered(server: &Server) {
    for _ in 0..ROUNDS {
        let created = call_last(server, &request::create("hello")).expect(200);
        let (id, token) = (created.text("id"), created.text("sequence_token"));
        let write = request::write(&id, None, &token, "ECDH");
        let token = call_last(server, &write).expect(200).text("sequence_token");
        server.assert_holds(&id, "ECDH", &token);
        let read = call_last(server, &request::read(&id)).expect(200);
        assert_eq!(read.text("data"), "ECDH");
        call_last(server, &request::delete(&id)).expect(200);
    }
}

// R0.43
fn half_closed_pipeline_is_answered(server: &Server) {
    let id = server.create("hello").id;
    let reads = Request::get(&at(&id)).bytes().repeat(3);
    let mut connection = send_last(server, &reads);
    for _ in 0..3 {
        assert_eq!(connection.reply().expect(200).text("data"), "hello");
    }
    assert_eq!(connection.read_to_close(), b"");
}

// R0.28
fn half_closed_body_is_rejected(server: &Server) {
    let create = request::create("hello").bytes();
    let mut connection = send_last(server, &create[..create.len() - 1]);
    let reply = connection.reply().expect_error(400, "M_NOT_JSON");
    assert!(reply.says_close(), "{reply}");
    assert_eq!(connection.read_to_close(), b"");
}

/// `/metrics` counts the live sessions in the store.
fn half_closed_scrape_is_answered(server: &Server) {
    for _ in 0..ROUNDS {
        let mut connection = Connection::open(server.admin);
        connection.write(&Request::get("/metrics").bytes());
        connection.close_write();
        connection.reply().expect(200);
    }
}
