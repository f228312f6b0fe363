//! A ready worker keeps checking Redis: what Redis refuses, or how it was changed, is on
//! `/readyz?verbose`, in a gauge and in the log, and is gone once Redis is well again. The worker
//! stays ready.

use crate::redis_start_checks::user;
use crate::server::{Server, ready_on};
use std::fs;
use testkit::api::UNSTABLE;
use testkit::http::Request;
use testkit::redis::RedisServer;
use testkit::redis::acl_rule::documented_rule;
use testkit::redis::cluster::{Cluster, ClusterConfig, PRIMARIES};
use testkit::until;

/// The line of the store on `/readyz?verbose`.
fn store_line(worker: &Server) -> String {
    let page = worker.admin_get("/readyz?verbose").expect(200).body;
    let page = String::from_utf8(page).expect("text");
    let line = page.lines().find(|line| line.contains("] store: "));
    line.expect("a line of the store").to_owned()
}

fn has_failed(worker: &Server, check: &str) -> bool {
    let series = format!("rendezvous_store_check_failed{{check=\"{check}\"}}");
    worker.metrics().value(&series) == 1
}

/// What discovery says.
fn may_create(worker: &Server) -> bool {
    let reply = worker.raw(&Request::get(UNSTABLE)).expect(200);
    reply.json()["create_available"] == true
}

/// Waits until this check has failed, and expects it everywhere. The line of the store is `expected`
/// and then the reason.
#[track_caller]
fn assert_fails(worker: &Server, check: &str, expected: &str, reason: &str) {
    until("the check fails", || has_failed(worker, check));
    let line = store_line(worker);
    assert!(
        line.starts_with(expected) && line.contains(reason),
        "{line}"
    );
    let is_change = |line: &&str| {
        line.contains("Redis fails a check") && line.contains(check) && line.contains(reason)
    };
    let count_changes = || worker.log().lines().filter(is_change).count();
    // The log is read from a pipe, so it may be behind.
    until("the log has the change", || count_changes() > 0);
    assert_eq!(count_changes(), 1, "{}", worker.log());
}

/// Waits until nothing fails any more.
#[track_caller]
fn assert_passes(worker: &Server, check: &str) {
    until("the check passes again", || !has_failed(worker, check));
    until("the page shows nothing", || {
        store_line(worker) == "[+] store: fit, and answers"
    });
    assert!(may_create(worker));
    until("the log has the change", || {
        worker.log().contains("Redis passes this check again")
    });
    worker.create("hello");
}

/// Lets Redis refuse writes, expects that the worker reports it, and undoes it.
#[track_caller]
fn assert_refusal(redis: &RedisServer, refuse: &[&str], accept: &[&str], reason: &str) {
    let worker = ready_on(&redis.url(), &[]);
    assert!(may_create(&worker));
    assert!(!has_failed(&worker, "write"));
    assert_eq!(redis.command(refuse).text(), "OK");
    assert_fails(&worker, "write", "[!] store: refuses writes: ", reason);
    assert!(!may_create(&worker));
    assert_eq!(redis.command(accept).text(), "OK");
    assert_passes(&worker, "write");
}

/// Ends every connection, after which the worker connects and checks again.
fn cut_connections(redis: &RedisServer) {
    redis.command(&["CLIENT", "KILL", "TYPE", "normal"]);
}

// R0.39
#[test]
fn full_memory_is_a_refusal() {
    let redis = RedisServer::start();
    assert_refusal(
        &redis,
        &["CONFIG", "SET", "maxmemory", "1"],
        &["CONFIG", "SET", "maxmemory", "0"],
        "OOM",
    );
}

// R0.39
#[test]
fn read_only_redis_is_a_refusal() {
    let redis = RedisServer::start();
    assert_refusal(
        &redis,
        &["REPLICAOF", "127.0.0.1", "1"],
        &["REPLICAOF", "NO", "ONE"],
        "READONLY",
    );
}

// R0.39
#[test]
fn missing_replicas_are_a_refusal() {
    let redis = RedisServer::start();
    assert_refusal(
        &redis,
        &["CONFIG", "SET", "min-replicas-to-write", "1"],
        &["CONFIG", "SET", "min-replicas-to-write", "0"],
        "NOREPLICAS",
    );
}

// R0.39
#[test]
fn failed_snapshot_is_a_refusal() {
    let redis = RedisServer::start_with(&["--dbfilename", "blocked.rdb"]);
    let worker = ready_on(&redis.url(), &[]);
    // A directory, which even root cannot replace by a file.
    let blocked = redis.dir().join("blocked.rdb");
    fs::create_dir(&blocked).expect("a directory");
    redis.command(&["CONFIG", "SET", "save", "3600 1"]);
    let save = || {
        redis.command(&["BGSAVE"]);
        until("the snapshot ends", || {
            redis.info("persistence", "rdb_bgsave_in_progress") == "0"
        });
    };
    save();
    assert_fails(&worker, "write", "[!] store: refuses writes: ", "MISCONF");
    assert!(!may_create(&worker));
    fs::remove_dir(&blocked).expect("removed");
    save();
    assert_passes(&worker, "write");
}

