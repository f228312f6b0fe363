//! The section `limits`: rates per client.

use crate::config::Problem;
use crate::config::lenient::leaf;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::time::Duration;

/// At about 64 bytes a client, more would be no bound: 640 MB.
const MAX_KEYS: usize = 10_000_000;

/// Rates per client, on each replica.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Clients remembered per limiter.
    pub max_keys: usize,
    /// Creations and discoveries.
    pub create: Rate,
    /// Polls, writes and deletes.
    pub session: Rate,
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
        let limits = Limits {
            max_keys: self.max_keys,
            create: create?,
            session: session?,
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
