//! The section `session`: bounds of sessions.

use crate::config::Problem;
use crate::config::de::{HumanDuration, leaf};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Outside this a sign-in cannot finish, or a mailbox becomes storage.
const TTL: std::ops::RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_hours(1);

/// More than any Redis holds.
const MAX_LIVE: u64 = 100_000_000;

/// At 41 bytes a record, more would cost more than ten payloads.
const MAX_TXN_IDS: usize = 1024;

/// Bounds of sessions.
#[derive(Debug, Clone, Copy)]
pub struct SessionConfig {
    /// Lifetime from creation.
    pub ttl: Duration,
    /// Live sessions over all replicas.
    pub max_live: u64,
    /// Writes to one session.
    pub max_writes: u64,
    /// Transaction ids recorded per session.
    pub max_txn_ids: usize,
}

/// The section as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSession {
    #[serde(deserialize_with = "leaf")]
    ttl: HumanDuration,
    #[serde(deserialize_with = "leaf")]
    max_live: u64,
    #[serde(deserialize_with = "leaf")]
    max_writes: u64,
    #[serde(deserialize_with = "leaf")]
    max_txn_ids: usize,
}

impl RawSession {
    pub(super) fn validate(&self, problems: &mut Vec<Problem>) -> SessionConfig {
        if !TTL.contains(&self.ttl.0) {
            problems.push(Problem::new("session.ttl", "must be between 10s and 1h"));
        }
        // Lua's numbers are exact up to 2^53, and acquire_lease.lua multiplies this by itself and by a share. A hundred million
        // sessions are 700 GB of Redis.
        if !(1..=MAX_LIVE).contains(&self.max_live) {
            problems.push(Problem::new(
                "session.max_live",
                "must be between 1 and 100000000",
            ));
        }
        // A sign-in makes about eight writes; fewer than twice that would end it where one is in doubt. The count
        // is a byte in Redis.
        if !(16..=250).contains(&self.max_writes) {
            problems.push(Problem::new(
                "session.max_writes",
                "must be between 16 and 250",
            ));
        }
        if !(1..=MAX_TXN_IDS).contains(&self.max_txn_ids) {
            problems.push(Problem::new(
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
