//! How much a store lets in: of all, and of each client, network and user.

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
    /// Live sessions over all replicas; newcomers past it are refused.
    pub max_live: u64,
    /// Writes that one session takes, at most 254; at 4 KiB each, the bytes too.
    pub max_writes: u64,
    /// txnIds that one session records.
    pub max_txn_ids: usize,
    /// What each principal may have.
    pub shares: Arc<CurrentShares>,
}

/// What each principal may have, as long as it does not change; `None` where nobody is counted.
#[derive(Debug, Default)]
pub struct CurrentShares(RwLock<Option<Shares>>);

impl CurrentShares {
    /// These, until others are set.
    #[must_use]
    pub fn new(shares: Option<Shares>) -> Self {
        Self(RwLock::new(shares))
    }

    /// From now on these.
    pub fn set(&self, shares: Option<Shares>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = shares;
    }

    pub(super) fn get(&self) -> Option<Shares> {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What each principal may have, over all replicas; past it newcomers are refused.
#[derive(Debug, Clone, Copy)]
pub struct Shares {
    /// One client, an IPv4 address or an IPv6 /64.
    pub client: Share,
    /// One IPv6 /48.
    pub network: Share,
    /// One user.
    pub user: Share,
    /// Limits that only count.
    pub shadow: LimitSet,
}

impl Shares {
    /// What the configuration gives each, or `None` where nobody is counted.
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

/// What one principal may have.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    /// Live sessions. From half of `max_live` on it shrinks, down to one where a tenth of the places is left.
    pub live: u64,
    /// Creations. The embedded store does not count them: there is one replica then, and `policy` counts.
    pub create: Rate,
}

/// A principal, what they may have, and the names of the two limits.
#[derive(Debug)]
pub(super) struct ShareClaim {
    pub(super) principal: Principal,
    pub(super) share: Share,
    pub(super) live_limit: Limit,
    pub(super) create_limit: Limit,
}

impl SessionLimits {
    /// Who is counted for a session of this owner.
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

    /// Whether a limit only counts.
    pub(super) fn is_shadow(&self, limit: Limit) -> bool {
        self.shares
            .get()
            .is_some_and(|shares| shares.shadow.has(limit))
    }

    /// A share of live sessions, when so many live in all: whole up to half of `max_live`, then shrinking by the
    /// square of what is left, to one (docs/adr/0011-per-client-session-quotas.md). `acquire_lease.lua` says the same.
    pub(super) fn reduced_share(&self, share: u64, total: u64) -> u64 {
        let left = u128::from(self.max_live.saturating_sub(total));
        let all = u128::from(self.max_live.max(1));
        // Twice what is left, squared; below 2^128, since no share is above 2^30 and no `max_live` above 2^48.
        let shrunk = u128::from(share) * (2 * left).pow(2) / all.pow(2);
        u64::try_from(shrunk).unwrap_or(share).clamp(1, share)
    }
}
