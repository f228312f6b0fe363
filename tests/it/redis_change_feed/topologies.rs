//! Failovers, and slots of a Cluster: a worker subscribes at the new primary, and gets the hints of
//! every slot.

use super::lost::subscribers;
use super::{PREFIX, Worker, assert_hints, assert_woken, is_woken};
use matrix_rendezvous::model::SessionId;
use testkit::redis::RedisServer;
use testkit::redis::cluster::{Cluster, ClusterConfig, PRIMARIES};
use testkit::redis::sentinels::{Sentinels, SentinelsConfig};
use testkit::relay::Relay;
use testkit::{eventually, until};

/// The old primary lives on. A sentinel closes its connections when it demotes it, ten seconds later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscription_follows_a_planned_failover() {
    let trio = Sentinels::start(&SentinelsConfig::default());
    let [one, other] = [(); 2].map(|()| Worker::on(&trio.url()));
    let watcher = other.watch(SessionId::random());
    let old = trio.failover();
    let new = trio.wait_for_promotion(old);
    assert_woken(is_woken(&watcher).await, "the failover");
    until("both workers subscribe at the new primary", || {
        (subscribers(&trio.nodes[old]), subscribers(&trio.nodes[new])) == (0, 2)
    });
    let role = trio.nodes[old].info("replication", "role");
    assert_eq!(role, "master", "the worker followed the demotion only");
    for worker in [&one, &other] {
        worker.wait_until_complete();
    }
    assert_hints(&one, &other).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscription_follows_a_killed_primary() {
    let mut trio = Sentinels::start(&SentinelsConfig::default());
    let [one, other] = [(); 2].map(|()| Worker::on(&trio.url()));
    let watcher = other.watch(SessionId::random());
    let old = trio.primary_index();
    trio.nodes[old].kill();
    assert_woken(is_woken(&watcher).await, "the end of the primary");
    let new = trio.wait_for_promotion(old);
    until("both workers subscribe at the new primary", || {
        subscribers(&trio.nodes[new]) == 2
    });
    for worker in [&one, &other] {
        worker.wait_until_complete();
    }
    assert_hints(&one, &other).await;
}

/// A name may lead to several servers, of which a failover has left one behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscription_leads_to_the_server_of_the_scripts() {
    let [redis, other] = [(); 2].map(|()| RedisServer::start());
    // The second connection leads to the second server.
    let relay = Relay::balance(&[redis.address(), other.address()]);
    let watching = Worker::on(&format!("redis://{}", relay.address()));
    assert_eq!((subscribers(&redis), subscribers(&other)), (1, 0));
    assert_hints(&Worker::on(&redis.url()), &watching).await;
}

/// One subscription hears of the writes on every node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_slot_of_a_cluster_is_reported() {
    let cluster = Cluster::start(&ClusterConfig::steady());
    let [one, other] = [(); 2].map(|()| Worker::on(&cluster.url()));
    let mut seen = [false; PRIMARIES];
    while seen.contains(&false) {
        let session = one.create().await;
        let slot = cluster.slot(&format!("{PREFIX}s:{{{}}}", session.id));
        let from = cluster.owner(slot);
        if seen[from] {
            one.delete(&session).await;
            continue;
        }
        seen[from] = true;
        let watcher = other.watch(session.id);
        one.write(&session).await;
        assert_woken(is_woken(&watcher).await, "a write");
        // The deletion runs on the node that the slot moves to.
        let mut migration = cluster.begin_migration(slot, (from + 1) % PRIMARIES);
        migration.move_all_keys();
        migration.finish();
        one.delete(&session).await;
        assert_woken(is_woken(&watcher).await, "a deletion in a slot that moved");
        assert!(other.is_complete());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscription_leaves_a_killed_node_of_a_cluster() {
    let mut cluster = Cluster::start(&ClusterConfig::default());
    let one = Worker::on(&cluster.url());
    let chosen = eventually("the node of the subscription", || {
        let nodes = &cluster.nodes[..PRIMARIES];
        nodes.iter().position(|node| subscribers(node) == 1)
    });
    let other = Worker::on(&cluster.url());
    let watcher = one.watch(SessionId::random());
    cluster.nodes[chosen].kill();
    assert_woken(is_woken(&watcher).await, "the end of the node");
    until("both workers subscribe elsewhere", || {
        let left = cluster.nodes.iter().enumerate();
        let left = left.filter(|(index, _)| *index != chosen);
        left.map(|(_, node)| subscribers(node)).sum::<i64>() == 2
    });
    for worker in [&one, &other] {
        worker.wait_until_complete();
    }
    assert_hints(&other, &one).await;
}
