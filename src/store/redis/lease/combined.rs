//! A session and its lease by one script: one round trip to create and one to delete.

use crate::model::SessionId;
use crate::store::redis::argument::Argument;
use crate::store::redis::keys::index_member;
use crate::store::redis::lease::{AcquiredLease, LeaseClaim, Leases, parse_deleted};
use crate::store::redis::reply::ScriptReply;
use crate::store::{CreateResult, DeleteResult, NewSession, StoreError, WithTimestamps};
use std::time::Duration;

impl Leases {
    /// Acquires a lease and creates the session.
    ///
    /// # Errors
    /// [`StoreError`] if it is unknown whether the two exist. Either both exist or none.
    pub(in crate::store::redis) async fn create_with_lease(
        &self,
        new: &NewSession,
        claim: &LeaseClaim,
    ) -> Result<WithTimestamps<CreateResult>, StoreError> {
        let member = index_member(new.id);
        let mut arguments = self.lease_arguments(&member, claim);
        arguments.extend(self.session_arguments(new, claim));
        let mut keys = claim.keys(&self.keys);
        keys.push(self.keys.session(new.id));
        let parse = |reply: ScriptReply| {
            let timestamps = reply.timestamps(new.timestamps && reply.status != 'N')?;
            let result = match reply.status {
                'C' => reply.text(|text| {
                    let (expires_in, lease) = text.split_once(' ')?;
                    let AcquiredLease { shadowed, expired } = claim.parse_acquired(lease)?;
                    Some(CreateResult::Created {
                        id: new.id,
                        token: new.token,
                        expires_in: Duration::from_millis(expires_in.parse().ok()?),
                        shadowed,
                        expired,
                    })
                })?,
                'N' => CreateResult::Rejected(reply.text(|text| claim.parse_exceeded(text))?),
                _ => return Err(StoreError::BadReply),
            };
            Ok(WithTimestamps { result, timestamps })
        };
        self.scripts
            .create_with_lease(&keys, &arguments, parse)
            .await
    }

    /// Deletes a session and releases its lease. The script reads the principals from the session.
    ///
    /// # Errors
    /// [`StoreError`] if it is unknown whether the two exist. Either both exist or none.
    pub(in crate::store::redis) async fn delete_with_lease(
        &self,
        id: SessionId,
    ) -> Result<DeleteResult, StoreError> {
        let member = index_member(id);
        let prefix = self.keys.principal_prefix();
        let arguments = [
            Argument::Bytes(&member),
            Argument::Bytes(prefix.as_bytes()),
            self.keys.changes().argument(),
        ];
        let keys = [self.keys.session(id), self.keys.live_index().clone()];
        self.scripts
            .delete_with_lease(&keys, &arguments, |reply| parse_deleted(&reply))
            .await
    }
}
