//! A Redis Cluster of one node, which has all slots.
//!
//! For tests of the scripts of a Cluster: like any Cluster it rejects a script with keys of two
//! slots, and all keys are on one server.

use super::RedisServer;
use crate::process::free_port;
use crate::proxy::Proxy;
use crate::until;

/// The running node.
#[derive(Debug)]
pub struct OneNodeCluster {
    /// The node. Its own [`url`](RedisServer::url) is not one of a Cluster.
    pub node: RedisServer,
}

impl OneNodeCluster {
    /// Starts the node, and waits until it reports `cluster_state:ok`, which takes two seconds.
    pub fn start() -> Self {
        let bus = free_port().to_string();
        let enabled = ["--cluster-enabled", "yes", "--cluster-port", &bus];
        let announce = ["--cluster-announce-ip", "127.0.0.1"];
        let node = RedisServer::start_with(&[&enabled[..], &announce].concat());
        node.assert_ok(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
        until("the node reports cluster_state:ok", || {
            let info = node.command(&["CLUSTER", "INFO"]).text();
            info.contains("cluster_state:ok")
        });
        Self { node }
    }

    /// A URL of the node. Clients connect to the port that it announces.
    pub fn url(&self) -> String {
        format!("redis-cluster://{}", self.node.address())
    }

    /// Makes the node announce a proxy in front of it, so that all clients connect through it.
    pub fn announce(&self, proxy: &Proxy) {
        let port = proxy.address().port().to_string();
        self.node
            .assert_ok(&["CONFIG", "SET", "cluster-announce-port", &port]);
    }
}
