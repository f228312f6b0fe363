//! How a wait ends without an answer of Redis: after `store.redis.retry_timeout`, with the client,
//! or with the process. And what does not wait at all.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::{isolate, send, start, until_waiting, waits};
use crate::server::{NO_WAIT, ready_on};
use testkit::api::request;
use testkit::http::Connection;
use testkit::outage::HANG;
use testkit::redis::RedisServer;

// R0.3
#[test]
fn wait_ends_with_503_after_retry_timeout() {
    let (redis, worker, session) = start(&[("store.redis.retry_timeout", "2s")]);
    for is_paused in [false, true] {
        if is_paused {
            redis.pause();
        } else {
            isolate(&redis, true);
        }
        let begun = Instant::now();
        worker
            .call(&request::read(&session.id))
            .expect_error(503, "M_UNKNOWN");
        let took = begun.elapsed();
        assert!(
            took >= Duration::from_secs(2),
            "paused: {is_paused}, {took:?}"
        );
        assert!(
            took < Duration::from_secs(2) + HANG,
            "paused: {is_paused}, {took:?}"
        );
        if is_paused {
            redis.resume();
        } else {
            isolate(&redis, false);
        }
        worker
            .retry_while_503(&request::read(&session.id))
            .expect(200);
    }
    assert!(waits(&worker, "timed_out") >= 2);
    until_waiting(&worker, 0);
}

/// The entity tag of R2.13 and R2.14 is there after a wait, too: matrix-js-sdk stores it.
// R0.3, R2.13, R2.14
#[test]
fn timed_out_wait_has_the_entity_tag_of_its_error() {
    let redis = RedisServer::start();
    let settings = [
        ("msc4108.enabled", "true"),
        ("store.redis.retry_timeout", "1s"),
    ];
    let worker = ready_on(&redis.url(), &settings);
    let mailbox = worker.open_mailbox("hello");
    isolate(&redis, true);
    let poll = worker.call(&mailbox.poll(&mailbox.etag));
    assert_eq!((poll.status, poll.etag()), (503, mailbox.etag.clone()));
    let write = mailbox.put(&mailbox.etag, "ECDH");
    let refused = worker.call(&write);
    assert_eq!(refused.status, 503);
    assert_eq!(waits(&worker, "timed_out"), 2);
    isolate(&redis, false);
    let written = worker.call(&write);
    assert_eq!((written.status, written.etag()), (202, refused.etag()));
}

// R0.3
#[test]
fn retry_timeout_of_zero_switches_the_wait_off() {
    let (redis, worker, session) = start(&[NO_WAIT]);
    isolate(&redis, true);
    worker.assert_refused(&request::read(&session.id));
    let write = request::write(&session.id, None, &session.token, "ECDH");
    worker.assert_refused(&write);
    let metrics = worker.metrics();
    assert_eq!(metrics.sum(super::WAITS, &[]), 0);
}

// R0.3
#[test]
fn creations_and_deletions_do_not_wait() {
    let (redis, worker, session) = start(&[]);
    let faults: [fn(&RedisServer); 2] = [|redis| isolate(redis, true), RedisServer::pause];
    for fault in faults {
        fault(&redis);
        worker.assert_refused(&request::create("x"));
        worker.assert_refused(&request::delete(&session.id));
    }
    assert_eq!(worker.metrics().sum(super::WAITS, &[]), 0);
}

// R0.3
#[test]
fn client_that_resets_frees_its_place() {
    let (redis, worker, session) = start(&[]);
    isolate(&redis, true);
    let write = request::write(&session.id, None, &session.token, "ECDH");
    let clients = [
        send(&worker, &request::read(&session.id)),
        send(&worker, &write),
    ];
    until_waiting(&worker, 2);
    clients.into_iter().for_each(Connection::reset);
    until_waiting(&worker, 0);
    assert_eq!(waits(&worker, "abandoned"), 2);
    isolate(&redis, false);
    worker.assert_holds(&session.id, "hello", &session.token);
}

/// The response comes a second before the cut, and the process ends as one that answered every
/// request.
// R0.3
#[test]
fn wait_ends_one_second_before_the_cut() {
    for (grace, drain) in [("0s", "3s"), ("3s", "0s")] {
        let settings = [("shutdown.grace", grace), ("shutdown.drain", drain)];
        let (redis, worker, session) = start(&settings);
        isolate(&redis, true);
        let mut waiting = send(&worker, &request::read(&session.id));
        until_waiting(&worker, 1);
        let begun = Instant::now();
        worker.signal(Signal::SIGTERM);
        let reply = waiting.reply().expect_error(503, "M_UNKNOWN");
        assert!(reply.says_close(), "{reply}");
        let took = begun.elapsed();
        let [end, cut] = [2, 3].map(Duration::from_secs);
        assert!(end <= took && took < cut, "{took:?}");
        assert!(worker.ended().success(), "grace {grace}, drain {drain}");
    }
}
