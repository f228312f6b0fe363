//! A clock of Redis that was set back, a failover to a host that is behind, and junk in the keys
//! that limit creations: nobody is locked out for longer than a limit lasts.
//!
//! No test sets a clock. A value of a clock that was ahead is written instead.

use crate::server::{Server, ready_on};
use testkit::api::request;
use testkit::http::Reply;
use testkit::redis::RedisServer;
use testkit::redis::one_node_cluster::OneNodeCluster;
use testkit::until;

const ADDRESS: &str = "203.0.113.77";
const INDEX: &str = "mrv:{lease}:live";

/// One creation each 100 s, and twenty at once. A burst is refilled after 2,000 s.
const PERIOD_MS: u64 = 100_000;
const BURST_REFILL_MS: i64 = 2_000_000;

/// TTL of a lease: the session's TTL and the deadline of the command.
const LEASE_TTL_MS: u64 = 300_800;

const HOUR_MS: i64 = 3_600_000;

fn worker(redis: &RedisServer, more: &[(&str, &str)]) -> Server {
    let mut settings = vec![
        ("limits.enabled", "true"),
        ("limits.create.client.burst", "20"),
        ("limits.create.client.per_second", "0.01"),
        ("http.trusted_proxies", "127.0.0.1"),
    ];
    settings.extend(more);
    ready_on(&redis.url(), &settings)
}

fn create(worker: &Server) -> Reply {
    worker.call(&request::create("x").header("X-Forwarded-For", ADDRESS))
}

/// Expects a rejection that ends after `longest_ms` at the latest.
#[track_caller]
fn assert_limited(worker: &Server, longest_ms: u64) {
    let refused = create(worker).expect_error(429, "M_LIMIT_EXCEEDED");
    let after = refused.number("retry_after_ms");
    assert!((1..=longest_ms).contains(&after), "{refused}");
}

/// The only key of this pattern.
#[track_caller]
fn only_key(redis: &RedisServer, pattern: &str) -> String {
    let keys = redis.command(&["KEYS", pattern]).texts();
    let [key] = &keys[..] else {
        panic!("{pattern}: {keys:?}")
    };
    key.clone()
}

fn rate_key(redis: &RedisServer) -> String {
    only_key(redis, "mrv:{lease}:c:*:r")
}

fn client_leases(redis: &RedisServer) -> String {
    only_key(redis, "mrv:{lease}:c:????????????????")
}

/// Milliseconds by the clock of Redis.
fn now_ms(redis: &RedisServer) -> i64 {
    let time = redis.command(&["TIME"]).texts();
    let [seconds, micros] = [0, 1].map(|part: usize| time[part].parse::<i64>().expect("a number"));
    seconds * 1000 + micros / 1000
}

/// The highest score of a set, in milliseconds from now.
fn latest_lease_ms(redis: &RedisServer, set: &str) -> f64 {
    let last = redis.command(&["ZRANGE", set, "-1", "-1", "WITHSCORES"]);
    let score: f64 = last.texts()[1].parse().expect("a score");
    #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
    let now = now_ms(redis) as f64;
    score - now
}

/// Neither the value nor its TTL lies further ahead than a burst's refill.
#[track_caller]
fn assert_rate_is_valid(redis: &RedisServer, key: &str) {
    let value: i64 = redis
        .command(&["GET", key])
        .text()
        .parse()
        .expect("a number");
    let ahead = value / 1000 - now_ms(redis);
    assert!((0..=BURST_REFILL_MS).contains(&ahead), "{ahead} ms ahead");
    let ttl = redis.command(&["PTTL", key]).int();
    assert!((1..=BURST_REFILL_MS).contains(&ttl), "TTL {ttl} ms");
}

#[test]
fn creation_rate_in_the_future_is_replaced() {
    for ahead_ms in [BURST_REFILL_MS + 60_000, HOUR_MS, 1000 * 24 * HOUR_MS] {
        let redis = RedisServer::start();
        let worker = worker(&redis, &[]);
        create(&worker).expect(200);
        let rate = rate_key(&redis);
        let future = (now_ms(&redis) + ahead_ms) * 1000;
        redis.command(&["SET", &rate, &future.to_string()]);
        create(&worker).expect(200);
        assert_rate_is_valid(&redis, &rate);
        // As after the last creation of a burst.
        assert_limited(&worker, PERIOD_MS);
    }
}

/// The latest rate that a burst leaves is no mistake.
#[test]
fn creation_rate_of_a_used_burst_is_kept() {
    let redis = RedisServer::start();
    let worker = worker(&redis, &[]);
    create(&worker).expect(200);
    let rate = rate_key(&redis);
    let used_up = (now_ms(&redis) + BURST_REFILL_MS) * 1000;
    redis.command(&["SET", &rate, &used_up.to_string(), "PX", "2000000"]);
    assert_limited(&worker, PERIOD_MS);
    assert_eq!(redis.command(&["GET", &rate]).text(), used_up.to_string());
}

#[test]
fn junk_in_place_of_a_creation_rate_is_replaced() {
    let junk: [&[&str]; 14] = [
        &["SET", "KEY", "nan"],
        &["SET", "KEY", "-nan"],
        &["SET", "KEY", "inf"],
        &["SET", "KEY", "-inf"],
        &["SET", "KEY", "1e999"],
        &["SET", "KEY", "-1e999"],
        &["SET", "KEY", "-5"],
        &["SET", "KEY", ""],
        &["SET", "KEY", "junk"],
        &["SET", "KEY", "0x7fffffffffffffff"],
        &["LPUSH", "KEY", "a"],
        &["HSET", "KEY", "a", "b"],
        &["SADD", "KEY", "a"],
        &["ZADD", "KEY", "1", "a"],
    ];
    let redis = RedisServer::start();
    let worker = worker(&redis, &[]);
    create(&worker).expect(200);
    let rate = rate_key(&redis);
    for planted in junk {
        redis.command(&["DEL", &rate]);
        let planted = planted.iter().map(|word| word.replace("KEY", &rate));
        let planted: Vec<_> = planted.collect();
        redis.command(&planted);
        create(&worker).expect(200);
        assert_rate_is_valid(&redis, &rate);
    }
    let bad = worker
        .metrics()
        .sum("rendezvous_store_bad_replies_total", &[]);
    assert_eq!((bad, redis.command(&["ZCARD", INDEX]).int()), (0, 15));
}

