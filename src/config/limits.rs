//! The section `limits`: rates per client, and shares of the live sessions.

use crate::config::Problem;
use crate::config::lenient::leaf;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::time::Duration;

/// At about 64 bytes a client, more would be no bound: 640 MB.
const MAX_KEYS: usize = 10_000_000;

/// More than any Redis holds; Lua counts exactly up to 2^53.
const MAX_SHARE: u64 = 1_000_000_000;

/// Rates per client on each replica, and shares over all of them.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Clients remembered per limiter.
    pub max_keys: usize,
    /// Creations and discoveries.
    pub create: Rate,
    /// Polls, writes and deletes.
    pub session: Rate,
    /// Live sessions, over all replicas.
    pub live: Live,
}

/// Live sessions that one may have.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// Requests at once.
    pub burst: NonZeroU32,
    /// Time until one more is allowed.
    pub period: Duration,
}

/// The section as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawLimits {
    #[serde(deserialize_with = "leaf")]
    enabled: bool,
    #[serde(deserialize_with = "leaf")]
    max_keys: usize,
    create: RawRate,
    session: RawRate,
    live: Live,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRate {
    #[serde(deserialize_with = "leaf")]
    burst: u32,
    #[serde(deserialize_with = "leaf")]
    per_second: f64,
}

impl RawLimits {
    pub(super) fn validate(&self, problems: &mut Vec<Problem>) -> Option<Limits> {
        if !(1..=MAX_KEYS).contains(&self.max_keys) {
            problems.push(Problem::new(
                "limits.max_keys",
                "must be between 1 and 10000000",
            ));
        }
        let create = self.create.validate("limits.create", problems);
        let session = self.session.validate("limits.session", problems);
        for (key, share) in [
            ("limits.live.client", self.live.client),
            ("limits.live.network", self.live.network),
            ("limits.live.user", self.live.user),
        ] {
            if !(1..=MAX_SHARE).contains(&share) {
                problems.push(Problem::new(key, "must be between 1 and 1000000000"));
            }
        }
        let limits = Limits {
            max_keys: self.max_keys,
            create: create?,
            session: session?,
            live: self.live,
        };
        self.enabled.then_some(limits)
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
        Some(Rate {
            burst: burst?,
            period: Duration::from_secs_f64(1.0 / self.per_second),
        })
    }
}
