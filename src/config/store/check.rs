//! The start-up checks of Redis, and their names in `store.redis.ignore_checks`.

use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A start-up check of Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Redis 7.0 or later, or Valkey.
    Version,
    /// `maxmemory-policy noeviction`. Every session has a TTL, so any other policy evicts live
    /// sessions.
    Eviction,
    /// `maxmemory` is large enough for `session.max_live` sessions.
    Memory,
    /// The ACL allows scripts and all commands that they call.
    Acl,
    /// A round trip takes less than a quarter of `store.redis.command_timeout`.
    Latency,
    /// Each primary with `min-replicas-to-write` has two replicas.
    Replicas,
}

impl Check {
    /// Every check.
    pub const ALL: [Self; 6] = [
        Self::Version,
        Self::Eviction,
        Self::Memory,
        Self::Acl,
        Self::Latency,
        Self::Replicas,
    ];

    /// Whether a failure keeps a starting replica unready. One that serves is never made unready.
    #[must_use]
    pub const fn prevents_start(self) -> bool {
        match self {
            Self::Version | Self::Eviction | Self::Memory | Self::Acl | Self::Latency => true,
            // It also fails while a second replica of Redis restarts, and sign-ins work until the
            // next failover.
            Self::Replicas => false,
        }
    }

    /// The name in `store.redis.ignore_checks`, on `/readyz` and in the log.
    pub(in crate::config) const fn name(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Eviction => "eviction",
            Self::Memory => "memory",
            Self::Acl => "acl",
            Self::Latency => "latency",
            Self::Replicas => "replicas",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for Check {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let has_name = |check: &Self| check.name() == text;
        Self::ALL.into_iter().find(has_name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name);
            format!("expected one of {}", names.join(", "))
        })
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
