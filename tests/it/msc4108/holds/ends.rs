//! How a hold ends without a write: the session, the time, the process, the store or the client ends.

use super::{
    HELD, ON, all_ended, ended, hold, until_held, until_hints_are_complete, written_mailbox,
};
use crate::server::{Server, on_both_stores, ready_on};
use nix::sys::signal::Signal;
use testkit::http::{Connection, Request};
use testkit::http2::{
    END_HEADERS, END_STREAM, HEADERS, PREFACE, RST_STREAM, SETTINGS, frame, get_with,
};
use testkit::redis::RedisServer;
use testkit::server::Store;
use testkit::until;

on_both_stores! {
    with ["msc4108.enabled" = "true", "msc4108.long_poll.window" = "30s", "msc4108.long_poll.timeout" = "10s"];
    deleted_session_ends_the_hold,
    closed_sending_side_ends_the_hold,
    reset_connection_ends_the_hold,
    request_behind_a_held_read_does_not_end_the_hold,
}

on_both_stores! {
    with ["msc4108.enabled" = "true", "msc4108.long_poll.window" = "30s", "msc4108.long_poll.timeout" = "10s", "shutdown.grace" = "300s"];
    signal_to_stop_ends_holds_and_no_hold_begins,
}

on_both_stores! {
    with ["msc4108.enabled" = "true", "msc4108.long_poll.window" = "30s", "msc4108.long_poll.timeout" = "1s", "telemetry.log_polls" = "true"];
    hold_ends_with_304,
}

// R2.42
fn deleted_session_ends_the_hold(server: &Server) {
    let (mailbox, etag) = written_mailbox(server);
    let mut reader = hold(server, &mailbox.poll(&etag), 1);
    server.call(&Request::delete(&mailbox.path)).expect(204);
    reader.reply().expect_error(404, "M_NOT_FOUND");
    until_held(server, 0);
    assert_eq!(ended(server, "gone"), 1);
}

// R2.43, R2.49
fn hold_ends_with_304(server: &Server) {
    let (mailbox, etag) = written_mailbox(server);
    let mut reader = Connection::open(server.http);
    let reply = reader.send(&mailbox.poll(&etag)).expect(304);
    assert_eq!(reply.etag(), etag);
    assert_eq!(reply.all("content-type"), ["text/plain"]);
    reply.assert_dated();
    until_held(server, 0);
    assert_eq!(ended(server, "timed_out"), 1);
    // The second is held, and is no part of the request's duration.
    let metrics = server.metrics();
    let seconds = |name: &str| -> f64 {
        let samples = metrics.samples(name);
        let values = samples
            .iter()
            .map(|(_, value)| value.parse::<f64>().expect("a number"));
        values.sum()
    };
    assert!(seconds("rendezvous_hold_duration_seconds_sum") >= 1.0);
    assert!(seconds("rendezvous_http_request_duration_seconds_sum") < 1.0);
    until("the line of the held read", || {
        server.log().contains("held_us")
    });
    // The connection serves the next request.
    reader.send(&mailbox.get()).expect(200);
}

// R2.44
fn signal_to_stop_ends_holds_and_no_hold_begins(server: &Server) {
    let (mailbox, etag) = written_mailbox(server);
    let mut reader = hold(server, &mailbox.poll(&etag), 1);
    server.signal(Signal::SIGTERM);
    let reply = reader.reply().expect(304);
    assert_eq!(reply.etag(), etag);
    assert!(reply.says_close(), "{reply}");
    until_held(server, 0);
    assert_eq!(ended(server, "stopped"), 1);
    // The session is as fresh as before.
    server.call(&mailbox.poll(&etag)).expect(304);
    assert_eq!(all_ended(server), 1);
}

