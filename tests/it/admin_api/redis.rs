//! The admin API on Redis: the permission that it needs, other keys beside the sessions, and all primaries
//! of a Cluster.

use super::{Api, ONE, OTHER};
use crate::redis_start_checks::user;
use testkit::redis::RedisServer;
use testkit::redis::acl_rule::documented_rule;
use testkit::redis::cluster::{Cluster, ClusterConfig};

/// The worker is ready all the same, and clients do not notice.
#[test]
fn missing_scan_permission_is_named() {
    let redis = RedisServer::start();
    let mut rule = documented_rule();
    assert!(!rule.contains(&"+scan".to_owned()), "{rule:?}");
    let api = Api::on(&user(&redis, "without-scan", &rule), &[]);
    let id = api.create_from(ONE);
    for (method, query) in [("GET", ""), ("DELETE", "?all=true")] {
        let reply = api.call(method, query).expect(503);
        let error = reply.text("error");
        assert!(
            error.contains("'SCAN'") && error.contains("+scan"),
            "{error}"
        );
        assert_eq!(reply.json()["complete"], false);
    }
    assert_eq!(api.server.read(&id).data, "x");
    assert!(api.server.is_ready());

    rule.push("+scan".to_owned());
    let api = Api::on(&user(&redis, "with-scan", &rule), &[]);
    assert_eq!(api.counts()["counted"], 1);
    api.end("?all=true", 1);
    api.server.assert_gone(&id);
}

/// The scan passes over what other applications have, and ends no session of another prefix.
#[test]
fn keys_of_others_stay() {
    let redis = RedisServer::start();
    let script = "for n = 1, 3000 do redis.call('SET', 'mrv:other:' .. n, 'x') end";
    redis.command(&["EVAL", script, "0"]);
    let other = Api::on(&redis.url(), &[("store.redis.prefix", "mrv[1]*:")]);
    let kept = other.create_from(ONE);
    let api = Api::on(&redis.url(), &[]);
    let ids = [ONE, OTHER, OTHER].map(|client| api.create_from(client));
    assert_eq!(api.counts()["counted"], 3);
    assert_eq!(other.counts()["counted"], 1);
    // A walk of many pages; a quoted prefix finds its own keys alone.
    api.end("?all=true", 3);
    for id in ids {
        api.server.assert_gone(&id);
    }
    assert_eq!(other.server.read(&kept).data, "x");
    let keys = redis.command(&["KEYS", "mrv:other:*"]).texts();
    assert_eq!(keys.len(), 3000);
    // Nothing is counted any more, in total nor for a client. Each client also has a rate.
    for key in redis.command(&["KEYS", "mrv:{lease}:*"]).texts() {
        let is_client = key.starts_with("mrv:{lease}:c:") && !key.ends_with(":r");
        assert!(!is_client && key != "mrv:{lease}:live", "{key}");
    }
}

/// A walk finds its sessions whatever a prefix has that means something in a pattern of SCAN. As a pattern,
/// none of these prefixes matches itself.
#[test]
fn pattern_characters_in_a_prefix_are_literal() {
    let redis = RedisServer::start();
    let other = Api::on(&redis.url(), &[("store.redis.prefix", "ab:")]);
    let kept = other.create_from(ONE);
    for prefix in ["a[b]:", "\\ab:", "a*?[^x]-\\b:"] {
        let api = Api::on(&redis.url(), &[("store.redis.prefix", prefix)]);
        let ids = [ONE, OTHER].map(|client| api.create_from(client));
        assert_eq!(api.counts()["counted"], 2, "{prefix}");
        api.end("?all=true", 2);
        for id in ids {
            api.server.assert_gone(&id);
        }
    }
    assert_eq!(other.server.read(&kept).data, "x");
}

#[test]
fn sessions_on_all_primaries_end() {
    let cluster = Cluster::start(&ClusterConfig::steady());
    let many = [
        ("limits.live.client", "1000"),
        ("limits.create.client.burst", "1000"),
    ];
    let api = Api::on(&cluster.url(), &many);
    let ids: Vec<String> = (0..60)
        .map(|n| api.create_from(if n % 3 == 0 { ONE } else { OTHER }))
        .collect();
    for node in &cluster.nodes {
        let keys = node.command(&["KEYS", "mrv:s:*"]).texts();
        assert!(!keys.is_empty(), "each primary has sessions");
    }
    let counts = api.counts();
    assert_eq!(counts["counted"], 60);
    assert_eq!(counts["clients"][0]["sessions"], 40);
    api.end(&format!("?address={ONE}"), 20);
    api.server.assert_gone(&ids[0]);
    assert_eq!(api.server.read(&ids[1]).data, "x");
    api.end("?all=true", 40);
    assert_eq!(api.counts()["live"], 0);
}

/// A server that does not answer is an error that says so, and never an incomplete success.
#[test]
fn failed_redis_is_503_with_the_reason() {
    let mut redis = RedisServer::start();
    let api = Api::on(&redis.url(), &[]);
    api.create_from(ONE);
    redis.kill();
    let reply = api.call("DELETE", "?all=true").expect(503);
    assert_eq!(
        (reply.number("ended"), &reply.json()["complete"]),
        (0, &false.into())
    );
    assert!(!reply.text("error").is_empty());
    redis.restart();
    testkit::until("Redis answers again", || {
        api.call("DELETE", "?all=true").status == 200
    });
}
