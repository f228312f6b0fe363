//! The section `limits`: rates and shares of clients, of IPv6 networks and of users, and where not from.

use crate::config::Problem;
use crate::config::de::{leaf, list};
use crate::config::network::Network;
use crate::model::{Limit, LimitSet};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::time::Duration;

/// At about 64 bytes a client, more would be no bound: 640 MB.
const MAX_KEYS: usize = 10_000_000;

/// As many as `session.max_live` may be.
const MAX_SHARE: u64 = 100_000_000;

/// How long an allowance that is used up may take to be whole again. The limiter counts in nanoseconds, and in Redis
/// a rate is kept that long.
const LONGEST_RECOVERY: Duration = Duration::from_hours(24);

/// What one may ask for, and who may not.
#[derive(Debug, Clone)]
pub struct LimitsConfig {
    /// What is counted, or `None` where nothing is.
    pub counted: Option<RateConfig>,
    /// Who may not.
    pub deny: Deny,
    /// Limits that count what they would refuse, and let it pass.
    pub shadow: LimitSet,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateConfig {
    /// Clients, networks, users or sessions remembered per rate, on each replica.
    pub max_keys: usize,
    /// Creations, on each replica and over all of them; discoveries on each.
    pub create: Create,
    /// Polls, writes and deletes, on each replica.
    pub requests: Requests,
    /// Live sessions, over all replicas.
    pub live: Live,
}

/// Rates of creations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Create {
    /// Of one client.
    pub client: Rate,
    /// Of one IPv6 /48.
    pub network: Rate,
    /// Of one user.
    pub user: Rate,
}

/// Rates of requests on sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requests {
    /// Of one client.
    pub client: Rate,
    /// Of one IPv6 /48.
    pub network: Rate,
    /// On one session.
    pub session: Rate,
}

/// Live sessions that one may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Live {
    /// One client.
    #[serde(deserialize_with = "leaf")]
    pub client: u64,
    /// One IPv6 /48.
    #[serde(deserialize_with = "leaf")]
    pub network: u64,
    /// One user.
    #[serde(deserialize_with = "leaf")]
    pub user: u64,
}

/// So many at once, then one per `period`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests at once.
    pub burst: NonZeroU32,
    /// Time until one more is allowed.
    pub period: Duration,
}

/// Addresses that may not.
#[derive(Debug, Clone, Default)]
pub struct Deny {
    /// Create sessions, or ask whether they may.
    pub create: Vec<IpNet>,
    /// Read, write or delete them.
    pub requests: Vec<IpNet>,
}

/// The section as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawLimits {
    #[serde(deserialize_with = "leaf")]
    enabled: bool,
    #[serde(deserialize_with = "leaf")]
    max_keys: usize,
    #[serde(deserialize_with = "list")]
    shadow: Vec<Limit>,
    create: RawCreate,
    requests: RawRequests,
    live: Live,
    deny: RawDeny,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCreate {
    client: RawRate,
    network: RawRate,
    user: RawRate,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRequests {
    client: RawRate,
    network: RawRate,
    session: RawRate,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRate {
    #[serde(deserialize_with = "leaf")]
    burst: u32,
    #[serde(deserialize_with = "leaf")]
    per_second: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDeny {
    #[serde(deserialize_with = "list")]
    create: Vec<Network>,
    #[serde(deserialize_with = "list")]
    requests: Vec<Network>,
}

impl RawLimits {
    pub(super) fn validate(&self, problems: &mut Vec<Problem>) -> Option<LimitsConfig> {
        if !(1..=MAX_KEYS).contains(&self.max_keys) {
            problems.push(Problem::new(
                "limits.max_keys",
                "must be between 1 and 10000000",
            ));
        }
        for (whose, share) in [
            ("client", self.live.client),
            ("network", self.live.network),
            ("user", self.live.user),
        ] {
            if !(1..=MAX_SHARE).contains(&share) {
                let key = format!("limits.live.{whose}");
                problems.push(Problem::new(key, "must be between 1 and 100000000"));
            }
        }
        if self.shadow.contains(&Limit::LiveTotal) {
            let reason = "live_total is session.max_live, which keeps the store alive";
            problems.push(Problem::new("limits.shadow", reason));
        }
        let mut rate = |of: RawRate, key: &str| of.validate(&format!("limits.{key}"), problems);
        let (create, requests) = (self.create, self.requests);
        let create = (
            rate(create.client, "create.client"),
            rate(create.network, "create.network"),
            rate(create.user, "create.user"),
        );
        let requests = (
            rate(requests.client, "requests.client"),
            rate(requests.network, "requests.network"),
            rate(requests.session, "requests.session"),
        );
        let counted = RateConfig {
            max_keys: self.max_keys,
            create: Create {
                client: create.0?,
                network: create.1?,
                user: create.2?,
            },
            requests: Requests {
                client: requests.0?,
                network: requests.1?,
                session: requests.2?,
            },
            live: self.live,
        };
        let networks = |list: &[Network]| list.iter().map(|network| network.0).collect();
        Some(LimitsConfig {
            counted: self.enabled.then_some(counted),
            deny: Deny {
                create: networks(&self.deny.create),
                requests: networks(&self.deny.requests),
            },
            shadow: self.shadow.iter().copied().collect(),
        })
    }
}

impl RawRate {
    fn validate(self, section: &str, problems: &mut Vec<Problem>) -> Option<Rate> {
        let burst = NonZeroU32::new(self.burst);
        if burst.is_none() {
            problems.push(Problem::new(
                format!("{section}.burst"),
                "must be at least 1",
            ));
        }
        // One an hour to a thousand a millisecond; the limiter counts in nanoseconds.
        if !(1.0 / 3600.0..=1e6).contains(&self.per_second) {
            problems.push(Problem::new(
                format!("{section}.per_second"),
                "must be between 0.0003 and 1000000",
            ));
            return None;
        }
        let (burst, period) = (burst?, Duration::from_secs_f64(1.0 / self.per_second));
        let recovery = period.checked_mul(burst.get());
        if recovery.is_none_or(|recovery| recovery > LONGEST_RECOVERY) {
            let reason = "a burst that takes longer than a day to be allowed again is none";
            problems.push(Problem::new(format!("{section}.burst"), reason));
            return None;
        }
        Some(Rate { burst, period })
    }
}
