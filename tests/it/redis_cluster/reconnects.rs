//! Connections of a Cluster that break one by one, and nodes that come back changed.

use super::{session_on, session_on_each};
use crate::server::{NO_ACCESS_LOG, ready_on};
use testkit::api::request;
use testkit::background::{Client, run_clients, wait_for_each};
use testkit::outage::HANG;
use testkit::redis::DURABLE;
use testkit::redis::cluster::{Cluster, ClusterConfig};
use testkit::until;

/// Found in a fault run: the worker never left a connection that delivered nothing more.
#[test]
fn silent_cluster_connection_is_replaced() {
    const NODE: usize = 1;
    let cluster = Cluster::start(&ClusterConfig {
        relays: true,
        ..ClusterConfig::steady()
    });
    let worker = ready_on(&cluster.url(), NO_ACCESS_LOG);
    let clients = [
        Client::Reader(session_on(&worker, &cluster, NODE)),
        Client::Writer(session_on(&worker, &cluster, NODE)),
        Client::Reader(session_on(&worker, &cluster, 2)),
    ];
    let ((), samples) = run_clients(&worker, clients, |samples| {
        assert!(cluster.relay(NODE).silence() > 0);
        wait_for_each(samples, 50);
    });
    for samples in &samples {
        samples.assert_none_failed();
        // The command timeout, and a reconnect.
        let slowest = samples.slowest();
        assert!(slowest < HANG, "{slowest:?}");
    }
    let logged = worker.log().matches("dropping the connection").count();
    assert!(logged < 10, "logged {logged} times");
}

/// Found in a fault run: the error "cluster support disabled" ended the client's task for good.
#[test]
fn node_without_cluster_mode_is_left_when_it_rejoins() {
    const NODE: usize = 0;
    let mut cluster = Cluster::start(&ClusterConfig {
        options: DURABLE,
        ..ClusterConfig::steady()
    });
    let worker = ready_on(&cluster.url(), NO_ACCESS_LOG);
    let sessions = session_on_each(&worker, &cluster);
    let reads = || {
        sessions
            .iter()
            .map(|session| worker.call(&request::read(&session.id)))
    };
    cluster.nodes[NODE].kill();
    cluster.nodes[NODE].restart_with(&["--cluster-enabled", "no"]);
    let commands = || {
        let stats = cluster.nodes[NODE].command(&["INFO", "commandstats"]);
        stats.text()
    };
    until("the worker reaches the node", || {
        reads().for_each(drop);
        let commands = commands();
        commands.contains("cmdstat_eval") || commands.contains("cmdstat_cluster")
    });
    // It still has its data, and would answer from them.
    assert!(!commands().contains("cmdstat_eval"), "{}", commands());
    cluster.nodes[NODE].kill();
    cluster.nodes[NODE].restart();
    cluster.wait_until_ok();
    until("the worker serves each session again", || {
        reads().all(|reply| reply.status == 200)
    });
    worker.retry_while_503(&request::create("x")).expect(200);
    for session in &sessions {
        worker.assert_holds(&session.id, "hello", &session.token);
    }
}
