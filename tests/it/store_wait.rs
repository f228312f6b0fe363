//! Reads and writes that wait for Redis (R0.3): how waits begin and end, on a standalone Redis.
//!
//! Released clients of the ETag dialect retry no poll and no write, and each 503 ends a sign-in. So
//! a failure of Redis that lasts for seconds must cost them nothing but time.

mod attack;
mod bounds;
mod ends;
mod replies;
mod sign_ins;

use crate::server::{Server, ready_on};
use testkit::api::{Session, request};
use testkit::http::{Connection, Reply, Request};
use testkit::redis::RedisServer;
use testkit::until;

/// Counts the requests that wait now.
const WAITING: &str = "rendezvous_store_waiting";

/// Counts waits by how they ended.
const WAITS: &str = "rendezvous_store_wait_duration_seconds_count";

/// A Redis that rejects scripts with NOREPLICAS, and no connection is lost.
fn isolate(redis: &RedisServer, is_isolated: bool) {
    let replicas = if is_isolated { "1" } else { "0" };
    redis.command(&["CONFIG", "SET", "min-replicas-to-write", replicas]);
}

/// Waits until this number of requests wait for Redis.
#[track_caller]
fn until_waiting(worker: &Server, count: u64) {
    until(&format!("{count} requests wait"), || {
        worker.metrics().sum(WAITING, &[]) == count
    });
}

/// The number of waits that ended like this.
#[track_caller]
fn waits(worker: &Server, outcome: &str) -> u64 {
    worker.metrics().sum(WAITS, &[("outcome", outcome)])
}

/// Sends a request, and leaves the reply for later.
fn send(worker: &Server, request: &Request) -> Connection {
    let mut connection = Connection::open(worker.http);
    connection.write(&request.bytes());
    connection
}

/// A Redis, a worker on it and a session.
fn start(settings: &[(&str, &str)]) -> (RedisServer, Server, Session) {
    let redis = RedisServer::start();
    let worker = ready_on(&redis.url(), settings);
    let session = worker.create("hello");
    (redis, worker, session)
}

/// Reads and writes of both forms wait, and are then answered as if nothing had happened.
// R0.3
#[test]
fn reads_and_writes_of_both_forms_wait() {
    let (redis, worker, session) = start(&[]);
    let [plain, with_txn] = [(); 2].map(|()| worker.create("hello"));
    isolate(&redis, true);
    let mut read = send(&worker, &request::read(&session.id));
    let mut head = send(&worker, &Request::head(&testkit::api::at(&session.id)));
    let mut writes = [(&plain, None), (&with_txn, Some("t"))].map(|(session, txn)| {
        let write = request::write(&session.id, txn, &session.token, "ECDH");
        send(&worker, &write)
    });
    until_waiting(&worker, 4);
    isolate(&redis, false);
    assert_eq!(read.reply().expect(200).text("data"), "hello");
    assert_eq!(head.reply_to_head().status, 200);
    let tokens = writes
        .each_mut()
        .map(|write| write.reply().expect(200).text("sequence_token"));
    for (session, token) in [plain, with_txn].iter().zip(tokens) {
        worker.assert_holds(&session.id, "ECDH", &token);
    }
    until_waiting(&worker, 0);
    assert_eq!(waits(&worker, "answered"), 4);
}

/// A client that has closed its side waits as others do, and its write happens.
// R0.3, R0.43
#[test]
fn half_closed_requests_wait_too() {
    let (redis, worker, session) = start(&[]);
    isolate(&redis, true);
    let mut read = send(&worker, &request::read(&session.id));
    read.close_write();
    until_waiting(&worker, 1);
    let write = request::write(&session.id, None, &session.token, "ECDH");
    let mut write = send(&worker, &write);
    write.close_write();
    until_waiting(&worker, 2);
    isolate(&redis, false);
    read.reply().expect(200);
    let token = write.reply().expect(200).text("sequence_token");
    worker.assert_holds(&session.id, "ECDH", &token);
    assert_eq!(waits(&worker, "answered"), 2);
}

/// A wait changes no other result: a session that does not exist is 404, a stale token is 409.
// R0.3
#[test]
fn rejections_after_a_wait_are_as_without() {
    let (redis, worker, session) = start(&[]);
    let second = worker.write(&session.id, &session.token, "ECDH");
    let third = worker.write(&session.id, &second, "protocols");
    let gone = worker.create("hello");
    worker.call(&request::delete(&gone.id)).expect(200);
    isolate(&redis, true);
    let mut missing = send(&worker, &request::read(&gone.id));
    let stale = request::write(&session.id, None, &session.token, "another");
    let mut stale = send(&worker, &stale);
    until_waiting(&worker, 2);
    isolate(&redis, false);
    missing.reply().expect_error(404, "M_NOT_FOUND");
    assert_eq!(stale.reply().status, 409);
    worker.assert_holds(&session.id, "protocols", &third);
}

/// The status of each reply.
fn statuses(connections: Vec<Connection>) -> Vec<u16> {
    let status = |mut connection: Connection| -> u16 {
        let reply: Reply = connection.reply();
        reply.status
    };
    connections.into_iter().map(status).collect()
}
