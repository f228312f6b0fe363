//! The leases of live sessions: acquired with a session, and released with it
//! (docs/adr/0003-lease-then-create.md). A lease counts towards the shares of its principals.
//! `combined` changes a session and its lease by one script, `separate` by one script for each.

mod combined;
mod separate;

use crate::model::{Limit, LimitExceeded, LimitSet, Owner, SessionId, SharedPseudonymKey};
use crate::store::redis::argument::Argument;
use crate::store::redis::keys::{Keys, PrincipalKeys, index_member};
use crate::store::redis::pseudonym_key_cache::{PseudonymKeyCache, principal_key};
use crate::store::redis::reply::ScriptReply;
use crate::store::redis::scripts::Scripts;
use crate::store::session_limits::ShareClaim;
use crate::store::{
    CreateResult, DeleteResult, NewSession, SessionLimits, StoreError, WithTimestamps,
};
use fred::types::Key;
use std::sync::Arc;
use std::time::Duration;

/// The scripts that create and delete a session with its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeaseScripts {
    /// One script for both, so one round trip: standalone Redis and Sentinel.
    Combined,
    /// One script for each, since each touches keys of one slot: Redis Cluster.
    Separate,
}

/// Acquires and releases leases.
#[derive(Debug)]
pub(super) struct Leases {
    pub(super) scripts: Arc<Scripts>,
    pub(super) lease_scripts: LeaseScripts,
    pub(super) keys: Keys,
    pub(super) limits: SessionLimits,
    /// TTL of a lease: the session's TTL and the command deadline. It bounds how long a lease
    /// without a session stays if this process dies between two scripts.
    hold: Duration,
    pseudonym_key: PseudonymKeyCache,
}

/// The principals of a lease, with their shares.
#[derive(Debug)]
pub(super) struct LeaseClaim {
    /// Those that the lease counts towards.
    principals: PrincipalKeys,
    /// How many of them a deletion releases: the first ones.
    released: usize,
    /// Those that are only checked.
    checked: PrincipalKeys,
    claims: Vec<ShareClaim>,
    /// Members of earlier tries of this creation, one after the other.
    earlier: Vec<u8>,
}

/// A lease that was just acquired.
#[derive(Debug)]
struct AcquiredLease {
    /// Limits in shadow mode that would have rejected the lease.
    shadowed: LimitSet,
    /// Expired leases that this call removed from the index.
    expired: u64,
}

impl Leases {
    pub(super) fn new(
        scripts: &Arc<Scripts>,
        lease_scripts: LeaseScripts,
        keys: &Keys,
        limits: SessionLimits,
        deadline: Duration,
        key: Arc<SharedPseudonymKey>,
    ) -> Self {
        Self {
            scripts: Arc::clone(scripts),
            lease_scripts,
            keys: keys.clone(),
            hold: limits.ttl + deadline,
            limits,
            pseudonym_key: PseudonymKeyCache::new(key),
        }
    }

    /// Time until a lease has expired.
    pub(super) fn ttl(&self) -> Duration {
        self.hold
    }

    /// Builds the claim for a session of this owner. A retry under another id uses the same claim.
    ///
    /// # Errors
    /// [`StoreError`] if the pseudonym key could not be fetched.
    pub(super) async fn claim(
        &self,
        owner: &Owner,
        id: SessionId,
    ) -> Result<LeaseClaim, StoreError> {
        let claims: Vec<ShareClaim> = self.limits.claims(owner, id).collect();
        let [mut principals, mut checked] = [(); 2].map(|()| PrincipalKeys::default());
        if !claims.is_empty() {
            let key = self.pseudonym_key.get(&self.scripts, &self.keys).await?;
            let keys_of = |is_counted| {
                let of = claims.iter();
                let of = of.filter(move |claim| claim.is_counted == is_counted);
                of.map(|claim| principal_key(&key, &claim.principal))
            };
            principals = keys_of(true).collect();
            checked = keys_of(false).collect();
        }
        let counted = claims.iter().filter(|claim| claim.is_counted);
        let released = counted
            .filter(|claim| self.limits.is_released(&claim.principal))
            .count();
        Ok(LeaseClaim {
            principals,
            released,
            checked,
            claims,
            earlier: Vec::new(),
        })
    }

