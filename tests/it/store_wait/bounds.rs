//! How many requests may wait: in total and per client. Waiting requests are not in flight, and are
//! charged to the rate limits once.

use super::{isolate, send, start, statuses, until_waiting, waits};
use crate::server::{Server, ready_on};
use testkit::api::{Session, at, request};
use testkit::http::{Connection, Request};
use testkit::redis::RedisServer;
use testkit::until;

const LIMITS: (&str, &str) = ("limits.enabled", "true");
const TRUSTED: (&str, &str) = ("http.trusted_proxies", "127.0.0.1/32");

/// A read by the client at this address, whose reply is left for later.
fn read_from(worker: &Server, address: &str, session: &Session) -> Connection {
    let read = Request::get(&at(&session.id)).header("X-Forwarded-For", address);
    send(worker, &read)
}

// R0.3
#[test]
fn client_has_256_waiting_requests_and_others_wait_too() {
    let redis = RedisServer::start();
    let worker = ready_on(&redis.url(), &[LIMITS, TRUSTED]);
    let sessions: Vec<_> = (0..16).map(|_| worker.create("hello")).collect();
    isolate(&redis, true);
    let mut waiting = Vec::new();
    for number in 0..256 {
        let session = &sessions[number % sessions.len()];
        waiting.push(read_from(&worker, "203.0.113.1", session));
    }
    until_waiting(&worker, 256);

    let mut refused = read_from(&worker, "203.0.113.1", &sessions[0]);
    let refused = refused.reply().expect_error(503, "M_UNKNOWN");
    refused.assert_common_headers();
    assert_eq!(waits(&worker, "refused"), 1);
    waiting.push(read_from(&worker, "203.0.113.2", &sessions[0]));
    until_waiting(&worker, 257);

    isolate(&redis, false);
    assert_eq!(statuses(waiting), [200; 257]);
    until_waiting(&worker, 0);
    assert_eq!(waits(&worker, "answered"), 257);
}

// R0.3
#[test]
fn max_waiting_bounds_all_clients() {
    let (redis, worker, session) = start(&[LIMITS, TRUSTED, ("store.redis.max_waiting", "2")]);
    isolate(&redis, true);
    let mut waiting: Vec<_> = ["203.0.113.1", "203.0.113.2"]
        .map(|address| read_from(&worker, address, &session))
        .into();
    until_waiting(&worker, 2);
    let mut refused = read_from(&worker, "203.0.113.3", &session);
    refused.reply().expect_error(503, "M_UNKNOWN");

    // The place of a client that reset its connection is free again.
    waiting.pop().expect("two").reset();
    until_waiting(&worker, 1);
    waiting.push(read_from(&worker, "203.0.113.3", &session));
    until_waiting(&worker, 2);
    isolate(&redis, false);
    assert_eq!(statuses(waiting), [200; 2]);
}

/// Without limits per client, one client may have all places.
// R0.3
#[test]
fn disabled_limits_leave_only_max_waiting() {
    let (redis, worker, session) = start(&[("store.redis.max_waiting", "258")]);
    isolate(&redis, true);
    let mut waiting = Vec::new();
    // At most 64 requests of a session may be in flight.
    for count in [64, 128, 192, 256, 258] {
        while waiting.len() < count {
            waiting.push(send(&worker, &request::read(&session.id)));
        }
        until_waiting(&worker, count as u64);
    }
    let mut refused = send(&worker, &request::read(&session.id));
    refused.reply().expect_error(503, "M_UNKNOWN");
    isolate(&redis, false);
    assert_eq!(statuses(waiting), [200; 258]);
}

/// A session may have 64 requests in flight; the 65th gets a 429. Requests that wait do not count.
// R0.3
#[test]
fn waiting_requests_are_not_in_flight() {
    let (redis, worker, session) = start(&[LIMITS, TRUSTED]);
    isolate(&redis, true);
    let mut waiting = Vec::new();
    for count in [64, 128] {
        while waiting.len() < count {
            waiting.push(read_from(&worker, "203.0.113.1", &session));
        }
        until_waiting(&worker, count as u64);
    }
    isolate(&redis, false);
    assert_eq!(statuses(waiting), [200; 128]);
    let busy = [("reason", "session_busy")];
    let rejected = worker.metrics().sum("rendezvous_rejections_total", &busy);
    assert_eq!(rejected, 0);
}

// R0.3
#[test]
fn waiting_request_is_charged_once() {
    let rate = [
        LIMITS,
        ("limits.requests.client.burst", "2"),
        ("limits.requests.client.per_second", "0.001"),
    ];
    let (redis, worker, session) = start(&rate);
    isolate(&redis, true);
    let mut waiting = send(&worker, &request::read(&session.id));
    let tries = || {
        let calls = "rendezvous_store_operation_duration_seconds_count";
        worker.metrics().sum(calls, &[("operation", "read")])
    };
    until("the call was sent three times", || tries() >= 3);
    isolate(&redis, false);
    assert_eq!(waiting.reply().status, 200);
    worker.call(&request::read(&session.id)).expect(200);
    worker
        .call(&request::read(&session.id))
        .expect_error(429, "M_LIMIT_EXCEEDED");
}
