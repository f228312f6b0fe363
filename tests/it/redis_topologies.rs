//! Each deployment of Redis that the kit can start: it serves sign-ins, and it moves as its real
//! counterpart does. Faults under load are in `redis_sentinel` and `redis_cluster`.

use crate::redis_start_checks::documented_rule;
use crate::redis_urls::assert_serves;
use crate::server::ready_on;
use testkit::redis::Reply;
use testkit::redis::cluster::{Cluster, ClusterConfig};
use testkit::redis::sentinels::{Sentinels, SentinelsConfig};
use testkit::redis::tls::RedisTls;
use testkit::until;

/// Options of redis-server for a user with the documented rule, and the part of a URL that names it.
fn documented_user(more: &[&str]) -> (Vec<String>, &'static str) {
    let start = ["--user", "rendezvous", "on", ">secret"].map(str::to_owned);
    let more: Vec<_> = more.iter().map(ToString::to_string).collect();
    (
        [&start[..], &documented_rule(), &more].concat(),
        "rendezvous:secret@",
    )
}

fn borrowed(options: &[String]) -> Vec<&str> {
    options.iter().map(String::as_str).collect()
}

#[test]
fn sentinels_serve_over_tls_and_with_an_acl_user() {
    let tls = RedisTls::make();
    let (user, name) = documented_user(&["+select"]);
    let trio = Sentinels::start(&SentinelsConfig {
        options: &borrowed(&user),
        tls: Some(&tls),
        ..SentinelsConfig::steady()
    });
    let ca = tls.certificates().ca_file();
    let ca = [("store.redis.ca_file", ca.to_str().expect("UTF-8"))];
    assert_serves(&ready_on(&trio.url(), &ca));
    assert_serves(&ready_on(&trio.url_as(name), &ca));
}

#[test]
fn cluster_serves_over_tls_and_with_an_acl_user() {
    let tls = RedisTls::make();
    let (user, name) = documented_user(&["+cluster"]);
    let cluster = Cluster::start(&ClusterConfig {
        options: &borrowed(&user),
        tls: Some(&tls),
        ..ClusterConfig::steady()
    });
    let ca = tls.certificates().ca_file();
    let ca = [("store.redis.ca_file", ca.to_str().expect("UTF-8"))];
    assert_serves(&ready_on(&cluster.url(), &ca));
    assert_serves(&ready_on(&cluster.url_as(name), &ca));
}

#[test]
fn sentinels_promote_a_replica_of_a_killed_primary() {
    let mut trio = Sentinels::start(&SentinelsConfig::default());
    trio.primary().command(&["SET", "key", "value"]);
    let first = trio.primary_index();
    trio.nodes[first].kill();
    let second = trio.wait_for_promotion(first);
    assert_eq!(trio.primary().command(&["GET", "key"]).text(), "value");
    trio.restart_as_replica(first);
    trio.wait_until_replica(first);

    assert_eq!(trio.failover(), second);
    trio.wait_for_promotion(second);
}

#[test]
fn cluster_promotes_a_replica_of_a_killed_primary() {
    let mut cluster = Cluster::start(&ClusterConfig::default());
    let slot = cluster.slot("key");
    let first = cluster.owner(slot);
    cluster.nodes[first].kill();
    let second = cluster.wait_for_promotion(slot, first);
    assert_eq!(second, cluster.replica_of(first));
    cluster.nodes[first].restart();
    until("the killed node is a replica", || {
        let info = cluster.nodes[first].command(&["INFO", "replication"]);
        info.text().contains("master_link_status:up")
    });
    cluster.wait_until_ok();
    cluster.failover(first);
    assert_eq!(cluster.owner(slot), first);
}

#[test]
fn cluster_moves_slots_with_their_keys() {
    let cluster = Cluster::start(&ClusterConfig::steady());
    let slot = cluster.slot("key");
    let from = cluster.owner(slot);
    let to = (from + 1) % 3;
    cluster.nodes[from].command(&["SET", "key", "value"]);
    let mut migration = cluster.begin_migration(slot, to);
    migration.move_key("key");
    let reply = cluster.nodes[from].command(&["GET", "key"]);
    assert!(
        matches!(&reply, Reply::Error(text) if text.starts_with("ASK ")),
        "{reply:?}"
    );
    migration.finish();
    assert_eq!(cluster.nodes[to].command(&["GET", "key"]).text(), "value");

    cluster.reshard(50, to, from);
    assert_eq!(cluster.owner(slot), to);
    cluster.wait_until_ok();
}

#[test]
fn cluster_node_announces_the_relay_in_front_of_it() {
    let cluster = Cluster::start(&ClusterConfig {
        relays: true,
        ..ClusterConfig::steady()
    });
    assert_serves(&ready_on(&cluster.url(), &[]));
    for node in 0..3 {
        assert!(cluster.relay(node).accepted() > 0);
    }
}
