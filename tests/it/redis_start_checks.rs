//! A Redis that would lose sign-ins keeps the worker unready, with the reason in one line.
//!
//! The reason is on `/readyz` and in the log. The operator may ignore each check by its name. Once
//! Redis is fixed, the worker becomes ready without a restart.

use crate::server::{Server, launch_on, ready_on};
use testkit::api::request;
use testkit::proxy::{Fault, Proxy, Target};
use testkit::redis::RedisServer;
use testkit::redis::acl_rule::{documented_rule, rule_of};
use testkit::redis::one_node_cluster::OneNodeCluster;
use testkit::until;

/// Pages that give operators the ACL rule of the Redis user.
const PAGES: [&str; 2] = ["architecture.md", "redis.md"];

/// Expects an unready worker with this reason, in one line on `/readyz` and one in the log.
#[track_caller]
fn assert_unready(worker: &Server, check: &str, detail: &str) {
    let has_reason = |text: &str| {
        text.lines()
            .any(|line| line.contains(check) && line.contains(detail))
    };
    let mut page = String::new();
    until("/readyz gives the reason", || {
        let readyz = worker.admin_get("/readyz").expect(503);
        page = String::from_utf8(readyz.body).expect("text");
        has_reason(&page)
    });
    until("the log gives the reason", || has_reason(&worker.log()));
    worker.admin_get("/healthz").expect(200);
}

#[test]
fn evicting_policy_fails_the_check_until_fixed() {
    let redis = RedisServer::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    let worker = launch_on(&redis.url(), &[]);
    assert_unready(&worker, "eviction", "allkeys-lru");
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "volatile-ttl"]);
    assert_unready(&worker, "eviction", "volatile-ttl");
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    until("the worker becomes ready", || worker.is_ready());
    worker.create("hello");
}

#[test]
fn evicting_policy_can_be_ignored_by_name() {
    let redis = RedisServer::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    let worker = ready_on(&redis.url(), &[("store.redis.ignore_checks", "eviction")]);
    worker.create("hello");
}

#[test]
fn ignoring_another_check_has_no_effect() {
    let redis = RedisServer::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    let worker = launch_on(
        &redis.url(),
        &[("store.redis.ignore_checks", "memory,acl,version,latency")],
    );
    assert_unready(&worker, "eviction", "allkeys-lru");
}

#[test]
fn maxmemory_below_max_live_fails_the_check() {
    let redis = RedisServer::start_with(&["--maxmemory", "40mb"]);
    let worker = launch_on(&redis.url(), &[]);
    assert_unready(&worker, "memory", "10000");
    ready_on(&redis.url(), &[("session.max_live", "2000")]).create("hello");
    ready_on(&redis.url(), &[("store.redis.ignore_checks", "memory")]).create("hello");
}

#[test]
fn largest_max_live_is_checked_against_maxmemory() {
    let redis = RedisServer::start_with(&["--maxmemory", "40mb"]);
    let most = "100000000";
    assert_unready(
        &launch_on(&redis.url(), &[("session.max_live", most)]),
        "memory",
        most,
    );
}

#[test]
fn old_redis_version_fails_the_check() {
    let redis = RedisServer::start();
    let proxy = Proxy::start(redis.address());
    proxy.every(
        Target::Info,
        Fault::Alter(|info| {
            let info = String::from_utf8(info.to_vec()).expect("text");
            assert!(info.contains("redis_version:7.0."));
            info.replace("redis_version:7.0.", "redis_version:6.2.")
                .into_bytes()
        }),
    );
    let worker = launch_on(&proxy.url(), &[]);
    assert_unready(&worker, "version", "6.2.");
    // An operator may be about to ignore it.
    assert_unready(&worker, "version", "the scripts need: replace it");
    ready_on(&proxy.url(), &[("store.redis.ignore_checks", "version")]).create("hello");
}

