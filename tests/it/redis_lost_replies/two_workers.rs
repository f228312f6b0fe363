//! Two workers on one Redis, one of them behind a proxy that loses chosen messages.

use crate::server::{NO_WAIT, Server, ready_on};
use testkit::proxy::{Fault, Proxy};
use testkit::redis::RedisServer;
use testkit::redis::one_node_cluster::OneNodeCluster;
use testkit::until;

/// Each way to lose an exchange after its script may have run.
pub const LOSSES: [Fault; 3] = [Fault::CutCommand, Fault::CutReply, Fault::HoldReply];

/// Quotas are counted, and none rejects.
const SHARES: [(&str, &str); 4] = [
    ("limits.enabled", "true"),
    ("limits.create.client.burst", "40000"),
    ("limits.requests.client.burst", "1000000"),
    ("limits.live.client", "1000000"),
];

/// The kinds of Redis on which a session and its lease are changed by different scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One script changes both.
    Standalone,
    /// One script for each.
    Cluster,
}

/// One Redis, a worker behind the proxy and a worker with a direct connection.
///
/// A Cluster announces its own address, which is that of the proxy. So there both workers are behind
/// the proxy, and the sound one may not be used while a fault is armed.
pub struct TwoWorkers {
    pub redis: RedisServer,
    pub proxy: Proxy,
    pub faulty: Server,
    pub sound: Server,
}

impl TwoWorkers {
    pub fn start() -> Self {
        Self::on(Kind::Standalone, &[])
    }

    /// On a Redis of this kind, with settings for the worker behind the proxy.
    pub fn on(kind: Kind, settings: &[(&str, &str)]) -> Self {
        let (redis, proxy, [faulty_url, sound_url]) = match kind {
            Kind::Standalone => {
                let redis = RedisServer::start();
                let proxy = Proxy::start(redis.address());
                let urls = [proxy.url(), redis.url()];
                (redis, proxy, urls)
            }
            Kind::Cluster => {
                let cluster = OneNodeCluster::start();
                let proxy = Proxy::start(cluster.node.address());
                cluster.announce(&proxy);
                let urls = [cluster.url(), cluster.url()];
                (cluster.node, proxy, urls)
            }
        };
        let faulty = ready_on(&faulty_url, &[&SHARES[..], &[NO_WAIT], settings].concat());
        let sound = ready_on(&sound_url, &SHARES);
        Self {
            redis,
            proxy,
            faulty,
            sound,
        }
    }

    /// Expects this number of sessions, and of leases, after `what`.
    #[track_caller]
    pub fn until_live(&self, count: usize, what: &str) {
        until(
            &format!("{what}: {count} sessions and {count} leases are left"),
            || {
                let sessions = self.redis.command(&["KEYS", "mrv:s:{*}"]).array().len();
                let leases = self.redis.command(&["ZCARD", "mrv:{lease}:live"]).int();
                (sessions, usize::try_from(leases).expect("a count")) == (count, count)
            },
        );
    }

    /// Expects this number of sessions in the quota of the only client, after `what`.
    #[track_caller]
    pub fn until_share(&self, count: usize, what: &str) {
        until(&format!("{what}: {count} places are the client's"), || {
            let sets = self
                .redis
                .command(&["KEYS", "mrv:{lease}:c:????????????????"])
                .texts();
            assert!(sets.len() <= 1, "{sets:?}");
            let size = |set: &String| self.redis.command(&["ZCARD", set]).int();
            sets.iter().map(size).sum::<i64>() == i64::try_from(count).expect("a count")
        });
    }
}