/// Scores of leases: an hour ahead, centuries ahead, and infinite.
fn future_scores(redis: &RedisServer) -> [String; 3] {
    let hour = now_ms(redis) + HOUR_MS;
    [hour.to_string(), "9e15".to_owned(), "+inf".to_owned()]
}

fn assert_leases_expire(redis: &RedisServer, set: &str) {
    let latest = latest_lease_ms(redis, set);
    assert!(latest <= 300_800.0, "{set}: {latest} ms ahead");
}

#[test]
fn client_leases_in_the_future_expire_after_a_ttl() {
    let redis = RedisServer::start();
    let worker = worker(&redis, &[("limits.live.client", "4")]);
    create(&worker).expect(200);
    let leases = client_leases(&redis);
    redis.command(&["DEL", &leases]);
    let scores = future_scores(&redis);
    for (n, score) in scores.iter().chain(&scores).enumerate() {
        redis.command(&["ZADD", &leases, score, &format!("member {n}")]);
    }
    assert_limited(&worker, LEASE_TTL_MS);
    assert_eq!(redis.command(&["ZCARD", &leases]).int(), 6);
    assert_leases_expire(&redis, &leases);
}

#[test]
fn all_leases_in_the_future_expire_after_a_ttl() {
    let redis = RedisServer::start();
    let worker = worker(&redis, &[("session.max_live", "1200")]);
    let scores = future_scores(&redis);
    for n in 0..1200 {
        redis.command(&["ZADD", INDEX, &scores[n % 3], &format!("member {n}")]);
    }
    // One call corrects a thousand.
    assert_limited(&worker, LEASE_TTL_MS);
    assert_limited(&worker, LEASE_TTL_MS);
    assert_eq!(redis.command(&["ZCARD", INDEX]).int(), 1200);
    assert_leases_expire(&redis, INDEX);
}

/// An index that is nearly full shrinks the shares of all clients.
#[test]
fn shares_shrunk_by_future_leases_recover() {
    let redis = RedisServer::start();
    let settings = [("session.max_live", "100"), ("limits.live.client", "2")];
    let worker = worker(&redis, &settings);
    create(&worker).expect(200);
    let scores = future_scores(&redis);
    for n in 0..90 {
        redis.command(&["ZADD", INDEX, &scores[n % 3], &format!("member {n}")]);
    }
    assert_limited(&worker, LEASE_TTL_MS);
    assert_leases_expire(&redis, INDEX);
}

#[test]
fn leases_of_another_type_are_replaced() {
    let redis = RedisServer::start();
    let worker = worker(&redis, &[]);
    let mut id = create(&worker).expect(200).text("id");
    for set in [INDEX.to_owned(), client_leases(&redis)] {
        for junk in [["SET", "junk"], ["LPUSH", "junk"], ["SADD", "junk"]] {
            redis.command(&["DEL", &set]);
            redis.command(&[junk[0], &set, junk[1]]);
            // The session is deleted, although its lease is lost.
            worker.call(&request::delete(&id)).expect(200);
            until("the junk is no outage", || {
                worker.metrics().sum("rendezvous_store_up", &[]) == 1
            });
            id = create(&worker).expect(200).text("id");
            assert_eq!(redis.command(&["ZCARD", &set]).int(), 1, "{set} {junk:?}");
            let ttl = redis.command(&["PTTL", &set]).int();
            assert!((1..=400_000).contains(&ttl), "{set}: TTL {ttl} ms");
        }
    }
    let metrics = worker.metrics();
    assert_eq!(metrics.sum("rendezvous_store_orphans_waiting", &[]), 0);
}

/// Otherwise the key by which addresses are hashed would never be replaced.
#[test]
fn pseudonym_key_always_expires() {
    let redis = RedisServer::start();
    let _first = worker(&redis, &[]);
    let key = "mrv:{lease}:secret";
    let stored = redis.command(&["GET", key]);
    let day = 24 * HOUR_MS;
    redis.command(&["PERSIST", key]);
    let _second = worker(&redis, &[]);
    assert!((1..=day).contains(&redis.command(&["PTTL", key]).int()));
    redis.command(&["PEXPIRE", key, &(2 * day).to_string()]);
    let _third = worker(&redis, &[]);
    assert!((1..=day).contains(&redis.command(&["PTTL", key]).int()));
    assert_eq!(redis.command(&["GET", key]), stored);
}

/// The start check has a lease of its own rejected. A rejection corrects leases in the future, and this
/// one must not: they may be those of a worker with a longer `session.ttl`.
#[test]
fn start_check_shortens_no_lease() {
    let cluster = OneNodeCluster::start();
    let standalone = RedisServer::start();
    for (redis, url) in [
        (&cluster.node, cluster.url()),
        (&standalone, standalone.url()),
    ] {
        let in_an_hour = (now_ms(redis) + HOUR_MS).to_string();
        redis.command(&["ZADD", INDEX, &in_an_hour, "live"]);
        ready_on(&url, &[]);
        assert_eq!(redis.command(&["ZSCORE", INDEX, "live"]).text(), in_an_hour);
    }
}
