//! The section `session`: lifetime and bounds of sessions.

use crate::config::ConfigProblem;
use crate::config::de::{HumanDuration, scalar};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Range of `session.ttl`. Below it a sign-in cannot finish; above it a session could be used as
/// storage.
const TTL_RANGE: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(10)..=Duration::from_hours(1);

/// Upper bound of `session.max_live`: 100 million sessions take 700 GB of Redis.
pub(super) const MAX_LIVE: u64 = 100_000_000;

/// Range of `session.max_writes`. A sign-in makes about eight writes, and a client repeats a write of
/// unknown outcome. With fewer than twice eight, retries could end the sign-in. Redis stores the count as
/// one byte.
pub(super) const WRITES_RANGE: std::ops::RangeInclusive<u64> = 16..=250;

/// Upper bound of `session.max_txn_ids`. A record has 41 bytes, so 1024 cost as much as ten
/// payloads.
pub(super) const MAX_TXN_IDS: usize = 1024;

/// The validated section `session`.
#[derive(Debug, Clone, Copy)]
pub struct SessionConfig {
    /// Lifetime of a session from its creation.
    pub ttl: Duration,
    /// Upper bound of live sessions, over all replicas.
    pub max_live: u64,
    /// Upper bound of writes to one session.
    pub max_writes: u64,
    /// Upper bound of recorded transaction ids per session.
    pub max_txn_ids: usize,
}

/// The section as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSession {
    #[serde(deserialize_with = "scalar")]
    ttl: HumanDuration,
    #[serde(deserialize_with = "scalar")]
    max_live: u64,
    #[serde(deserialize_with = "scalar")]
    max_writes: u64,
    #[serde(deserialize_with = "scalar")]
    max_txn_ids: usize,
}

impl RawSession {
    pub(super) fn validate(&self, problems: &mut Vec<ConfigProblem>) -> SessionConfig {
        if !TTL_RANGE.contains(&self.ttl.0) {
            problems.push(ConfigProblem::new(
                "session.ttl",
                "must be between 10s and 1h",
            ));
        }
        // Lua's numbers are exact up to 2^53, and check_lease.lua multiplies this number by
        // itself and by a share.
        if !(1..=MAX_LIVE).contains(&self.max_live) {
            problems.push(ConfigProblem::new(
                "session.max_live",
                "must be between 1 and 100000000",
            ));
        }
        if !WRITES_RANGE.contains(&self.max_writes) {
            problems.push(ConfigProblem::new(
                "session.max_writes",
                "must be between 16 and 250",
            ));
        }
        if !(1..=MAX_TXN_IDS).contains(&self.max_txn_ids) {
            problems.push(ConfigProblem::new(
                "session.max_txn_ids",
                "must be between 1 and 1024",
            ));
        }
        SessionConfig {
            ttl: self.ttl.0,
            max_live: self.max_live,
            max_writes: self.max_writes,
            max_txn_ids: self.max_txn_ids,
        }
    }
}

impl SessionConfig {
    /// Appends a warning for each setting that is valid but probably unintended.
    pub(super) fn warnings(&self, warnings: &mut Vec<String>) {
        if !(Duration::from_mins(2)..=Duration::from_mins(5)).contains(&self.ttl) {
            warnings.push(format!(
                "session.ttl is {}, outside the 120s to 300s that MSC4388 recommends",
                HumanDuration(self.ttl)
            ));
        }
    }
}
