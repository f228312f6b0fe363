//! Two workers on one Redis, one of them behind a proxy that loses chosen messages.

use crate::server::{NO_WAIT, Server, ready_on};
use testkit::proxy::{Fault, Proxy};
use testkit::redis::RedisServer;
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

/// One Redis, a worker behind the proxy and a worker with a direct connection.
pub struct TwoWorkers {
    pub redis: RedisServer,
    pub proxy: Proxy,
    pub faulty: Server,
    pub sound: Server,
}

impl TwoWorkers {
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// The same, with settings for the worker behind the proxy.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let redis = RedisServer::start();
        let proxy = Proxy::start(redis.address());
        let faulty = ready_on(&proxy.url(), &[&SHARES[..], &[NO_WAIT], settings].concat());
        let sound = ready_on(&redis.url(), &SHARES);
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
