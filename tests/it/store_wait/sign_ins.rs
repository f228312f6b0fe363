//! Sign-ins of clients that retry nothing, through failures of Redis: none is lost.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::until_waiting;
use crate::server::{Server, ready_on};
use testkit::device::Device;
use testkit::dialect::{Caller, Dialect};
use testkit::redis::{DURABLE, RedisServer, Reply};
use testkit::sign_in::{Pace, WRITES, exchange_messages, message};
use testkit::until;

/// Sign-ins under way at a time. Each has two devices, so twice as many requests wait.
const SIGN_INS: u32 = 24;

/// A sign-in takes about two seconds, longer than the worker needs to notice a failure.
const PACE: Pace = Pace {
    poll: Duration::from_millis(50),
    think: Duration::from_millis(200),
};

fn start(redis: &RedisServer) -> Server {
    ready_on(&redis.url(), &[("msc4108.enabled", "true")])
}

/// Begins sign-ins in the ETag dialect, calls `fault` once all have their sessions, and expects that
/// each ends well.
#[track_caller]
fn assert_no_sign_in_is_lost(worker: &Server, fault: impl FnOnce()) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = worker.http;
    let mut sign_ins = JoinSet::new();
    for number in 0..SIGN_INS {
        let name = format!("sign-in {number}");
        let [mut one, mut two] =
            [(); 2].map(|()| Device::new(Dialect::Etag, Caller::default(), &[server]));
        let created = runtime.block_on(one.create(&message(&name, 0)));
        let path = created.expect("Redis is well").path;
        let whole = async move {
            let first = exchange_messages(&mut one, &name, &path, 1, PACE);
            let second = exchange_messages(&mut two, &name, &path, 0, PACE);
            tokio::try_join!(first, second).map(|_| ())
        };
        sign_ins.spawn_on(whole, runtime.handle());
    }
    fault();
    let mut lost = Vec::new();
    while let Some(ended) = runtime.block_on(sign_ins.join_next()) {
        lost.extend(ended.expect("no panic").err());
    }
    assert!(lost.is_empty(), "{} lost: {lost:#?}", lost.len());
    let writes = worker.metrics().sum("rendezvous_writes_total", &[]);
    assert_eq!(writes, u64::from(SIGN_INS * WRITES), "each write once");
    until_waiting(worker, 0);
}

/// Waits until all devices of all sign-ins wait.
#[track_caller]
fn until_all_wait(worker: &Server) {
    until_waiting(worker, u64::from(SIGN_INS * 2));
}

// R0.3
#[test]
fn redis_paused_for_5s_ends_no_sign_in() {
    let redis = RedisServer::start();
    let worker = start(&redis);
    assert_no_sign_in_is_lost(&worker, || {
        let paused_at = Instant::now();
        redis.pause();
        until_all_wait(&worker);
        until("5 s have passed", || {
            paused_at.elapsed() >= Duration::from_secs(5)
        });
        redis.resume();
    });
}

// R0.3
#[test]
fn redis_killed_and_restarted_ends_no_sign_in() {
    let mut redis = RedisServer::start_with(DURABLE);
    let worker = start(&redis);
    assert_no_sign_in_is_lost(&worker, || {
        redis.kill();
        until_all_wait(&worker);
        redis.restart();
    });
}

// R0.3
#[test]
fn loading_redis_ends_no_sign_in() {
    let mut redis = RedisServer::start_with(&["--rdbcompression", "no"]);
    let worker = start(&redis);
    for key in 0..200 {
        redis.command(&["SET", &format!("filler{key}"), &"x".repeat(1100)]);
    }
    assert_no_sign_in_is_lost(&worker, || {
        redis.pause();
        until_all_wait(&worker);
        redis.resume();
        // No write is acknowledged between the snapshot and the kill.
        redis.command(&["CLIENT", "PAUSE", "60000", "WRITE"]);
        assert_eq!(redis.command(&["SAVE"]).text(), "OK");
        redis.kill();
        // A tenth of a second per key, until the test speeds it up.
        redis.restart_loading(&[
            "--key-load-delay",
            "100000",
            "--loading-process-events-interval-bytes",
            "1024",
        ]);
        let loading = |reply: Reply| matches!(reply, Reply::Error(e) if e.starts_with("LOADING"));
        until_all_wait(&worker);
        assert!(
            loading(redis.command(&["PING"])),
            "it was to load all the while"
        );
        redis.command(&["CONFIG", "SET", "key-load-delay", "0"]);
    });
}

// R0.3
#[test]
fn killed_connections_end_no_sign_in() {
    let redis = RedisServer::start();
    let worker = start(&redis);
    assert_no_sign_in_is_lost(&worker, || {
        let mut operator = redis.connect();
        until("the worker has reconnected ten times", || {
            operator.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
            let reconnects = "rendezvous_store_reconnects_total";
            worker.metrics().sum(reconnects, &[]) >= 10
        });
    });
}