/// If INFO is forbidden, the worker starts with a warning; if INFO merely failed, the check is
/// repeated.
#[test]
fn failed_info_is_repeated() {
    let redis = RedisServer::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    let proxy = Proxy::start(redis.address());
    proxy.every(
        Target::Info,
        Fault::Alter(|_| b"-BUSY Redis is busy running a script\r\n".to_vec()),
    );
    let worker = launch_on(&proxy.url(), &[]);
    assert_unready(&worker, "INFO failed", "BUSY");
    proxy.heal();
    assert_unready(&worker, "eviction", "allkeys-lru");
    proxy.every(Target::Info, Fault::HoldReply);
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    assert_unready(&worker, "INFO failed", "");
    proxy.heal();
    until("the worker becomes ready", || worker.is_ready());
}

/// A missing reply is not an ACL error, and `ignore_checks` does not apply to it.
#[test]
fn script_without_answer_is_not_an_acl_failure() {
    let redis = RedisServer::start();
    for (fault, detail) in [
        (Fault::HoldReply, "in time"),
        (Fault::Alter(|_| b":1\r\n".to_vec()), "invalid reply"),
        (Fault::Alter(|_| b"-MISCONF no\r\n".to_vec()), "MISCONF"),
    ] {
        let proxy = Proxy::start(redis.address());
        proxy.every(Target::PseudonymKey, fault);
        let worker = launch_on(&proxy.url(), &[("store.redis.ignore_checks", "acl")]);
        assert_unready(&worker, "the script pseudonym_key", detail);
        let log = worker.log();
        assert!(!log.contains("acl"), "{log}");
        proxy.heal();
        until("the worker becomes ready", || worker.is_ready());
    }
}

#[test]
fn slow_redis_fails_the_check_until_fast() {
    let redis = RedisServer::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    let proxy = Proxy::start(redis.address());
    let worker = launch_on(&proxy.url(), &[]);
    // Connected, which takes a PING of its own; the next check finds this Redis slow.
    assert_unready(&worker, "eviction", "allkeys-lru");
    proxy.every(Target::Ping, Fault::HoldReply);
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    assert_unready(&worker, "latency", "round trips");
    proxy.heal();
    until("the worker becomes ready", || worker.is_ready());
}

#[test]
fn documented_acl_rule_is_sufficient_and_minimal() {
    let redis = RedisServer::start();
    let url = |user: &str| format!("redis://{user}@127.0.0.1:{}", redis.port());
    assert_sufficient_and_minimal(&redis, &documented_rule(), url);
}

/// A Cluster runs other scripts.
#[test]
fn documented_acl_rule_fits_a_cluster() {
    let cluster = OneNodeCluster::start();
    let mut rule = documented_rule();
    rule.push("+cluster".to_owned());
    let url = |user: &str| format!("redis-cluster://{user}@{}", cluster.node.address());
    assert_sufficient_and_minimal(&cluster.node, &rule, url);
}

#[track_caller]
fn assert_sufficient_and_minimal(
    redis: &RedisServer,
    rule: &[String],
    url: impl Fn(&str) -> String,
) {
    // Shares, so that a session has principals.
    let shares = [("limits.enabled", "true")];
    create_user(redis, "documented", rule);
    let worker = ready_on(&url("documented:secret"), &shares);
    let session = worker.create("hello");
    let second = worker.write(&session.id, &session.token, "ECDH");
    let third = worker
        .put_txn(&session.id, "t", &second, "protocols")
        .expect(200);
    worker.assert_holds(&session.id, "protocols", &third.text("sequence_token"));
    worker.call(&request::delete(&session.id)).expect(200);
    worker.assert_gone(&session.id);
    until("the channel of changes works", || {
        worker.metrics().value("rendezvous_store_change_feed_up") == 1
    });
    let log = worker.log();
    // Only this setting, which is not about Redis, may be warned about.
    let warns = |line: &str| line.contains("WARN") && !line.contains("msc4108.enabled");
    assert!(!log.contains("NOPERM") && !log.lines().any(warns), "{log}");

    // EVAL is only needed after Redis lost its scripts; without INFO or PING the worker only knows
    // less.
    let needed = |word: &&String| word.starts_with('+') && !OPTIONAL.contains(&word.as_str());
    for missing in rule.iter().filter(needed) {
        let name = format!("without{missing}");
        create_user(redis, &name, &without(rule, missing));
        let worker = launch_on(&url(&format!("{name}:secret")), &[]);
        assert_unready(&worker, "acl", "");
    }
}

