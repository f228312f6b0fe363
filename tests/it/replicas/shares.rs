//! Quotas of live sessions over all replicas: each worker counts what another one created.

use crate::server::{Server, ready_on};
use testkit::api::request;
use testkit::homeserver::{HomeserverStub, TokenReply};
use testkit::http::{Reply, Request};
use testkit::redis::RedisServer;

const ADDRESS: &str = "203.0.113.77";

fn two_workers(redis: &RedisServer) -> [Server; 2] {
    let settings = [
        ("limits.enabled", "true"),
        ("limits.live.client", "3"),
        ("http.trusted_proxies", "127.0.0.1"),
    ];
    [(); 2].map(|()| ready_on(&redis.url(), &settings))
}

fn create_from(worker: &Server, address: &str) -> Reply {
    worker.call(&request::create("x").header("X-Forwarded-For", address))
}

#[test]
fn client_quota_is_shared_and_released_by_any_replica() {
    let redis = RedisServer::start();
    let [one, other] = two_workers(&redis);
    let first = create_from(&one, ADDRESS).expect(200).text("id");
    create_from(&other, ADDRESS).expect(200);
    create_from(&one, ADDRESS).expect(200);
    let refusals = || {
        let metrics = other.metrics();
        metrics.sum("rendezvous_rejections_total", &[("reason", "live_client")])
    };
    assert_eq!(refusals(), 0);
    for worker in [&one, &other] {
        let refused = create_from(worker, ADDRESS).expect_error(429, "M_LIMIT_EXCEEDED");
        let after = refused.number("retry_after_ms");
        assert!((1..=301_000).contains(&after), "{refused}");
    }
    assert_eq!(refusals(), 1);
    create_from(&one, "203.0.113.78").expect(200);
    other
        .call(&Request::delete(&testkit::api::at(&first)))
        .expect(200);
    create_from(&other, ADDRESS).expect(200);
    create_from(&one, ADDRESS).expect_error(429, "M_LIMIT_EXCEEDED");
}

/// Neither keys nor values reveal who signs in.
#[test]
fn redis_contains_no_address() {
    let redis = RedisServer::start();
    let [worker, _] = two_workers(&redis);
    create_from(&worker, ADDRESS).expect(200);
    let keys = redis.command(&["KEYS", "*"]).texts();
    assert!(
        keys.iter().any(|key| key.starts_with("mrv:{lease}:c:")),
        "{keys:?}"
    );
    let octets = std::net::Ipv4Addr::new(203, 0, 113, 77).octets();
    for key in keys {
        // DUMP would compress it; these commands show each type in plain form.
        let shown = match redis.command(&["TYPE", &key]).text().as_str() {
            "hash" => redis.command(&["HGETALL", &key]),
            "zset" => redis.command(&["ZRANGE", &key, "0", "-1"]),
            "string" => redis.command(&["GET", &key]),
            other => panic!("{key} is a {other}"),
        };
        let shown = format!("{key} {shown:?}");
        assert!(!shown.contains(ADDRESS), "{shown}");
        assert!(!shown.contains(&format!("{octets:?}")), "{shown}");
    }
}

/// A session of an older release has no principals, and can be deleted like any other.
#[test]
fn session_without_principals_releases_its_lease() {
    let redis = RedisServer::start();
    let [worker, _] = two_workers(&redis);
    let id = create_from(&worker, ADDRESS).expect(200).text("id");
    let key = format!("mrv:s:{{{id}}}");
    assert_eq!(redis.command(&["HDEL", &key, "p"]).int(), 1);
    worker.call(&request::delete(&id)).expect(200);
    assert_eq!(redis.command(&["ZCARD", "mrv:{lease}:live"]).int(), 0);
}

/// The time is that of the client's own first session, not of another client's.
#[test]
fn full_quota_returns_time_of_own_next_expiry() {
    let redis = RedisServer::start();
    let [worker, _] = two_workers(&redis);
    let seconds: u64 = redis.command(&["TIME"]).texts()[0]
        .parse()
        .expect("a number");
    let strangers = ((seconds + 60) * 1000).to_string();
    redis.command(&["ZADD", "mrv:{lease}:live", &strangers, "a stranger's"]);
    for _ in 0..3 {
        create_from(&worker, ADDRESS).expect(200);
    }
    let refused = create_from(&worker, ADDRESS).expect_error(429, "M_LIMIT_EXCEEDED");
    let after = refused.number("retry_after_ms");
    assert!((200_000..=301_000).contains(&after), "{refused}");
}

/// Expired leases are removed from every set, or a client that returns each day would grow for
/// ever.
#[test]
fn expired_leases_are_removed_from_each_set() {
    let redis = RedisServer::start();
    let [worker, _] = two_workers(&redis);
    create_from(&worker, ADDRESS).expect(200);
    let own = redis
        .command(&["KEYS", "mrv:{lease}:c:????????????????"])
        .texts();
    for set in ["mrv:{lease}:live", &own[0]] {
        for number in 0..15 {
            redis.command(&["ZADD", set, "1", &format!("ended {number}")]);
        }
        assert_eq!(redis.command(&["ZCARD", set]).int(), 16, "{set}");
    }
    create_from(&worker, ADDRESS).expect(200);
    for set in ["mrv:{lease}:live", &own[0]] {
        assert_eq!(redis.command(&["ZCARD", set]).int(), 2, "{set}");
    }
}

