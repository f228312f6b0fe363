//! The memory that sessions cost Redis, and that none of it outlives them.
//!
//! The numbers bound an operator's `maxmemory`: the start-up check and the documentation promise 7
//! KiB per session, lease and quotas included.

use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;

use crate::server::{Server, ready_on};
use testkit::api::request;
use testkit::redis::RedisServer;

/// The largest payload.
const FULL: usize = 4096;

fn used_memory(redis: &RedisServer) -> i64 {
    let info = redis.command(&["INFO", "memory"]).text();
    let used = info
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    used.expect("used_memory").parse().expect("a number")
}

/// Creates this number of sessions with full payloads from two threads, because a request mostly
/// waits. Each has a separate client in a separate network of each size, which costs most.
fn fill(worker: &Server, count: usize) {
    static CLIENTS: AtomicU16 = AtomicU16::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..count / 2 {
                    let client = CLIENTS.fetch_add(1, Ordering::Relaxed);
                    let address = format!("2001:{client:x}::1");
                    let create = request::create(&"x".repeat(FULL));
                    let create = create.header("X-Forwarded-For", &address);
                    worker.call(&create).expect(200);
                }
            });
        }
    });
}

#[test]
fn full_session_costs_redis_under_7_kib() {
    const SESSIONS: usize = 600;
    let redis = RedisServer::start();
    let settings = [
        ("limits.enabled", "true"),
        ("http.trusted_proxies", "127.0.0.1"),
    ];
    let worker = ready_on(&redis.url(), &settings);
    // Scripts, buffers and the index exist before the measurement begins.
    fill(&worker, 2);
    let before = used_memory(&redis);
    fill(&worker, SESSIONS);
    let cost = (used_memory(&redis) - before) / i64::try_from(SESSIONS).expect("a count");
    assert!(
        cost > i64::try_from(FULL).expect("a size"),
        "{cost} bytes: nothing was stored"
    );
    assert!(cost < 7 * 1024, "{cost} bytes a session");
}

#[test]
fn records_of_64_longest_txn_ids_stay_small() {
    let redis = RedisServer::start();
    let worker = ready_on(&redis.url(), &[]);
    let session = worker.create(&"x".repeat(FULL));
    let key = format!("mrv:s:{{{}}}", session.id);
    let size = || {
        redis
            .command(&["MEMORY", "USAGE", &key, "SAMPLES", "0"])
            .int()
    };
    let before = size();
    let txn = |number: usize| format!("{number:0>255}");
    let mut token = session.token.clone();
    let put =
        |number, token: &str| worker.put_txn(&session.id, &txn(number), token, &"y".repeat(FULL));
    for number in (0..64).step_by(2) {
        token = put(number, &token).expect(200).text("sequence_token");
        // A conflict is recorded too, and takes the same space.
        put(number + 1, &session.token).expect(409);
    }
    // Four past tokens and 64 records of 41 bytes, in the allocator's size classes. One field per
    // raw id would take 25 KiB.
    let full = size();
    assert!(
        full - before < 6 * 1024,
        "{} bytes for 64 txnIds",
        full - before
    );

    let refused = worker.put_txn(&session.id, &txn(64), &token, &"z".repeat(FULL));
    refused.expect_error(429, "M_LIMIT_EXCEEDED");
    assert_eq!(size(), full, "a refused txnId left something");
    // A recorded txnId still replays.
    worker
        .put_txn(&session.id, &txn(0), &session.token, "whatever")
        .expect(200);
    worker.assert_holds(&session.id, &"y".repeat(FULL), &token);
}

#[test]
fn every_redis_key_has_the_prefix_and_a_ttl() {
    let redis = RedisServer::start();
    let prefix = "some-team/rendezvous:";
    let settings = [
        ("store.redis.prefix", prefix),
        ("session.ttl", "120s"),
        ("limits.enabled", "true"),
    ];
    let worker = ready_on(&redis.url(), &settings);
    let [kept, deleted] = [(); 2].map(|()| worker.create("hello"));
    for session in [&kept, &deleted] {
        let token = worker.write(&session.id, &session.token, "ECDH");
        worker
            .put_txn(&session.id, "t", &token, "protocols")
            .expect(200);
        worker.put_txn(&session.id, "u", &token, "late").expect(409);
    }
    worker.call(&request::delete(&deleted.id)).expect(200);

    let keys = redis.command(&["KEYS", "*"]).texts();
    assert!(keys.iter().any(|key| key.contains(&kept.id)), "{keys:?}");
    let secret = format!("{prefix}{{lease}}:secret");
    assert!(keys.contains(&secret), "{keys:?}");
    for key in &keys {
        assert!(key.starts_with(prefix), "{key}");
        assert!(!key.contains(&deleted.id), "{key} outlived its session");
        let left = redis.command(&["PTTL", key]).int();
        // A lease outlives its session by the command deadline, and a set of leases outlives its
        // last lease by a minute.
        let longest = if *key == secret {
            24 * 3600 * 1000
        } else if key.contains("{lease}") {
            181_000
        } else {
            120_000
        };
        assert!((1..=longest).contains(&left), "{key} lives for {left} ms");
    }
}

/// A deploy that changes `session.ttl` runs both values at once: the index must outlive the
/// sessions of either.
#[test]
fn lease_index_outlives_sessions_of_mixed_ttls() {
    let redis = RedisServer::start();
    let long = ready_on(&redis.url(), &[("session.ttl", "300s")]);
    let short = ready_on(&redis.url(), &[("session.ttl", "10s")]);
    let left = |key: &str| redis.command(&["PTTL", key]).int();
    for (before, worker) in [&short, &long, &short].into_iter().enumerate() {
        worker.create("hello");
        let index = left("mrv:{lease}:live");
        let sessions = redis.command(&["KEYS", "mrv:s:{*}"]).texts();
        assert_eq!(sessions.len(), before + 1);
        assert!(sessions.iter().all(|session| index >= left(session)));
    }
}
