//! The bounds of holds: how many reads are held, and which other bounds a held read does not touch.

use super::{ON, ended, hold, until_held, written_mailbox};
use crate::server::Server;
use testkit::http::{Connection, Request};
use testkit::http2::{END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, frame, get_with};
use testkit::server::Store;
use testkit::until;

fn start(settings: &[(&str, &str)]) -> Server {
    Server::start(Store::Memory, &[&ON, settings].concat())
}

#[track_caller]
fn refused(server: &Server) -> u64 {
    server.metrics().sum("rendezvous_holds_refused_total", &[])
}

// R2.48
#[test]
fn held_reads_of_a_replica_are_limited() {
    let server = start(&[("msc4108.long_poll.max_waiting", "2")]);
    let mailboxes = [(); 3].map(|()| written_mailbox(&server));
    let [first, second, third] = mailboxes.map(|(mailbox, etag)| mailbox.poll(&etag));
    let held = [hold(&server, &first, 1), hold(&server, &second, 2)];
    server.call(&third).expect(304);
    assert_eq!(refused(&server), 1);
    drop(held);
    until_held(&server, 0);
    hold(&server, &third, 1);
}

// R2.48
#[test]
fn held_reads_of_a_session_are_limited() {
    let server = start(&[]);
    let (mailbox, etag) = written_mailbox(&server);
    let mut held: Vec<_> = (1..=4)
        .map(|count| hold(&server, &mailbox.poll(&etag), count))
        .collect();
    server.call(&mailbox.poll(&etag)).expect(304);
    assert_eq!(refused(&server), 1);
    // One write answers all of them.
    server.call(&mailbox.put(&etag, "next")).expect(202);
    for reader in &mut held {
        assert_eq!(reader.reply().expect(200).body, b"next");
    }
}

/// Fills the 64 holds of a client, and returns what a further one does.
fn fill_client(server: &Server) -> (Vec<Connection>, Request) {
    let mailboxes: Vec<_> = (0..17).map(|_| written_mailbox(server)).collect();
    let polls = mailboxes.iter().map(|(mailbox, etag)| mailbox.poll(etag));
    let (mut polls, mut held) = (polls.collect::<Vec<_>>(), Vec::new());
    let further = polls.pop().expect("17 sessions");
    for poll in polls.iter().flat_map(|poll| [poll; 4]) {
        let mut connection = Connection::open(server.http);
        connection.write(&poll.bytes());
        held.push(connection);
    }
    until_held(server, 64);
    (held, further)
}

// R2.48
#[test]
fn held_reads_of_a_client_are_limited() {
    let server = start(&[("limits.enabled", "true")]);
    let (_held, further) = fill_client(&server);
    server.call(&further).expect(304);
    assert_eq!(refused(&server), 1);
}

// R2.48
#[test]
fn held_reads_of_a_client_are_not_limited_without_limits() {
    let server = start(&[("limits.enabled", "false")]);
    let (_held, further) = fill_client(&server);
    hold(&server, &further, 65);
    assert_eq!(refused(&server), 0);
}

/// The request timeout is for a server that is slow, and not for one that waits on purpose.
// R2.49
#[test]
fn request_timeout_does_not_end_a_hold() {
    let server = start(&[
        ("msc4108.long_poll.timeout", "1s"),
        ("http.request_timeout", "50ms"),
    ]);
    let (mailbox, etag) = written_mailbox(&server);
    server.call(&mailbox.poll(&etag)).expect(304);
    until_held(&server, 0);
    assert_eq!(ended(&server, "timed_out"), 1);
}

/// Nor does the timeout of a stream, which is twice the request timeout.
// R2.49
#[test]
fn stream_timeout_does_not_end_a_hold() {
    let server = start(&[
        ("msc4108.long_poll.timeout", "1s"),
        ("http.request_timeout", "50ms"),
        ("http.h2c", "true"),
    ]);
    let (mailbox, etag) = written_mailbox(&server);
    let mut connection = Connection::open(server.http);
    connection.write(PREFACE);
    connection.write(&frame(SETTINGS, 0, 0, &[]));
    let head = get_with(&mailbox.path, "if-none-match", &etag);
    connection.write(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &head));
    until("the hold has ended", || ended(&server, "timed_out") == 1);
}