// R0.39
#[test]
fn lost_permission_is_a_refusal() {
    let redis = RedisServer::start();
    let url = user(&redis, "rendezvous", &documented_rule());
    let worker = ready_on(&url, &[]);
    redis.command(&["ACL", "SETUSER", "rendezvous", "-set"]);
    let refusal = "[!] store: refuses writes: ";
    assert_fails(&worker, "write", refusal, "can't run this command");
    assert!(!may_create(&worker));
    redis.command(&["ACL", "SETUSER", "rendezvous", "+set"]);
    assert_passes(&worker, "write");
    // The probe does not need this one; the check after a reconnect does.
    redis.command(&["ACL", "SETUSER", "rendezvous", "-hset"]);
    cut_connections(&redis);
    assert_fails(&worker, "acl", refusal, "can't run this command");
    assert!(!may_create(&worker));
    redis.command(&["ACL", "SETUSER", "rendezvous", "+hset"]);
    assert_passes(&worker, "acl");
}

/// For the alert: Redis refuses creations once it is full.
#[test]
fn memory_of_redis_is_exported_with_its_limit() {
    let redis = RedisServer::start();
    let worker = ready_on(&redis.url(), &[]);
    let value = |name: &str| worker.metrics().value(name);
    let [used, limit] = [
        "rendezvous_store_memory_bytes",
        "rendezvous_store_memory_limit_bytes",
    ];
    assert!(value(used) > 0);
    assert_eq!(value(limit), 0, "there is no limit");
    let maxmemory = 100 * 1024 * 1024;
    redis.command(&["CONFIG", "SET", "maxmemory", &maxmemory.to_string()]);
    // A new connection is checked within seconds.
    cut_connections(&redis);
    until("the limit is exported", || value(limit) == maxmemory);
    assert!((1..maxmemory).contains(&value(used)), "{}", value(used));
}

#[test]
fn changed_eviction_policy_is_found_at_a_reconnect() {
    let mut redis = RedisServer::start();
    let worker = ready_on(&redis.url(), &[]);
    let other = ready_on(&redis.url(), &[("store.redis.ignore_checks", "eviction")]);
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    cut_connections(&redis);
    let degraded = "[!] store: answers, but: eviction: ";
    assert_fails(&worker, "eviction", degraded, "allkeys-lru");
    assert!(may_create(&worker));
    until("the other worker has checked", || {
        other.log().contains("ignored by store.redis.ignore_checks")
    });
    assert!(!has_failed(&other, "eviction"));
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    assert_passes(&worker, "eviction");

    redis.kill();
    redis.restart_with(&["--maxmemory-policy", "volatile-ttl"]);
    assert_fails(&worker, "eviction", degraded, "volatile-ttl");
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    assert_passes(&worker, "eviction");
}

/// After a promotion of its only replica the new primary has none, and refuses writes. Until then
/// all is well, so the worker serves.
#[test]
fn only_replica_with_min_replicas_to_write_is_reported() {
    let primary = RedisServer::start_with(&["--min-replicas-to-write", "1"]);
    let port = primary.port().to_string();
    let replica = || RedisServer::start_with(&["--replicaof", "127.0.0.1", &port]);
    let count_good = || primary.info("replication", "min_slaves_good_slaves");
    let _first = replica();
    until("the replica counts", || count_good() == "1");
    let other = ready_on(&primary.url(), &[("store.redis.ignore_checks", "replicas")]);
    let worker = ready_on(&primary.url(), &[]);
    let degraded = "[!] store: answers, but: replicas: ";
    assert_fails(&worker, "replicas", degraded, "has 1 connected replica");
    assert!(may_create(&worker));
    assert!(!has_failed(&other, "replicas"));
    let ignored = "ignored by store.redis.ignore_checks: replicas: ";
    until("the log names the check", || other.log().contains(ignored));
    let _second = replica();
    assert_passes(&worker, "replicas");
}

#[test]
fn only_replica_of_any_cluster_primary_is_reported() {
    let cluster = Cluster::start(&ClusterConfig {
        replicas: true,
        options: &["--min-replicas-to-write", "1"],
        ..ClusterConfig::steady()
    });
    let worker = ready_on(&cluster.url(), &[]);
    for primary in &cluster.nodes[..PRIMARIES] {
        let problem = format!("{} has 1 connected replica", primary.address());
        let is_reported = || store_line(&worker).contains(&problem);
        // The first check sees the primaries that have a connection by then.
        until("the primary is reported", is_reported);
        assert!(has_failed(&worker, "replicas"));
        primary.command(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
        until("the primary is not reported", || !is_reported());
    }
    assert_passes(&worker, "replicas");
}
