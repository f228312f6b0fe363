//! The quotas of a store: live sessions in total, and of each client, network, user and wide network.

use crate::config::limits::{Fraction, LimitsConfig, Rate, RateConfig};
use crate::config::session::SessionConfig;
use crate::model::{Limit, LimitSet};
use crate::model::{Owner, Principal, SessionId, WideNetwork};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Wide networks count one session in eight, if `max_live` is at least `SAMPLED_FROM`. A count of each
/// would cost Redis half as much again for a creation, and their shares need no exact one: of 5,000
/// sessions the estimate is off by 187 (one standard deviation).
const SAMPLED: u64 = 8;
const SAMPLED_FROM: u64 = 4096;

/// The limits of one store, from the configuration's sections `session` and `limits`.
#[derive(Debug, Clone)]
pub struct SessionLimits {
    /// Lifetime of a session from its creation; writes do not extend it.
    pub ttl: Duration,
    /// Maximum number of live sessions over all replicas. Past it, creations are rejected.
    pub max_live: u64,
    /// Maximum number of writes to one session, at most 250 (`session.max_writes`). A payload has
    /// at most 4 KiB, so this bounds the bytes too.
    pub max_writes: u64,
    /// Maximum number of txnIds that one session records.
    pub max_txn_ids: usize,
    /// The shares of the principals.
    pub shares: Arc<CurrentShares>,
    /// Chooses the sessions that wide networks count.
    pub sampler: Sampler,
}

impl SessionLimits {
    /// The limits of a configuration, with the shares that a reload may replace.
    #[must_use]
    pub fn new(session: &SessionConfig, shares: Arc<CurrentShares>) -> Self {
        Self {
            ttl: session.ttl,
            max_live: session.max_live,
            max_writes: session.max_writes,
            max_txn_ids: session.max_txn_ids,
            shares,
            sampler: Sampler::default(),
        }
    }
}

/// Chooses sessions by a keyed hash of their id.
///
/// The key is secret. So a client learns whether a session is in the sample only at the limit of its
/// network, from the answer to its next creation (`SessionLimits::is_released`). A client that
/// knew it at once could keep only sessions of the sample, and use up the share of its network with few.
#[derive(Debug, Clone, Default)]
pub struct Sampler(RandomState);

impl Sampler {
    fn is_in_sample(&self, id: SessionId) -> bool {
        self.0.hash_one(id.as_bytes()).is_multiple_of(SAMPLED)
    }
}

/// The shares in force, replaced on a reload. `None` if `limits.enabled` is false.
#[derive(Debug, Default)]
pub struct CurrentShares(RwLock<Option<Shares>>);

impl CurrentShares {
    /// Creates it with these shares.
    #[must_use]
    pub fn new(shares: Option<Shares>) -> Self {
        Self(RwLock::new(shares))
    }

    /// Replaces the shares.
    pub fn set(&self, shares: Option<Shares>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = shares;
    }