// R2.46
fn closed_sending_side_ends_the_hold(server: &Server) {
    let (mailbox, etag) = written_mailbox(server);
    let mut reader = hold(server, &mailbox.poll(&etag), 1);
    reader.close_write();
    let reply = reader.reply().expect(304);
    assert_eq!(reply.etag(), etag);
    assert_eq!(reader.read_to_close(), b"");
    until_held(server, 0);
    assert_eq!(ended(server, "hung_up"), 1);
    // A client that has closed its side before its read is served is not held.
    let mut reader = Connection::open(server.http);
    reader.write(&mailbox.poll(&etag).bytes());
    reader.close_write();
    reader.reply().expect(304);
    assert_eq!(reader.read_to_close(), b"");
}

// R2.46
fn reset_connection_ends_the_hold(server: &Server) {
    let (mailbox, etag) = written_mailbox(server);
    let reader = hold(server, &mailbox.poll(&etag), 1);
    reader.reset();
    until_held(server, 0);
    assert_eq!(ended(server, "abandoned"), 1);
}

/// A client that sends its next request early has not closed its side.
// R2.46
fn request_behind_a_held_read_does_not_end_the_hold(server: &Server) {
    let (mailbox, etag) = written_mailbox(server);
    let mut reader = hold(server, &mailbox.poll(&etag), 1);
    reader.write(&mailbox.get().bytes());
    let next = server.call(&mailbox.put(&etag, "next")).expect(202).etag();
    for _ in 0..2 {
        let reply = reader.reply().expect(200);
        assert_eq!(
            (reply.body.as_slice(), reply.etag()),
            (&b"next"[..], next.clone())
        );
    }
    assert_eq!(ended(server, "written"), 1);
}

/// The store fails while a read is held: the client polls again later, and then waits for the store.
// R2.45
#[test]
fn failing_store_ends_the_hold_with_304() {
    let redis = RedisServer::start();
    let server = ready_on(&redis.url(), &ON);
    until_hints_are_complete(&server);
    let (mailbox, etag) = written_mailbox(&server);
    let mut reader = hold(&server, &mailbox.poll(&etag), 1);
    redis.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    // A false hint, so that the held read looks at the session.
    let key = format!("mrv:s:{{{}}}", mailbox.id());
    redis.command(&["PUBLISH", "mrv:changes", &key]);
    let reply = reader.reply().expect(304);
    assert_eq!(reply.etag(), etag);
    reply.assert_dated();
    assert_eq!(ended(&server, "store_failed"), 1);
}

/// One wait is enough: a read that waited for the store is answered at once.
#[test]
fn read_that_waited_for_the_store_is_not_held() {
    let redis = RedisServer::start();
    let server = ready_on(&redis.url(), &ON);
    let (mailbox, etag) = written_mailbox(&server);
    redis.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    let mut reader = Connection::open(server.http);
    reader.write(&mailbox.poll(&etag).bytes());
    until("the read waits", || {
        server.metrics().sum("rendezvous_store_waiting", &[]) == 1
    });
    redis.command(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    reader.reply().expect(304);
    assert_eq!(all_ended(&server), 0);
}

/// A reset stream of HTTP/2 ends its hold, and the connection goes on.
// R2.46
#[test]
fn reset_stream_ends_the_hold() {
    let server = Server::start(Store::Memory, &[&ON[..], &[("http.h2c", "true")]].concat());
    let (mailbox, etag) = written_mailbox(&server);
    let mut connection = Connection::open(server.http);
    connection.write(PREFACE);
    connection.write(&frame(SETTINGS, 0, 0, &[]));
    let head = get_with(&mailbox.path, "if-none-match", &etag);
    connection.write(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &head));
    until_held(&server, 1);
    connection.write(&frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes()));
    until_held(&server, 0);
    assert_eq!(ended(&server, "abandoned"), 1);
    connection.write(&frame(HEADERS, END_HEADERS | END_STREAM, 3, &head));
    until_held(&server, 1);
    drop(connection);
    until("the end of the connection ends its hold", || {
        server.metrics().sum(HELD, &[]) == 0
    });
}
