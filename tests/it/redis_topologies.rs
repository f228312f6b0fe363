//! The deployments of Redis that the kit starts move as their real counterparts do. Faults under load
//! are in `redis_sentinel` and `redis_cluster`, whole sign-ins in `redis_sign_ins`.

use crate::redis_urls::assert_serves;
use crate::server::ready_on;
use testkit::redis::Reply;
use testkit::redis::cluster::{Cluster, ClusterConfig};
use testkit::redis::sentinels::{Sentinels, SentinelsConfig};
use testkit::until;

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