    pub(super) fn get(&self) -> Option<Shares> {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The share of each kind of principal, over all replicas. Past it, a principal's creations are
/// rejected.
#[derive(Debug, Clone, Copy)]
pub struct Shares {
    /// One client, an IPv4 address or an IPv6 /64.
    pub client: Share,
    /// One IPv6 /48.
    pub network: Share,
    /// One user.
    pub user: Share,
    /// One wide network.
    pub wide: WideShares,
    /// Limits in shadow mode, which count and reject nothing.
    pub shadow: LimitSet,
}

impl Shares {
    /// The shares of the configuration, or `None` if `limits.enabled` is false.
    #[must_use]
    pub fn from_config(limits: &LimitsConfig) -> Option<Self> {
        let RateConfig { create, live, .. } = limits.rates?;
        let share = |live, create| Share { live, create };
        Some(Self {
            client: share(live.client, create.client),
            network: share(live.network, create.network),
            user: share(live.user, create.user),
            wide: WideShares {
                ipv4_24: live.ipv4_24,
                ipv4_16: live.ipv4_16,
                ipv6_40: live.ipv6_40,
                ipv6_32: live.ipv6_32,
            },
            shadow: limits.shadow,
        })
    }
}

/// The share of each size of wide network, as a fraction of `max_live`. Creations have no rate:
/// the rates of the clients in a network bound how fast it can create.
#[derive(Debug, Clone, Copy)]
pub struct WideShares {
    /// One IPv4 /24.
    pub ipv4_24: Fraction,
    /// One IPv4 /16.
    pub ipv4_16: Fraction,
    /// One IPv6 /40.
    pub ipv6_40: Fraction,
    /// One IPv6 /32.
    pub ipv6_32: Fraction,
}

impl WideShares {
    /// The share of a network of this size, and the name of its limit.
    const fn get(&self, size: WideNetwork) -> (Fraction, Limit) {
        match size {
            WideNetwork::Ipv4Slash24 => (self.ipv4_24, Limit::LiveIpv4Slash24),
            WideNetwork::Ipv4Slash16 => (self.ipv4_16, Limit::LiveIpv4Slash16),
            WideNetwork::Ipv6Slash40 => (self.ipv6_40, Limit::LiveIpv6Slash40),
            WideNetwork::Ipv6Slash32 => (self.ipv6_32, Limit::LiveIpv6Slash32),
        }
    }
}

/// The share of one principal.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    /// Live sessions. The share shrinks once `max_live` is half used, down to one when a tenth of
    /// it is left.
    pub live: u64,
    /// Rate of creations. Only the Redis store counts it. With the memory store there is a single
    /// replica, and `limits::replica` counts.
    pub create: Rate,
}

/// A principal, its shares, and the names of their limits.
#[derive(Debug)]
pub(super) struct ShareClaim {
    pub(super) principal: Principal,
    /// Live sessions.
    pub(super) live: (u64, Limit),
    /// Rate of creations. All claims with a rate come before those without.
    pub(super) create: Option<(Rate, Limit)>,
    /// Whether the session counts towards `live`, and is not only checked. All claims that count come
    /// before those that do not.
    pub(super) is_counted: bool,
}

impl SessionLimits {
    /// The shares that a session of this owner has to fit into.
    ///
    /// The `sampler` of this process decides whether wide networks count the session. The store keeps
    /// which principals a deletion releases, so another process can delete it.
    pub(super) fn claims(&self, owner: &Owner, id: SessionId) -> impl Iterator<Item = ShareClaim> {
        let is_sampled = self.max_live >= SAMPLED_FROM;
        let sample_of_all = self.max_live / if is_sampled { SAMPLED } else { 1 };
        let is_in_sample = !is_sampled || self.sampler.is_in_sample(id);
        self.shares.get().into_iter().flat_map(move |shares| {
            owner.principals().map(move |principal| {
                let with_rate =
                    |share: Share, live, create| ((share.live, live), Some((share.create, create)));
                let (live, create) = match principal {
                    Principal::Client(_) => {
                        with_rate(shares.client, Limit::LiveClient, Limit::CreateClient)
                    }
                    Principal::Network(_) => {
                        with_rate(shares.network, Limit::LiveNetwork, Limit::CreateNetwork)
                    }
                    Principal::User(_) => {
                        with_rate(shares.user, Limit::LiveUser, Limit::CreateUser)
                    }
                    Principal::Wide(size, _) => {
                        let (share, limit) = shares.wide.get(size);
                        ((share.of(sample_of_all), limit), None)
                    }
                };
                ShareClaim {
                    is_counted: is_in_sample || create.is_some(),
                    principal,
                    live,
                    create,
                }
            })
        })
    }

    /// Whether a deletion gives the place of a session of this principal back.
    ///
    /// A wide network that counts a sample counts a deleted session until it would have expired. A client
    /// at the limit can find out which sessions are in the sample. It could otherwise delete those and
    /// keep the others, again and again.
    pub(super) fn is_released(&self, principal: &Principal) -> bool {
        self.max_live < SAMPLED_FROM || !matches!(principal, Principal::Wide(..))
    }

    /// Whether a limit is in shadow mode.
    pub(super) fn is_shadow(&self, limit: Limit) -> bool {
        self.shares
            .get()
            .is_some_and(|shares| shares.shadow.has(limit))
    }

    /// The share of live sessions when `total` sessions live: unchanged up to half of `max_live`,
    /// then shrinking with the square of the free rest, down to one
    /// (docs/adr/0011-per-client-session-quotas.md). `check_lease.lua` computes the same.
    pub(super) fn reduced_share(&self, share: u64, total: u64) -> u64 {
        let free = u128::from(self.max_live.saturating_sub(total));
        let max_live = u128::from(self.max_live.max(1));
        // The square of twice the free rest. Below 2^128, since no share is above 2^30 and no
        // `max_live` above 2^48.
        let reduced = u128::from(share) * (2 * free).pow(2) / max_live.pow(2);
        u64::try_from(reduced).unwrap_or(share).clamp(1, share)
    }
}

#[cfg(test)]
mod tests;
