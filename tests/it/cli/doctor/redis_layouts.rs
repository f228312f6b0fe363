//! The checks of Redis on a Sentinel deployment and on a Cluster.

use super::inside::{assert_found, report_on_redis};
use super::{assert_status, check};
use serde_json::Value;
use testkit::redis::RedisServer;
use testkit::redis::cluster::{Cluster, ClusterConfig};
use testkit::redis::sentinels::{Sentinels, SentinelsConfig};

/// A key in the slot of the leases, in which every creation writes.
const LEASE: &str = "mrv:{lease}:live";

const CHECKS: [&str; 5] = [
    "redis-connection",
    "redis-write",
    "redis-fit",
    "redis-memory",
    "redis-clock",
];

fn address(node: &RedisServer) -> String {
    format!("127.0.0.1:{}", node.port())
}

/// The text of `redis-connection`.
fn connection_text(report: &Value) -> &str {
    let text = &check(report, "redis-connection")["what"];
    text.as_str().expect("text")
}

#[test]
fn primary_of_the_sentinels_is_checked() {
    let trio = Sentinels::start(&SentinelsConfig::steady());
    let report = report_on_redis(&trio.url(), 0);
    for id in CHECKS {
        assert_status(&report, id, "pass");
    }
    assert!(
        connection_text(&report).contains(&address(trio.primary())),
        "{report:#}"
    );
}

/// The sentinels are reached, and name a primary that is not.
#[test]
fn unreachable_primary_of_the_sentinels_is_named() {
    let mut trio = Sentinels::start(&SentinelsConfig::steady());
    let primary = trio.primary_index();
    trio.nodes[primary].kill();
    let report = report_on_redis(&trio.url(), 1);
    let expected = format!("{}: ", address(&trio.nodes[primary]));
    assert_found(&report, "redis-connection", "fail", &expected);
    assert_found(&report, "redis-connection", "fail", "refused");
}

#[test]
fn each_primary_of_a_cluster_is_checked() {
    let cluster = Cluster::start(&ClusterConfig::steady());
    let report = report_on_redis(&cluster.url(), 0);
    for id in CHECKS {
        assert_status(&report, id, "pass");
    }
    for node in &cluster.nodes {
        assert!(
            connection_text(&report).contains(&address(node)),
            "{report:#}"
        );
    }
}

/// The other primaries serve, among them the one of the leases.
#[test]
fn unreachable_primary_of_a_cluster_is_named() {
    let mut cluster = Cluster::start(&ClusterConfig::steady());
    let lease = cluster.owner_of_key(LEASE);
    let down = (lease + 1) % cluster.nodes.len();
    cluster.nodes[down].kill();
    let report = report_on_redis(&cluster.url(), 1);
    let expected = format!("{}: ", address(&cluster.nodes[down]));
    assert_found(&report, "redis-connection", "fail", "1 of 3 primaries");
    assert_found(&report, "redis-connection", "fail", &expected);
    assert_found(&report, "redis-connection", "fail", "refused");
    assert!(
        !connection_text(&report).contains(&format!("{}: ", address(&cluster.nodes[lease]))),
        "{report:#}"
    );
}
