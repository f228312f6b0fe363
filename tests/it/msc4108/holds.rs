//! Short holds (docs/protocol.md, 2.7): when a read is held, and how its hold ends.
//!
//! A test that waits for an event gives holds ten seconds, so that no hold ends by itself. What holds
//! cost, and their bounds, are in submodules.

mod bounds;
mod ends;
mod replicas;

use crate::server::{Server, on_both_stores};
use testkit::api::at;
use testkit::etag::Mailbox;
use testkit::http::{Connection, Request};
use testkit::server::Store;
use testkit::until;

on_both_stores! {
    with ["msc4108.enabled" = "true", "msc4108.long_poll.window" = "30s", "msc4108.long_poll.timeout" = "10s"];
    held_read_gets_the_next_write,
    held_read_gets_a_write_of_equal_data,
    read_before_the_first_write_is_not_held,
    reads_that_name_no_current_state_are_not_held,
    json_read_is_not_held,
}

/// Settings with which no hold ends by itself within a test.
const ON: [(&str, &str); 3] = [
    ("msc4108.enabled", "true"),
    ("msc4108.long_poll.window", "30s"),
    ("msc4108.long_poll.timeout", "10s"),
];

/// Reads that are held now.
const HELD: &str = "rendezvous_reads_held";

/// Counts holds by how they ended.
const ENDS: &str = "rendezvous_hold_duration_seconds_count";

/// Sends a poll, and returns when this number of reads are held.
#[track_caller]
fn hold(server: &Server, poll: &Request, held: u64) -> Connection {
    let mut connection = Connection::open(server.http);
    connection.write(&poll.bytes());
    until_held(server, held);
    connection
}

/// Waits until this number of reads are held.
#[track_caller]
fn until_held(server: &Server, count: u64) {
    until(&format!("{count} reads are held"), || {
        server.metrics().sum(HELD, &[]) == count
    });
}

/// Waits until this replica learns of each change of every replica, so that held reads do not look at
/// their sessions from time to time.
#[track_caller]
fn until_hints_are_complete(server: &Server) {
    until("hints are complete", || {
        server.metrics().sum("rendezvous_store_change_feed_up", &[]) == 1
    });
}

/// The number of holds that ended like this.
#[track_caller]
fn ended(server: &Server, end: &str) -> u64 {
    server.metrics().sum(ENDS, &[("end", end)])
}

/// The number of holds that ended in any way.
#[track_caller]
fn all_ended(server: &Server) -> u64 {
    server.metrics().sum(ENDS, &[])
}

/// Opens a mailbox and writes to it. Returns its current ETag, too.
#[track_caller]
fn written_mailbox(server: &Server) -> (Mailbox, String) {
    let mailbox = server.open_mailbox("hello");
    let write = mailbox.put(&mailbox.etag, "ECDH");
    let etag = server.call(&write).expect(202).etag();
    (mailbox, etag)
}

// R2.37, R2.41
fn held_read_gets_the_next_write(server: &Server) {
    let (mailbox, mut etag) = written_mailbox(server);
    let mut reader = Connection::open(server.http);
    for (round, data) in [(1, "one"), (2, "two"), (3, "three")] {
        reader.write(&mailbox.poll(&etag).bytes());
        until_held(server, 1);
        etag = server.call(&mailbox.put(&etag, data)).expect(202).etag();
        let reply = reader.reply().expect(200);
        assert_eq!(
            (reply.body.as_slice(), reply.etag()),
            (data.as_bytes(), etag.clone())
        );
        assert_eq!(reply.all("content-type"), ["text/plain"]);
        reply.assert_dated();
        until_held(server, 0);
        assert_eq!(ended(server, "written"), round);
    }
    // Each read is counted once.
    let reads = server.metrics().sum("rendezvous_reads_total", &[]);
    assert_eq!(reads, 3);
}

// R2.41
fn held_read_gets_a_write_of_equal_data(server: &Server) {
    let (mailbox, etag) = written_mailbox(server);
    let mut reader = hold(server, &mailbox.poll(&etag), 1);
    let next = server.call(&mailbox.put(&etag, "ECDH")).expect(202).etag();
    assert_ne!(next, etag);
    let reply = reader.reply().expect(200);
    assert_eq!((reply.body.as_slice(), reply.etag()), (&b"ECDH"[..], next));
}

// R2.39
fn read_before_the_first_write_is_not_held(server: &Server) {
    let mailbox = server.open_mailbox("hello");
    server.call(&mailbox.poll(&mailbox.etag)).expect(304);
    assert_eq!(all_ended(server), 0);
    // From the first write on it is.
    let etag = server.call(&mailbox.put(&mailbox.etag, "ECDH")).expect(202);
    hold(server, &mailbox.poll(&etag.etag()), 1);
}

// R2.38
fn reads_that_name_no_current_state_are_not_held(server: &Server) {
    let (mailbox, etag) = written_mailbox(server);
    let head = Request::head(&mailbox.path).header("If-None-Match", &etag);
    let several = format!("{etag}, {}", mailbox.etag);
    for (status, request) in [
        (304, head),
        (200, mailbox.get()),
        (200, mailbox.poll(&mailbox.etag)),
        (304, mailbox.poll("*")),
        (304, mailbox.poll(&several)),
    ] {
        server.call(&request).expect(status);
    }
    assert_eq!(all_ended(server), 0);
}

// R2.50
fn json_read_is_not_held(server: &Server) {
    let session = server.create("hello");
    let token = server.write(&session.id, &session.token, "ECDH");
    let read = Request::get(&format!("{}?since={token}", at(&session.id)));
    let read = read.header("If-None-Match", &format!("\"{token}\""));
    server.call(&read).expect(200);
    assert_eq!(all_ended(server), 0);
}

// R2.39, R2.40, R2.48
#[test]
fn each_value_of_zero_switches_holds_off() {
    for (key, zero) in [("window", "0s"), ("timeout", "0s"), ("max_waiting", "0")] {
        let key = format!("msc4108.long_poll.{key}");
        let server = Server::start(Store::Memory, &[("msc4108.enabled", "true"), (&key, zero)]);
        let (mailbox, etag) = written_mailbox(&server);
        server.call(&mailbox.poll(&etag)).expect(304);
        assert_eq!(all_ended(&server), 0, "{key}");
        let refused = server.metrics().sum("rendezvous_holds_refused_total", &[]);
        assert_eq!(refused, 0, "{key}");
    }
}
