//! Robustness of HTTP: slow, repeated or missing input of one client never affects other clients.
//!
//! None of this depends on the store, so these tests use the memory store.

mod connections;
mod deadlines;
mod early_replies;
mod h2c;
mod host;
mod malformed_heads;
mod proxy_protocol;
mod slow_readers;
mod smuggling;

use crate::server::Server;
use testkit::api::{UNSTABLE, at};
use testkit::http::Connection;
use testkit::server::Store;

fn start(settings: &[(&str, &str)]) -> Server {
    Server::start(Store::Memory, settings)
}

/// The number of timeouts of this kind.
#[track_caller]
fn timed_out(server: &Server, kind: &str) -> u64 {
    let name = "rendezvous_timeouts_total";
    server.metrics().sum(name, &[("kind", kind)])
}

/// Creates the session with the largest replies: JSON writes each of 4,096 bytes as six. Returns
/// its path.
#[track_caller]
fn large_session(server: &Server) -> String {
    let data = "\u{1}".repeat(4096);
    at(&server.create(&data).id)
}

/// A creation with a head that promises more body than is sent.
fn partial_create(server: &Server) -> Connection {
    let mut connection = Connection::open(server.http);
    let head = format!(
        "POST {UNSTABLE} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        BODY.len()
    );
    connection.write(head.as_bytes());
    connection.write(&BODY[..BODY.len() / 2]);
    connection
}

/// The rest of [`partial_create`].
fn rest_of_create() -> &'static [u8] {
    &BODY[BODY.len() / 2..]
}

const BODY: &[u8] = br#"{"data": "in two halves"}"#;
