//! The leases of live sessions: acquired before a session is created, and released after it was
//! deleted (docs/adr/0003-lease-then-create.md). A lease counts towards the shares of its
//! principals.

use crate::model::{Limit, LimitExceeded, LimitSet};
use crate::model::{Owner, SessionId, SharedPseudonymKey};
use crate::store::redis::argument::Argument;
use crate::store::redis::keys::{Keys, PrincipalKeys, index_member};
use crate::store::redis::pseudonym_key_cache::{PseudonymKeyCache, principal_key};
use crate::store::redis::reply::ScriptReply;
use crate::store::redis::scripts::Scripts;
use crate::store::session_limits::ShareClaim;
use crate::store::{DeleteResult, SessionLimits, Share, StoreError};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

/// Expired leases that one creation removes from each set: enough to outrun the growth, too few to
/// stall Redis.
pub(super) const SWEEP_BATCH: u64 = 16;

/// Acquires and releases leases.
#[derive(Debug)]
pub(super) struct Leases {
    pub(super) scripts: Arc<Scripts>,
    pub(super) keys: Keys,
    pub(super) limits: SessionLimits,
    /// TTL of a lease: the session's TTL and the command deadline. It bounds how long a lease
    /// without a session stays if this process dies between the two calls.
    hold: Duration,
    pseudonym_key: PseudonymKeyCache,
}

/// The principals that a lease counts towards, with their shares.
#[derive(Debug)]
pub(super) struct LeaseClaim {
    pub(super) principals: PrincipalKeys,
    claims: Vec<ShareClaim>,
}

/// A lease that was just acquired.
#[derive(Debug)]
pub(super) struct AcquiredLease {
    /// Limits in shadow mode that would have rejected the lease.
    pub(super) shadowed: LimitSet,
    /// Expired leases that this call removed from the index.
    pub(super) expired: u64,
}

impl Leases {
    pub(super) fn new(
        scripts: &Arc<Scripts>,
        keys: &Keys,
        limits: SessionLimits,
        deadline: Duration,
        key: Arc<SharedPseudonymKey>,
    ) -> Self {
        Self {
            scripts: Arc::clone(scripts),
            keys: keys.clone(),
            hold: limits.ttl + deadline,
            limits,
            pseudonym_key: PseudonymKeyCache::new(key),
        }
    }

    /// Builds the claim for a session of this owner.
    ///
    /// # Errors
    /// [`StoreError`] if the pseudonym key could not be fetched.
    pub(super) async fn claim(&self, owner: &Owner) -> Result<LeaseClaim, StoreError> {
        let claims: Vec<ShareClaim> = self.limits.claims(owner).collect();
        let mut principals = PrincipalKeys::default();
        if !claims.is_empty() {
            let key = self.pseudonym_key.get(&self.scripts, &self.keys).await?;
            let keys = claims
                .iter()
                .map(|claim| principal_key(&key, &claim.principal));
            principals = keys.collect();
        }
        Ok(LeaseClaim { principals, claims })
    }

    /// Acquires a lease. The inner `Err` is the limit that rejected it.
    ///
    /// # Errors
    /// [`StoreError`] if it is unknown whether the lease was acquired.
    pub(super) async fn acquire(
        &self,
        id: SessionId,
        claim: &LeaseClaim,
    ) -> Result<Result<AcquiredLease, LimitExceeded>, StoreError> {
        let member = index_member(id);
        let mut arguments = vec![
            Argument::Bytes(&member),
            Argument::millis(self.hold),
            Argument::Number(SWEEP_BATCH),
            Argument::Number(self.limits.max_live),
        ];
        for share_claim in &claim.claims {
            let Share { live, create } = share_claim.share;
            let period = create.period.as_micros().max(1);
            let shadow = match [share_claim.live_limit, share_claim.create_limit]
                .map(|limit| self.limits.is_shadow(limit))
            {
                [false, false] => "",
                [true, false] => "l",
                [false, true] => "r",
                [true, true] => "lr",
            };
            arguments.extend([
                Argument::Number(live),
                Argument::Number(period.try_into().unwrap_or(u64::MAX)),
                Argument::Number(create.burst.get().into()),
                Argument::Bytes(shadow.as_bytes()),
            ]);
        }
        let parse = |reply: ScriptReply| match reply.status {
            'T' => reply.text(|text| {
                let (expired, shadowed) = text.split_once(' ')?;
                Some(Ok(AcquiredLease {
                    shadowed: claim.parse_limits(shadowed)?,
                    expired: expired.parse().ok()?,
                }))
            }),
            'N' => reply.text(|text| {
                let (limit, wait) = text.split_once(' ')?;
                Some(Err(LimitExceeded {
                    limit: claim.parse_limits(limit)?.iter().next()?,
                    retry_after: Duration::from_millis(wait.parse().ok()?),
                }))
            }),
            _ => Err(StoreError::BadReply),
        };
        let keys = self.keys.lease_and_rate_keys(&claim.principals);
        self.scripts.acquire_lease(&keys, &arguments, parse).await
    }

    /// Reads the principals that a session counts towards. Only the session has them, so they are
    /// read before it is deleted. Costs no round trip if shares are switched off.
    pub(super) async fn principal_keys(&self, id: SessionId) -> Result<PrincipalKeys, StoreError> {
        if self.limits.shares.get().is_none() {
            return Ok(PrincipalKeys::default());
        }
        let parse = |reply: ScriptReply| match reply.status {
            'P' => reply.text(PrincipalKeys::parse),
            _ => Err(StoreError::BadReply),
        };
        let session = self.keys.session(id);
        let session = slice::from_ref(&session);
        self.scripts.get_principals(session, &[], parse).await
    }

    /// Deletes a session.
    pub(super) async fn delete_session(&self, id: SessionId) -> Result<DeleteResult, StoreError> {
        let parse = |reply: ScriptReply| match reply.status {
            'D' => reply.expect_empty(DeleteResult::Deleted),
            // An earlier attempt of this call may have deleted the session and lost its reply, so
            // "not found" is reported as success.
            'G' if reply.may_have_run_before => reply.expect_empty(DeleteResult::Deleted),
            'G' => reply.expect_empty(DeleteResult::Gone),
            _ => Err(StoreError::BadReply),
        };
        let session = self.keys.session(id);
        let session = slice::from_ref(&session);
        self.scripts.delete(session, &[], parse).await
    }

    /// Releases a lease.
    pub(super) async fn release(
        &self,
        id: SessionId,
        principals: &PrincipalKeys,
    ) -> Result<(), StoreError> {
        let member = index_member(id);
        let parse = |reply: ScriptReply| match reply.status {
            'R' => reply.expect_empty(()),
            _ => Err(StoreError::BadReply),
        };
        let member = [Argument::Bytes(&member)];
        let keys = self.keys.lease_keys(principals);
        self.scripts.release_lease(&keys, &member, parse).await
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
                        b'l' => share_claim.live_limit,
                        b'r' => share_claim.create_limit,
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
