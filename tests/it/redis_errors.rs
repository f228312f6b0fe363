//! A Redis that answers, but rejects or holds something else: demoted, cut off from its replicas,
//! full, or with a foreign key in a session's place.
//!
//! In each case the response is 503 and never 404, no old payload is returned, and everything
//! recovers as soon as Redis does.

use std::collections::BTreeSet;

use crate::server::{NO_WAIT, Server, ready_on};
use testkit::api::{Session, request};
use testkit::redis::{RedisServer, Reply};
use testkit::until;

fn key(id: &str) -> String {
    format!("mrv:s:{{{id}}}")
}

#[test]
fn session_key_of_wrong_type_is_503() {
    let redis = RedisServer::start();
    let worker = ready_on(&redis.url(), &[]);
    let session = worker.create("hello");
    redis.command(&["SET", &key(&session.id), "not a hash"]);
    worker.assert_refused(&request::read(&session.id));
    for txn in [None, Some("t")] {
        let write = request::write(&session.id, txn, &session.token, "x");
        worker.assert_refused(&write);
    }
    worker.create("others go on");
}

/// A reply that does not fit is retried, but not for as long as an outage: each costs all requests
/// their connection.
// R0.3
#[test]
fn corrupt_session_is_503() {
    let redis = RedisServer::start();
    let worker = ready_on(&redis.url(), &[]);
    // With the number of replies that do not fit. Without a field the script itself fails.
    let breakages: [(u64, &[&'static str]); 4] = [
        (4, &["HSET", "KEY", "t", "no token of ours"]),
        (4, &["HSET", "KEY", "t", ""]),
        (0, &["HDEL", "KEY", "d"]),
        (0, &["HDEL", "KEY", "t"]),
    ];
    let mut wrong = Vec::new();
    let bad_replies = || {
        let counter = "rendezvous_store_bad_replies_total";
        worker.metrics().sum(counter, &[])
    };
    for (expected, breakage) in breakages {
        let session = worker.create("hello");
        let key = key(&session.id);
        let word = |word: &&'static str| {
            if *word == "KEY" {
                key.clone()
            } else {
                (*word).to_owned()
            }
        };
        let command: Vec<_> = breakage.iter().map(word).collect();
        redis.command(&command);
        let before = bad_replies();
        worker.assert_refused(&request::read(&session.id));
        let tries = bad_replies() - before;
        if tries != expected {
            wrong.push((breakage, tries));
        }
        worker.create("others go on");
    }
    assert!(wrong.is_empty(), "other numbers of bad replies: {wrong:?}");
}

/// A session that was written to, and one that was not.
fn two_sessions(worker: &Server) -> (Session, String, Session) {
    let [session, spare] = [(); 2].map(|()| worker.create("hello"));
    let second = worker.write(&session.id, &session.token, "ECDH");
    (session, second, spare)
}

/// An isolated primary returns nothing that it still knows: neither a payload, nor that a token is
/// stale, nor that a write happened before.
#[track_caller]
fn assert_reveals_nothing(worker: &Server, written: &Session, spare: &Session) {
    worker.assert_refused(&request::read(&written.id));
    for form in [None, Some("u")] {
        for data in ["a conflict", "ECDH"] {
            worker.assert_refused(&request::write(&written.id, form, &written.token, data));
        }
    }
    worker.assert_all_refused(spare);
}

#[test]
fn demoted_primary_serves_no_reads() {
    let redis = RedisServer::start();
    let worker = ready_on(&redis.url(), &[NO_WAIT]);
    let (session, second, spare) = two_sessions(&worker);
    redis.command(&["REPLICAOF", "127.0.0.1", "1"]);
    assert_reveals_nothing(&worker, &session, &spare);
    redis.command(&["REPLICAOF", "NO", "ONE"]);
    let read = worker
        .retry_while_503(&request::read(&session.id))
        .expect(200);
    assert_eq!(
        (read.text("data"), read.text("sequence_token")),
        ("ECDH".to_owned(), second)
    );
    // Redis accepts each connection and rejects the first command: dozens of lost connections, and
    // one log line per ten seconds.
    let logged = worker.log().matches("Redis connection lost").count();
    assert!((1..4).contains(&logged), "logged {logged} times");
}

/// A primary that may be outdated must not report that the session limit is reached.
#[test]
fn demoted_primary_does_not_count_live_sessions() {
    let redis = RedisServer::start();
    let worker = ready_on(&redis.url(), &[("session.max_live", "1")]);
    worker.create("hello");
    worker
        .call(&request::create("x"))
        .expect_error(429, "M_LIMIT_EXCEEDED");
    redis.command(&["REPLICAOF", "127.0.0.1", "1"]);
    worker.assert_refused(&request::create("x"));
    redis.command(&["REPLICAOF", "NO", "ONE"]);
    worker
        .retry_while_503(&request::create("x"))
        .expect_error(429, "M_LIMIT_EXCEEDED");
}

#[test]
fn isolated_primary_serves_no_reads() {
    let redis = RedisServer::start();
    let worker = ready_on(&redis.url(), &[NO_WAIT]);
    let (session, second, spare) = two_sessions(&worker);
    redis.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    assert_reveals_nothing(&worker, &session, &spare);
    redis.command(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    worker.assert_holds(&session.id, "ECDH", &second);
}

#[test]
fn full_redis_rejects_creation_and_finishes_sign_ins() {
    let redis = RedisServer::start();
    let worker = ready_on(&redis.url(), &[]);
    let session = worker.create("hello");
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
    worker.assert_refused(&request::create("x"));
    worker.assert_holds(&session.id, "hello", &session.token);
    // A script whose first write is the fence needs no memory, and runs on a full Redis. So a live
    // session can be used to its end.
    let second = worker.write(&session.id, &session.token, "ECDH");
    let third = worker
        .put_txn(&session.id, "t", &second, "protocols")
        .expect(200);
    worker.assert_holds(&session.id, "protocols", &third.text("sequence_token"));
    worker.call(&request::delete(&session.id)).expect(200);
    worker.assert_refused(&request::create("x"));

    redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    worker.create("again");
    until("the refused creates left no lease", || {
        redis.command(&["ZCARD", "mrv:{lease}:live"]).int() == 1
    });
}

/// Redis refuses no write of a script that has written, and removing an expired lease is a write that
/// needs no memory. So a creation must begin with a write that does.
#[test]
fn full_redis_refuses_a_creation_before_its_first_write() {
    let redis = RedisServer::start();
    let worker = ready_on(&redis.url(), &[("limits.enabled", "true")]);
    let session = worker.create("hello");
    redis.command(&["ZADD", "mrv:{lease}:live", "1", "expired"]);
    let rate = redis.command(&["KEYS", "mrv:{lease}:c:*:r"]).texts();
    let state = || {
        let keys = redis.command(&["KEYS", "*"]).texts().into_iter();
        let keys: BTreeSet<_> = keys.filter(|key| !rate.contains(key)).collect();
        let leases = redis.command(&["ZRANGE", "mrv:{lease}:live", "0", "-1", "WITHSCORES"]);
        (keys, leases)
    };
    let before = state();
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
    for _ in 0..3 {
        worker.assert_refused(&request::create("x"));
        assert_eq!(state(), before);
    }
    worker.assert_holds(&session.id, "hello", &session.token);
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    worker.create("again");
    let left = redis.command(&["ZSCORE", "mrv:{lease}:live", "expired"]);
    assert_eq!(left, Reply::Nil);
}