    /// The arguments of `lua/check_lease.lua`.
    fn lease_arguments<'a>(&self, member: &'a [u8], claim: &'a LeaseClaim) -> Vec<Argument<'a>> {
        let mut arguments = vec![
            Argument::Bytes(member),
            Argument::millis(self.hold),
            Argument::Number(self.limits.max_live),
            Argument::Bytes(&claim.earlier),
            Argument::count(claim.claims.len()),
            Argument::count(claim.principals.iter().count()),
            Argument::count(claim.rates()),
        ];
        let shadow = |limit, letter: &'static str| {
            let is_shadow = self.limits.is_shadow(limit);
            Argument::Bytes(if is_shadow { letter.as_bytes() } else { b"" })
        };
        for share_claim in &claim.claims {
            let (share, limit) = share_claim.live;
            arguments.extend([Argument::Number(share), shadow(limit, "l")]);
        }
        for (rate, limit) in claim.claims.iter().filter_map(|claim| claim.create) {
            let period = rate.period.as_micros().max(1);
            arguments.extend([
                Argument::Number(period.try_into().unwrap_or(u64::MAX)),
                Argument::Number(rate.burst.get().into()),
                shadow(limit, "r"),
            ]);
        }
        arguments
    }

    /// The arguments of `lua/create_session.lua`.
    fn session_arguments<'a>(
        &self,
        new: &'a NewSession,
        claim: &'a LeaseClaim,
    ) -> [Argument<'a>; 5] {
        [
            Argument::Bytes(new.token.as_bytes()),
            Argument::Payload(&new.data),
            Argument::millis(self.limits.ttl),
            Argument::Bytes(claim.principals.first_bytes(claim.released)),
            Argument::timestamps(new.timestamps),
        ]
    }

    /// Acquires a lease and creates the session.
    ///
    /// # Errors
    /// [`StoreError`] if it is unknown whether the lease and the session exist.
    pub(super) async fn create(
        &self,
        new: &NewSession,
        claim: &LeaseClaim,
    ) -> Result<WithTimestamps<CreateResult>, StoreError> {
        match self.lease_scripts {
            LeaseScripts::Combined => self.create_with_lease(new, claim).await,
            LeaseScripts::Separate => self.acquire_then_create(new, claim).await,
        }
    }

    /// Deletes a session and releases its lease, if the two exist. `principals` are those to release;
    /// the combined script does not need them. Replicas need not have it: no client waits for it.
    ///
    /// # Errors
    /// [`StoreError`] if it is unknown whether both are gone.
    pub(super) async fn remove(
        &self,
        id: SessionId,
        principals: &PrincipalKeys,
    ) -> Result<(), StoreError> {
        match self.lease_scripts {
            LeaseScripts::Combined => ignore_replicas(self.delete_with_lease(id).await),
            LeaseScripts::Separate => {
                // The session comes first, so that the lease covers it to the end.
                ignore_replicas(self.delete_session(id).await)?;
                self.release(id, principals).await
            }
        }
    }

    /// Fetches the pseudonym key now, so that no creation has to.
    pub(super) async fn fetch_pseudonym_key(&self) -> Result<(), StoreError> {
        self.pseudonym_key.fetch(&self.scripts, &self.keys).await
    }

    /// Refreshes the pseudonym key every minute. Never returns.
    pub(super) async fn refresh_pseudonym_key(&self) {
        self.pseudonym_key
            .refresh_forever(&self.scripts, &self.keys)
            .await;
    }
}

impl LeaseClaim {
    /// Adds an id under which this creation was tried, with an unknown outcome. If it has a lease,
    /// that lease becomes the next id's, so that the creation counts once.
    pub(super) fn add_earlier(&mut self, id: SessionId) {
        self.earlier.extend_from_slice(&index_member(id));
    }

    /// The principals that a deletion of the session releases.
    pub(super) fn released(&self) -> PrincipalKeys {
        self.principals.first(self.released)
    }

    /// The keys of `lua/check_lease.lua`.
    fn keys(&self, keys: &Keys) -> Vec<Key> {
        keys.lease_and_rate_keys(&self.principals, &self.checked, self.rates())
    }

    /// Number of principals that have a rate of creations. They are the first.
    fn rates(&self) -> usize {
        let has_rate = |claim: &&ShareClaim| claim.create.is_some();
        self.claims.iter().filter(has_rate).count()
    }

    /// Parses the variable `acquired` of `lua/add_lease.lua`.
    fn parse_acquired(&self, text: &str) -> Option<AcquiredLease> {
        let (expired, shadowed) = text.split_once(' ')?;
        Some(AcquiredLease {
            shadowed: self.parse_limits(shadowed)?,
            expired: expired.parse().ok()?,
        })
    }

    /// Parses the data of a rejection by `lua/check_lease.lua`.
    fn parse_exceeded(&self, text: &str) -> Option<LimitExceeded> {
        let (limit, wait) = text.split_once(' ')?;
        Some(LimitExceeded {
            limit: self.parse_limits(limit)?.iter().next()?,
            retry_after: Duration::from_millis(wait.parse().ok()?),
        })
    }

    /// Parses the limits in a reply: each is the number of a principal (0 for the total) and a
    /// kind.
    fn parse_limits(&self, text: &str) -> Option<LimitSet> {
        let mut limits = LimitSet::default();
        for name in text.as_bytes().chunks(2) {
            let limit = match name {
                b"0l" => Limit::LiveTotal,
                [n @ b'1'..=b'9', kind] => {
                    let share_claim = self.claims.get(usize::from(n - b'1'))?;
                    match kind {
                        b'l' => share_claim.live.1,
                        b'r' => share_claim.create?.1,
                        _ => return None,
                    }
                }
                _ => return None,
            };
            limits = limits.with(limit);
        }
        Some(limits)
    }
}

/// The result of a deletion that replicas need not have.
fn ignore_replicas(deleted: Result<DeleteResult, StoreError>) -> Result<(), StoreError> {
    match deleted {
        Ok(_) | Err(StoreError::NotReplicated(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Parses the reply of a script that deletes a session.
fn parse_deleted(reply: &ScriptReply) -> Result<DeleteResult, StoreError> {
    match reply.status {
        'D' => reply.expect_empty(DeleteResult::Deleted),
        // An earlier attempt of this call may have deleted the session and lost its reply, so "not
        // found" is reported as success.
        'G' if reply.may_have_run_before => reply.expect_empty(DeleteResult::Deleted),
        'G' => reply.expect_empty(DeleteResult::Gone),
        _ => Err(StoreError::BadReply),
    }
}