/// Each deployment hashes with its own key: knowledge of a client in one reveals nothing in
/// another.
#[test]
fn two_deployments_hash_a_client_differently() {
    let redis = RedisServer::start();
    for prefix in ["a:", "b:"] {
        let settings = [
            ("limits.enabled", "true"),
            ("store.redis.prefix", prefix),
            ("http.trusted_proxies", "127.0.0.1"),
        ];
        create_from(&ready_on(&redis.url(), &settings), ADDRESS).expect(200);
    }
    let [one, other] = ["a", "b"].map(|prefix| {
        let pattern = format!("{prefix}:{{lease}}:c:????????????????");
        let keys = redis.command(&["KEYS", &pattern]).texts();
        let [key] = &keys[..] else { panic!("{keys:?}") };
        key[2..].to_owned()
    });
    assert_ne!(one, other);
}

/// An operator's mistake, or another application with the same prefix, must not block all sign-ins.
#[test]
fn invalid_pseudonym_key_is_replaced() {
    for planted in [
        &["SET", "mrv:{lease}:secret", "short"][..],
        &["SET", "mrv:{lease}:secret", ""],
        &[
            "SET",
            "mrv:{lease}:secret",
            "forty-three characters, but not of base64!!",
        ],
        &["LPUSH", "mrv:{lease}:secret", "a list"],
    ] {
        let redis = RedisServer::start();
        redis.command(planted);
        let [one, other] = two_workers(&redis);
        for worker in [&one, &other, &one] {
            create_from(worker, ADDRESS).expect(200);
        }
        create_from(&other, ADDRESS).expect_error(429, "M_LIMIT_EXCEEDED");
        let life = redis.command(&["PTTL", "mrv:{lease}:secret"]).int();
        assert!(life > 0, "{planted:?}: {life}");
        let replies = one.metrics().sum("rendezvous_store_bad_replies_total", &[]);
        assert_eq!(replies, 0, "{planted:?}");
    }
}

/// Each worker alone would allow what together is too much. A rejection does not use up the rate.
#[test]
fn client_creation_rate_is_shared_by_replicas() {
    let redis = RedisServer::start();
    let settings = [
        ("limits.enabled", "true"),
        ("limits.create.client.burst", "3"),
        ("limits.create.client.per_second", "0.01"),
        ("http.trusted_proxies", "127.0.0.1"),
    ];
    let [one, other] = [(); 2].map(|()| ready_on(&redis.url(), &settings));
    create_from(&one, ADDRESS).expect(200);
    create_from(&one, ADDRESS).expect(200);
    create_from(&other, ADDRESS).expect(200);
    let rate = redis.command(&["KEYS", "mrv:{lease}:c:*:r"]).texts();
    let [rate] = &rate[..] else {
        panic!("{rate:?}")
    };
    let before = redis.command(&["GET", rate]).text();
    let refused = create_from(&other, ADDRESS).expect_error(429, "M_LIMIT_EXCEEDED");
    let after = refused.number("retry_after_ms");
    assert!(
        (90_000..=100_000).contains(&after),
        "one in 100 s: {refused}"
    );
    assert_eq!(redis.command(&["GET", rate]).text(), before);
    assert_eq!(redis.command(&["ZCARD", "mrv:{lease}:live"]).int(), 3);
    create_from(&other, "203.0.113.78").expect(200);
    // A deleted session still counts as a creation.
    let left = redis.command(&["PTTL", rate]).int();
    assert!((1..=300_000).contains(&left), "{left}");
}

#[test]
fn user_creation_rate_is_shared_by_replicas() {
    let redis = RedisServer::start();
    let verifier = HomeserverStub::start();
    verifier.set_reply("phone", TokenReply::user("@anna:example.org"));
    let url = verifier.url();
    let settings = [
        ("limits.enabled", "true"),
        ("limits.create.user.burst", "2"),
        ("limits.create.user.per_second", "0.001"),
        ("http.trusted_proxies", "127.0.0.1"),
        ("mode", "authenticated"),
        ("auth.homeserver_url", &url),
    ];
    let [one, other] = [(); 2].map(|()| ready_on(&redis.url(), &settings));
    let create = |worker: &Server, number: u8| {
        let create = request::create("x").header("Authorization", "Bearer phone");
        worker.call(&create.header("X-Forwarded-For", &format!("192.0.2.{number}")))
    };
    create(&one, 1).expect(200);
    create(&other, 2).expect(200);
    for worker in [&one, &other] {
        create(worker, 3).expect_error(429, "M_LIMIT_EXCEEDED");
        let labels = [("reason", "create_user")];
        let refused = worker.metrics().sum("rendezvous_rejections_total", &labels);
        assert_eq!(refused, 1);
    }
}
