//! Creations with an unknown outcome: whatever they left in Redis is removed within seconds after an
//! outage, and what cannot be removed delays nothing else.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::server::{Server, ready_on};
use testkit::api::request;
use testkit::proxy::{Fault, Proxy, Target};
use testkit::redis::{DURABLE, RedisServer};
use testkit::until;

const WAITING: &str = "rendezvous_store_orphans_waiting";

fn leases(redis: &RedisServer) -> i64 {
    redis.command(&["ZCARD", "mrv:{lease}:live"]).int()
}

fn sessions(redis: &RedisServer) -> Vec<String> {
    redis.command(&["KEYS", "mrv:s:{*}"]).texts()
}

/// No orphan was left to its TTL.
#[track_caller]
fn assert_none_lost(worker: &Server) {
    let metrics = worker.metrics();
    for lost in ["dropped", "given_up"] {
        let name = format!("rendezvous_store_orphans_{lost}_total");
        assert_eq!(metrics.sum(&name, &[]), 0, "{name}");
    }
}

/// Creates sessions from eight connections at once while `outage` runs, and some more after it.
/// Returns the ids of those that were acknowledged, and the number of those that were not.
fn create_during(worker: &Server, outage: impl FnOnce()) -> (Vec<String>, usize) {
    let (ids, refused, ended) = (
        Mutex::new(Vec::new()),
        Mutex::new(0),
        AtomicBool::new(false),
    );
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                let mut left_after_the_outage = 5;
                while left_after_the_outage > 0 {
                    left_after_the_outage -= i32::from(ended.load(Ordering::SeqCst));
                    let reply = worker.call(&request::create("x"));
                    match reply.status {
                        200 => ids.lock().expect("a lock").push(reply.text("id")),
                        503 => *refused.lock().expect("a lock") += 1,
                        _ => panic!("{reply}"),
                    }
                }
            });
        }
        outage();
        ended.store(true, Ordering::SeqCst);
    });
    (
        ids.into_inner().expect("a lock"),
        refused.into_inner().expect("a lock"),
    )
}

/// Waits until this many orphans wait. A creation leaves one for each id that it took, up to three.
fn until_waiting(worker: &Server, count: u64) {
    until("creations have an unknown outcome", || {
        worker.metrics().sum(WAITING, &[]) >= count
    });
}

#[track_caller]
fn assert_live_equals_sessions(worker: &Server, redis: &RedisServer, acknowledged: &[String]) {
    let known = i64::try_from(acknowledged.len()).expect("a count");
    until("no orphan waits", || {
        worker.metrics().sum(WAITING, &[]) == 0
    });
    until("each lease belongs to a session", || leases(redis) == known);
    assert_eq!(sessions(redis).len(), acknowledged.len());
    for id in acknowledged {
        worker.call(&request::read(id)).expect(200);
    }
    // The number is fetched once in a while.
    until("the metric says so", || {
        worker.metrics().sum("rendezvous_sessions_live", &[]) == acknowledged.len() as u64
    });
    assert_none_lost(worker);
}

#[test]
fn paused_redis_leaves_no_orphan() {
    let redis = RedisServer::start();
    let worker = ready_on(&redis.url(), &[]);
    let (ids, refused) = create_during(&worker, || {
        redis.pause();
        until_waiting(&worker, 30);
        redis.resume();
    });
    assert!(refused >= 10 && ids.len() >= 8, "{refused} {}", ids.len());
    assert_live_equals_sessions(&worker, &redis, &ids);
}

#[test]
fn restarted_redis_leaves_no_orphan() {
    let mut redis = RedisServer::start_with(DURABLE);
    let worker = ready_on(&redis.url(), &[]);
    let (ids, refused) = create_during(&worker, || {
        redis.kill();
        until_waiting(&worker, 30);
        redis.restart();
    });
    assert!(refused >= 10 && ids.len() >= 8, "{refused} {}", ids.len());
    assert_live_equals_sessions(&worker, &redis, &ids);
}

#[test]
fn lost_replies_leave_no_orphan() {
    for target in [Target::Lease, Target::Session] {
        let redis = RedisServer::start();
        let proxy = Proxy::start(redis.address());
        let worker = ready_on(&proxy.url(), &[]);
        let (ids, refused) = create_during(&worker, || {
            proxy.every(target, Fault::CutReply);
            until_waiting(&worker, 30);
            proxy.heal();
        });
        assert!(refused >= 10 && ids.len() >= 8, "{refused} {}", ids.len());
        assert_live_equals_sessions(&worker, &redis, &ids);
    }
}

/// As in a Cluster in which the primary of some sessions is down. Here an ACL denies the keys of
/// these sessions.
#[test]
fn orphan_that_cannot_be_removed_delays_no_other() {
    let redis = RedisServer::start();
    let proxy = Proxy::start(redis.address());
    let allow = |keys: &[&str]| {
        let command = [
            "ACL",
            "SETUSER",
            "app",
            "on",
            ">secret",
            "+@all",
            "resetkeys",
        ];
        let reply = redis.command(&[&command[..], keys].concat());
        assert_eq!(reply.text(), "OK");
    };
    allow(&["~mrv:*"]);
    let url = proxy.url().replace("redis://", "redis://app:secret@");
    let worker = ready_on(&url, &[]);

    allow(&["~mrv:{lease}*"]);
    for _ in 0..30 {
        worker.assert_refused(&request::create("x"));
    }
    assert_eq!(worker.metrics().sum(WAITING, &[]), 30);
    // Half of them stay denied.
    allow(&["~mrv:{lease}*", "~mrv:s:{[0-7]*"]);
    proxy.every(Target::Session, Fault::CutReply);
    until("a session with an unknown outcome", || {
        worker.assert_refused(&request::create("x"));
        !sessions(&redis).is_empty()
    });
    proxy.heal();
    until("it is removed", || sessions(&redis).is_empty());
    let denied = worker.metrics().sum(WAITING, &[]);
    assert!(denied > 0, "nothing was denied");

    allow(&["~mrv:*"]);
    assert_live_equals_sessions(&worker, &redis, &[]);
}
