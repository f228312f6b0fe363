//! The quotas of a store: live sessions in total, and of each client, IPv6 /48 and user.

use crate::config::limits::{LimitsConfig, Rate, RateConfig};
use crate::model::{Limit, LimitSet};
use crate::model::{Owner, Principal};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

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
            shadow: limits.shadow,
        })
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

/// A principal, its share, and the names of the two limits.
#[derive(Debug)]
pub(super) struct ShareClaim {
    pub(super) principal: Principal,
    pub(super) share: Share,
    pub(super) live_limit: Limit,
    pub(super) create_limit: Limit,
}

impl SessionLimits {
    /// The shares that a session of this owner counts towards.
    pub(super) fn claims(&self, owner: &Owner) -> impl Iterator<Item = ShareClaim> {
        self.shares.get().into_iter().flat_map(move |shares| {
            owner.principals().map(move |principal| {
                let (share, live_limit, create_limit) = match principal {
                    Principal::Client(_) => (shares.client, Limit::LiveClient, Limit::CreateClient),
                    Principal::Network(_) => {
                        (shares.network, Limit::LiveNetwork, Limit::CreateNetwork)
                    }
                    Principal::User(_) => (shares.user, Limit::LiveUser, Limit::CreateUser),
                };
                ShareClaim {
                    principal,
                    share,
                    live_limit,
                    create_limit,
                }
            })
        })
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