/// The error of Redis is shortened for `/readyz`, since it may quote keys.
#[test]
fn acl_problem_names_the_missing_permission() {
    let redis = RedisServer::start();
    for (n, (missing, named)) in [
        ("+evalsha", "no permissions to run the 'EVALSHA'"),
        ("+hset", "can't run this command or subcommand: in line"),
        ("~mrv:*", "no permissions to access: one of the keys"),
    ]
    .into_iter()
    .enumerate()
    {
        let rule = without(&documented_rule(), missing);
        let url = user(&redis, &format!("user-{n}"), &rule);
        assert_unready(&launch_on(&url, &[]), "acl", named);
    }
}

/// Words of the rule without which a worker still starts (`redis_change_feed` tests the last two), or
/// (`+cluster`) connects to no server.
const OPTIONAL: [&str; 6] = [
    "+eval",
    "+info",
    "+ping",
    "+cluster",
    "+publish",
    "+subscribe",
];

#[test]
fn all_pages_give_the_same_acl_rule() {
    for page in PAGES {
        assert_eq!(rule_of(page), documented_rule(), "{page}");
    }
}

#[test]
fn missing_info_permission_is_a_warning() {
    let redis = RedisServer::start();
    let worker = ready_on(
        &user(&redis, "no-info", &without(&documented_rule(), "+info")),
        &[],
    );
    worker.create("hello");
    let log = worker.log();
    assert!(
        log.lines()
            .any(|line| line.contains("WARN") && line.contains("INFO")),
        "{log}"
    );
}

#[test]
fn user_without_the_key_prefix_fails_the_check() {
    let redis = RedisServer::start();
    let mut rule = without(&documented_rule(), "~mrv:*");
    rule.push("~other:*".to_owned());
    let url = user(&redis, "elsewhere", &rule);
    assert_unready(&launch_on(&url, &[]), "acl", "NOPERM");
    ready_on(&url, &[("store.redis.prefix", "other:")]).create("hello");
}

/// Requests of clients use keys that no worker knows in advance. The check has a principal of its own.
#[test]
fn user_without_keys_of_principals_fails_the_check() {
    let redis = RedisServer::start();
    let mut rule = without(&documented_rule(), "~mrv:*");
    let keys = ["~mrv:s:*", "~mrv:{lease}:live", "~mrv:{lease}:secret"];
    rule.extend(keys.map(str::to_owned));
    let url = user(&redis, "no-principals", &rule);
    assert_unready(&launch_on(&url, &[]), "acl", "create_with_lease");
}

fn without(rule: &[String], word: &str) -> Vec<String> {
    assert!(
        rule.iter().any(|one| one == word),
        "{word} is not in the rule"
    );
    rule.iter().filter(|one| *one != word).cloned().collect()
}

/// Creates a user with exactly these rights, and returns the URL that logs in as it.
pub fn user(redis: &RedisServer, name: &str, rule: &[String]) -> String {
    create_user(redis, name, rule);
    // Without a database number: SELECT needs an additional permission.
    format!("redis://{name}:secret@127.0.0.1:{}", redis.port())
}

/// Creates a user with exactly these rights, and the password `secret`.
fn create_user(redis: &RedisServer, name: &str, rule: &[String]) {
    let command = ["ACL", "SETUSER", name, "on", ">secret", "-@all"].map(str::to_owned);
    let reply = redis.command(&[&command[..], rule].concat());
    assert_eq!(reply.text(), "OK", "{rule:?}");
}
