//! The section `limits`: rates, live-session limits, shadow mode and deny lists.

mod live;

use crate::config::ConfigProblem;
use crate::config::address_range::Network;
use crate::config::de::{list, scalar};
use crate::model::{DenyList, Limit, LimitSet, ShadowRule};
use ipnet::IpNet;
use live::RawLive;
pub use live::{Fraction, LiveConfig};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::time::Duration;

/// Upper bound of `limits.max_keys`: at about 64 bytes per key, 640 MB for one rate.
pub(super) const MAX_KEYS: usize = 10_000_000;

/// Range of a rate, per second: from one an hour to a thousand a millisecond, as the limiter counts in
/// nanoseconds.
pub(super) const RATE_RANGE: std::ops::RangeInclusive<f64> = 1.0 / 3600.0..=1e6;

/// Upper bound of the time in which an exhausted burst becomes available again. The limiter counts
/// in nanoseconds, and Redis keeps the state of a rate for this time.
const MAX_RECOVERY: Duration = Duration::from_hours(24);

/// The validated section `limits`.
#[derive(Debug, Clone)]
pub struct LimitsConfig {
    /// Rates and live-session limits, or `None` if `limits.enabled` is false.
    pub rates: Option<RateConfig>,
    /// The deny lists.
    pub deny: DenyConfig,
    /// Limits in shadow mode: they count what they would reject, and let it pass.
    pub shadow: LimitSet,
}

/// Rates and live-session limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateConfig {
    /// Upper bound of the clients, networks, users or sessions that each rate remembers, on each
    /// replica.
    pub max_keys: usize,
    /// Rates of creations, on each replica and over all replicas. Discoveries have the same rates,
    /// on each replica.
    pub create: CreateRates,
    /// Rates of polls, writes and deletions, on each replica.
    pub requests: RequestRates,
    /// Limits of live sessions, over all replicas.
    pub live: LiveConfig,
}

/// Rates of creations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreateRates {
    /// Per client.
    pub client: Rate,
    /// Per IPv6 /48.
    pub network: Rate,
    /// Per user.
    pub user: Rate,
}

/// Rates of requests on sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestRates {
    /// Per client.
    pub client: Rate,
    /// Per IPv6 /48.
    pub network: Rate,
    /// Per session.
    pub session: Rate,
}

/// A rate: `burst` requests at once, then one per `period`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests that may come at once.
    pub burst: NonZeroU32,
    /// Time until one more request is allowed.
    pub period: Duration,
}

/// The deny lists.
#[derive(Debug, Clone, Default)]
pub struct DenyConfig {
    /// Addresses that may not create or discover sessions.
    pub create: DenyListConfig,
    /// Addresses that may not read, write or delete sessions, nor request an unknown path.
    pub requests: DenyListConfig,
}

/// One deny list.
#[derive(Debug, Clone, Default)]
pub struct DenyListConfig {
    /// The denied address ranges.
    pub networks: Vec<IpNet>,
    /// Whether the list is in shadow mode: it counts the requests that it would reject, and lets
    /// them pass.
    pub is_shadow: bool,
}

/// The section as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawLimits {
    #[serde(deserialize_with = "scalar")]
    enabled: bool,
    #[serde(deserialize_with = "scalar")]
    max_keys: usize,
    #[serde(deserialize_with = "list")]
    shadow: Vec<ShadowRule>,
    create: RawCreate,
    requests: RawRequests,
    live: RawLive,
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
    #[serde(deserialize_with = "scalar")]
    burst: u32,
    #[serde(deserialize_with = "scalar")]
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
    pub(super) fn validate(&self, problems: &mut Vec<ConfigProblem>) -> Option<LimitsConfig> {
        if !(1..=MAX_KEYS).contains(&self.max_keys) {
            problems.push(ConfigProblem::new(
                "limits.max_keys",
                "must be between 1 and 10000000",
            ));
        }
        if self.shadow.contains(&Limit::LiveTotal.into()) {
            let reason = "must not contain live_total: session.max_live keeps the store from \
                          running out of memory";
            problems.push(ConfigProblem::new("limits.shadow", reason));
        }
        let mut rate = |raw: RawRate, key: &str| raw.validate(&format!("limits.{key}"), problems);
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
        let live = self.live.validate(problems);
        let rates = RateConfig {
            max_keys: self.max_keys,
            create: CreateRates {
                client: create.0?,
                network: create.1?,
                user: create.2?,
            },
            requests: RequestRates {
                client: requests.0?,
                network: requests.1?,
                session: requests.2?,
            },
            live: live?,
        };
        let limits = self.shadow.iter().filter_map(|rule| match rule {
            ShadowRule::Limit(limit) => Some(*limit),
            ShadowRule::Deny(_) => None,
        });
        Some(LimitsConfig {
            rates: self.enabled.then_some(rates),
            deny: DenyConfig {
                create: self.deny_list(DenyList::Create, &self.deny.create),
                requests: self.deny_list(DenyList::Requests, &self.deny.requests),
            },
            shadow: limits.collect(),
        })
    }

    fn deny_list(&self, list: DenyList, networks: &[Network]) -> DenyListConfig {
        DenyListConfig {
            networks: networks.iter().map(|network| network.0).collect(),
            is_shadow: self.shadow.contains(&list.into()),
        }
    }
}

impl LimitsConfig {
    /// Appends a warning if a client's request rate is too low for the polls of its live sessions.
    pub(super) fn warnings(&self, warnings: &mut Vec<String>) {
        let Some(rates) = self.rates else { return };
        let (live, period) = (rates.live.client, rates.requests.client.period);
        // Two devices per session poll once a second each. In thousandths, so that 1.0 is exact.
        let polls = period.as_micros().saturating_mul(u128::from(live) * 2) / 1000;
        if polls > 1000 {
            warnings.push(format!(
                "limits.requests.client is too low for the polls of limits.live.client = {live} \
                 sessions (2 per second each): if that many sign-ins run behind one address, they \
                 end with a 429"
            ));
        }
    }
}

impl RawRate {
    fn validate(self, key_prefix: &str, problems: &mut Vec<ConfigProblem>) -> Option<Rate> {
        let burst_key = format!("{key_prefix}.burst");
        let burst = NonZeroU32::new(self.burst);
        if burst.is_none() {
            problems.push(ConfigProblem::new(burst_key.clone(), "must be at least 1"));
        }
        if !RATE_RANGE.contains(&self.per_second) {
            problems.push(ConfigProblem::new(
                format!("{key_prefix}.per_second"),
                "must be between 0.0003 and 1000000",
            ));
            return None;
        }
        let (burst, period) = (burst?, Duration::from_secs_f64(1.0 / self.per_second));
        let recovery = period.checked_mul(burst.get());
        if recovery.is_none_or(|recovery| recovery > MAX_RECOVERY) {
            let reason = "burst / per_second must not exceed 24h";
            problems.push(ConfigProblem::new(burst_key, reason));
            return None;
        }
        Some(Rate { burst, period })
    }
}
