//! ClientConcurrencyLimiter among the live sessions: taken before a session is made, given back after it has ended
//! (docs/adr/0003-lease-then-create.md), and counted against everyone whose share it is.

use crate::model::{Limit, LimitExceeded, LimitSet};
use crate::model::{Owner, SessionId, SharedPseudonymKey};
use crate::store::quotas::ShareClaim;
use crate::store::redis::keys::{Keys, PrincipalKeys, index_member};
use crate::store::redis::millis_argument;
use crate::store::redis::pseudonym_key_cache::{PseudonymKeyCache, principal_key};
use crate::store::redis::reply::ScriptReply;
use crate::store::redis::scripts::{Argument, Scripts};
use crate::store::{DeleteResult, SessionLimits, Share, StoreError};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

/// Ended leases that one new session sweeps of each set: enough to outrun growth, too few to stall Redis.
pub(super) const SWEEP_BATCH: u64 = 16;

/// Takes places, and gives them back.
#[derive(Debug)]
pub(super) struct Leases {
    pub(super) scripts: Arc<Scripts>,
    pub(super) keys: Keys,
    pub(super) limits: SessionLimits,
    /// How long a place is held without a session, should this worker die between the two.
    hold: Duration,
    pseudonym_key: PseudonymKeyCache,
}

/// Whom a place is to be counted against, and what they may have.
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

    /// What is to be taken for a session of this owner.
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

    /// Takes a place, or says what refuses it.
    pub(super) async fn acquire(
        &self,
        id: SessionId,
        claim: &LeaseClaim,
    ) -> Result<Result<AcquiredLease, LimitExceeded>, StoreError> {
        let member = index_member(id);
        let mut arguments = vec![
            Argument::Bytes(&member),
            millis_argument(self.hold),
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

    /// Whose shares a session's place is counted against. The session alone knows, so this is asked before it is
    /// ended. Costs no round trip where nobody has a share.
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

    /// Ends a session.
    pub(super) async fn delete_session(&self, id: SessionId) -> Result<DeleteResult, StoreError> {
        let parse = |reply: ScriptReply| match reply.status {
            'D' => reply.expect_empty(DeleteResult::Deleted),
            // This very call found it, perhaps, at its first try, whose reply was lost: then a 404 would call a
            // success a failure.
            'G' if reply.may_have_run_before => reply.expect_empty(DeleteResult::Deleted),
            'G' => reply.expect_empty(DeleteResult::Gone),
            _ => Err(StoreError::BadReply),
        };
        let session = self.keys.session(id);
        let session = slice::from_ref(&session);
        self.scripts.delete(session, &[], parse).await
    }

    /// Gives a place back.
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

    /// Asks for the fleet's secret now, so that no creation has to.
    pub(super) async fn fetch_pseudonym_key(&self) -> Result<(), StoreError> {
        self.pseudonym_key.fetch(&self.scripts, &self.keys).await
    }

    /// Keeps the secret current, for ever.
    pub(super) async fn refresh_pseudonym_key(&self) {
        self.pseudonym_key
            .refresh_forever(&self.scripts, &self.keys)
            .await;
    }
}

impl LeaseClaim {
    /// The limits that a reply names, each by the number of a principal and a kind.
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
