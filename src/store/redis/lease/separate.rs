//! A session and its lease by a script for each, for a Redis Cluster: the two are in different
//! slots. Two round trips to create, and two or three to delete.

use crate::model::{LimitExceeded, SessionId};
use crate::store::redis::argument::Argument;
use crate::store::redis::keys::{PrincipalKeys, index_member};
use crate::store::redis::lease::{AcquiredLease, LeaseClaim, Leases, parse_deleted};
use crate::store::redis::reply::ScriptReply;
use crate::store::{CreateResult, DeleteResult, NewSession, StoreError, WithTimestamps};
use std::slice;

impl Leases {
    /// Acquires a lease, then creates the session.
    ///
    /// # Errors
    /// [`StoreError`] if it is unknown whether the lease and the session exist.
    pub(in crate::store::redis) async fn acquire_then_create(
        &self,
        new: &NewSession,
        claim: &LeaseClaim,
    ) -> Result<WithTimestamps<CreateResult>, StoreError> {
        let AcquiredLease { shadowed, expired } = match self.acquire(new.id, claim).await? {
            Ok(lease) => lease,
            Err(exceeded) => {
                let rejected = CreateResult::Rejected(exceeded);
                return Ok(WithTimestamps::without_timestamps(rejected));
            }
        };
        let arguments = self.session_arguments(new, claim);
        let parse = |reply: ScriptReply| {
            let timestamps = reply.timestamps(new.timestamps)?;
            let expires_in = match reply.status {
                'C' => reply.millis()?,
                _ => return Err(StoreError::BadReply),
            };
            let result = CreateResult::Created {
                id: new.id,
                token: new.token,
                expires_in,
                shadowed,
                expired,
            };
            Ok(WithTimestamps { result, timestamps })
        };
        let key = self.keys.session(new.id);
        let key = slice::from_ref(&key);
        self.scripts.create(key, &arguments, parse).await
    }

    /// Acquires a lease. The inner `Err` is the limit that rejected it.
    async fn acquire(
        &self,
        id: SessionId,
        claim: &LeaseClaim,
    ) -> Result<Result<AcquiredLease, LimitExceeded>, StoreError> {
        let member = index_member(id);
        let arguments = self.lease_arguments(&member, claim);
        let parse = |reply: ScriptReply| match reply.status {
            'T' => reply.text(|text| claim.parse_acquired(text)).map(Ok),
            'N' => reply.text(|text| claim.parse_exceeded(text)).map(Err),
            _ => Err(StoreError::BadReply),
        };
        let keys = claim.keys(&self.keys);
        self.scripts.acquire_lease(&keys, &arguments, parse).await
    }

    /// Reads the principals that a deletion of the session releases. Only the session has them, so they are
    /// read before it is deleted. Costs no round trip if shares are switched off.
    pub(in crate::store::redis) async fn principal_keys(
        &self,
        id: SessionId,
    ) -> Result<PrincipalKeys, StoreError> {
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
    pub(in crate::store::redis) async fn delete_session(
        &self,
        id: SessionId,
    ) -> Result<DeleteResult, StoreError> {
        let session = self.keys.session(id);
        let session = slice::from_ref(&session);
        self.scripts
            .delete(session, &[self.keys.changes().argument()], |reply| {
                parse_deleted(&reply)
            })
            .await
    }

    /// Releases a lease.
    pub(in crate::store::redis) async fn release(
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
}
