//! Redis outages: down, killed, paused, loading, or without its scripts.
//!
//! In each case the response comes within a bound, it is 503 and never 404 while a session may
//! live, and the worker recovers without a restart. A Redis that answers but rejects is in
//! `redis_errors`; single lost replies are in `redis_lost_replies`.

use std::time::Instant;

use crate::server::{NO_WAIT, launch_on, ready_on};
use testkit::api::request;
use testkit::outage::HANG;
use testkit::redis::{DURABLE, RedisServer, Reply};
use testkit::until;

#[test]
fn worker_recovers_from_redis_down_at_start() {
    let mut redis = RedisServer::start_with(DURABLE);
    let [session, spare] = {
        let earlier = ready_on(&redis.url(), &[]);
        [(); 2].map(|()| earlier.create("hello"))
    };
    redis.kill();
    let worker = launch_on(&redis.url(), &[NO_WAIT]);
    worker.admin_get("/healthz").expect(200);
    until("/readyz says why", || {
        let readyz = worker.admin_get("/readyz").expect(503);
        String::from_utf8(readyz.body)
            .expect("text")
            .contains("refused")
    });
    worker.assert_all_refused(&spare);
    worker.assert_refused(&request::read(&session.id));
    worker.admin_get("/healthz").expect(200);
    worker.admin_get("/readyz").expect(503);

    redis.restart();
    until("the worker becomes ready", || worker.is_ready());
    worker.assert_holds(&session.id, "hello", &session.token);
    let second = worker.write(&session.id, &session.token, "ECDH");
    worker.assert_holds(&session.id, "ECDH", &second);
}

#[test]
fn worker_recovers_from_redis_paused_at_start() {
    let redis = RedisServer::start();
    redis.pause();
    let worker = launch_on(&redis.url(), &[]);
    worker.assert_refused(&request::create("x"));
    worker.admin_get("/readyz").expect(503);
    redis.resume();
    until("the worker becomes ready", || worker.is_ready());
    worker.create("hello");
}

#[test]
fn redis_restart_loses_no_acknowledged_write() {
    let mut redis = RedisServer::start_with(DURABLE);
    let worker = ready_on(&redis.url(), &[NO_WAIT]);
    let [session, spare] = [(); 2].map(|()| worker.create("hello"));
    let second = worker.write(&session.id, &session.token, "ECDH");
    let recorded = worker
        .put_txn(&session.id, "t1", &second, "protocols")
        .expect(200);
    let third = recorded.text("sequence_token");
    redis.kill();

    worker.assert_all_refused(&spare);
    worker.assert_refused(&request::read(&session.id));
    // Otherwise every replica would leave the load balancer at once, and the error bodies with
    // them.
    worker.admin_get("/readyz").expect(200);
    worker.admin_get("/healthz").expect(200);
    let metric = |name| worker.metrics().sum(name, &[]);
    until("the outage is on /metrics", || {
        metric("rendezvous_store_up") == 0
    });
    let reconnects = metric("rendezvous_store_reconnects_total");

    redis.restart();
    let read = worker
        .retry_while_503(&request::read(&session.id))
        .expect(200);
    assert_eq!(read.text("data"), "protocols");
    assert_eq!(read.text("sequence_token"), third);
    let replayed = worker
        .put_txn(&session.id, "t1", &second, "protocols")
        .expect(200);
    assert_eq!(replayed.text("sequence_token"), third);
    let fourth = worker.write(&session.id, &third, "success");
    worker.assert_holds(&session.id, "success", &fourth);
    worker.admin_get("/readyz").expect(200);
    until("the end of the outage is on /metrics", || {
        metric("rendezvous_store_up") == 1
    });
    assert!(metric("rendezvous_store_reconnects_total") > reconnects);
}

#[test]
fn redis_restart_without_aof_loses_sessions_only() {
    let mut redis = RedisServer::start();
    let worker = ready_on(&redis.url(), &[]);
    let session = worker.create("hello");
    redis.kill();
    redis.restart();
    worker
        .retry_while_503(&request::read(&session.id))
        .expect_error(404, "M_NOT_FOUND");
    worker.create("again");
}

// R0.3
#[test]
fn paused_redis_is_503_and_writes_apply_once() {
    let redis = RedisServer::start();
    let worker = ready_on(&redis.url(), &[NO_WAIT]);
    let [plain, with_txn] = [(); 2].map(|()| worker.create("hello"));
    let writes = [
        (
            &plain,
            request::write(&plain.id, None, &plain.token, "ECDH"),
        ),
        (
            &with_txn,
            request::write(&with_txn.id, Some("t"), &with_txn.token, "ECDH"),
        ),
    ];
    redis.pause();
    worker.assert_refused(&request::create("x"));
    worker.assert_refused(&request::read(&plain.id));
    for (_, write) in &writes {
        worker.assert_refused(write);
    }
    worker.admin_get("/readyz").expect(200);
    redis.resume();

    for (session, write) in &writes {
        let token = worker
            .retry_while_503(write)
            .expect(200)
            .text("sequence_token");
        assert_ne!(token, session.token);
        worker.assert_holds(&session.id, "ECDH", &token);
        let next = worker.write(&session.id, &token, "protocols");
        worker.assert_holds(&session.id, "protocols", &next);
    }
    // The creation that got 503: whatever part of it was applied is rolled back.
    until("two sessions and two leases are left", || {
        let sessions = redis.command(&["KEYS", "mrv:s:*"]).array().len();
        sessions == 2 && redis.command(&["ZCARD", "mrv:{lease}:live"]).int() == 2
    });
}

/// The first call after the silence begins drops the connection, and must not wait for the next
/// call. Found in a review: a read hung for 30 s, and a scrape for ever.
#[test]
fn first_request_to_a_paused_redis_does_not_hang() {
    let redis = RedisServer::start();
    let worker = ready_on(&redis.url(), &[]);
    let session = worker.create("hello");
    let firsts = [
        request::read(&session.id),
        request::write(&session.id, None, &session.token, "ECDH"),
        request::write(&session.id, Some("t"), &session.token, "ECDH"),
        request::create("x"),
        request::delete(&session.id),
    ];
    for first in firsts {
        let worker = ready_on(&redis.url(), &[NO_WAIT]);
        redis.pause();
        worker.assert_refused(&first);
        redis.resume();
    }
    let worker = ready_on(&redis.url(), &[]);
    redis.pause();
    let begun = Instant::now();
    worker.admin_get("/metrics").expect(200);
    assert!(begun.elapsed() < HANG, "{:?}", begun.elapsed());
    redis.resume();
}

#[test]
fn script_flush_is_invisible_to_clients() {
    let redis = RedisServer::start();
    let worker = ready_on(&redis.url(), &[]);
    let flush = || assert_eq!(redis.command(&["SCRIPT", "FLUSH"]).text(), "OK");
    flush();
    let session = worker.create("hello");
    flush();
    worker.assert_holds(&session.id, "hello", &session.token);
    flush();
    let second = worker.write(&session.id, &session.token, "ECDH");
    flush();
    let third = worker
        .put_txn(&session.id, "t", &second, "protocols")
        .expect(200);
    flush();
    worker.assert_holds(&session.id, "protocols", &third.text("sequence_token"));
    flush();
    worker.call(&request::delete(&session.id)).expect(200);
    worker.assert_gone(&session.id);
}

#[test]
fn loading_redis_is_503_until_loaded() {
    let mut redis = RedisServer::start_with(&["--rdbcompression", "no"]);
    let worker = ready_on(&redis.url(), &[NO_WAIT]);
    let [session, spare] = [(); 2].map(|()| worker.create("hello"));
    for key in 0..200 {
        redis.command(&["SET", &format!("filler{key}"), &"x".repeat(1100)]);
    }
    assert_eq!(redis.command(&["SAVE"]).text(), "OK");
    redis.kill();
    // Loading takes a tenth of a second per key, and Redis serves clients after each, until the
    // test speeds it up.
    redis.restart_loading(&[
        "--key-load-delay",
        "100000",
        "--loading-process-events-interval-bytes",
        "1024",
    ]);
    let mut operator = redis.connect();
    let mut loading =
        || matches!(operator.command(&["PING"]), Reply::Error(e) if e.starts_with("LOADING"));
    assert!(loading());
    worker.assert_all_refused(&spare);
    worker.assert_refused(&request::read(&session.id));
    assert!(loading(), "it was to load all the while");
    redis.command(&["CONFIG", "SET", "key-load-delay", "0"]);

    let read = worker
        .retry_while_503(&request::read(&session.id))
        .expect(200);
    assert_eq!(
        (read.text("data"), read.text("sequence_token")),
        ("hello".into(), session.token)
    );
}
