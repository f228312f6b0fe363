//! Creations and deletions: a session together with its lease, and a rollback of what an unknown
//! outcome may have left behind.

use crate::model::{SequenceToken, SessionId};
use crate::store::redis::RedisStore;
use crate::store::redis::lease::{LeaseClaim, LeaseScripts};
use crate::store::redis::rollback::RollbackGuard;
use crate::store::{CreateResult, DeleteResult, NewSession, StoreError, WithTimestamps};
use std::pin::{Pin, pin};
use std::time::Duration;

/// Pauses before each further id that a creation takes. Each id costs a rollback. Two are enough for a
/// connection that breaks, and a second one that breaks at once, as to a demoted primary.
const NEW_ID_PAUSES: [Duration; 2] = [Duration::from_millis(25), Duration::from_millis(50)];

impl RedisStore {
    pub(super) async fn create_session(
        &self,
        new: &NewSession,
    ) -> Result<WithTimestamps<CreateResult>, StoreError> {
        self.with_deadline(pin!(self.create_or_roll_back(new)))
            .await
    }

    pub(super) async fn delete_session(&self, id: SessionId) -> Result<DeleteResult, StoreError> {
        match self.leases.lease_scripts {
            // No rollback: if the outcome is unknown, the session and its lease are both gone, or
            // both live on as if the call had never arrived.
            LeaseScripts::Combined => self.leases.delete_with_lease(id).await,
            LeaseScripts::Separate => {
                // Once the session is deleted, the client gets a success, even if releasing the
                // lease failed.
                let mut deleted = None;
                let outcome = {
                    let calls = pin!(self.delete_then_release(id, &mut deleted));
                    self.with_deadline(calls).await
                };
                deleted.map_or(outcome.and(Err(StoreError::BadReply)), Ok)
            }
        }
    }

    /// Applies one deadline to all calls of an operation, so that a client never waits for two.
    async fn with_deadline<T>(
        &self,
        operation: Pin<&mut impl Future<Output = Result<T, StoreError>>>,
    ) -> Result<T, StoreError> {
        tokio::time::timeout(self.deadline, operation)
            .await
            .unwrap_or(Err(StoreError::Timeout))
    }

    async fn create_or_roll_back(
        &self,
        new: &NewSession,
    ) -> Result<WithTimestamps<CreateResult>, StoreError> {
        let claim = self.leases.claim(&new.owner, new.id).await?;
        // From here on, a dropped future or an unknown outcome may leave a session or lease behind.
        // The guard removes both.
        let guard = RollbackGuard::new(&self.rollback, new.id, claim.released());
        match self.leases.create(new, &claim).await {
            Ok(created) => {
                guard.disarm();
                Ok(created)
            }
            Err(StoreError::ConnectionLost(_)) => {
                // Boxed, so that a creation without a retry does not hold the space for one.
                Box::pin(self.create_under_new_ids(new.clone(), claim, guard)).await
            }
            Err(error) => Err(error),
        }
    }

    /// Repeats a creation whose connection broke. The script of an earlier try may still be under way
    /// in the buffer of a broken connection, and run after the client has deleted its session. So no
    /// id is sent again: a late run creates a session that no client knows.
    ///
    /// The earlier ids are rolled back only at the end: until then the next try takes over their
    /// lease.
    async fn create_under_new_ids(
        &self,
        mut new: NewSession,
        mut claim: LeaseClaim,
        first: RollbackGuard<'_>,
    ) -> Result<WithTimestamps<CreateResult>, StoreError> {
        let mut earlier = vec![first];
        let mut result = Err(StoreError::Timeout);
        for pause in NEW_ID_PAUSES {
            self.scripts.topology().suspect();
            tokio::time::sleep(pause).await;
            claim.add_earlier(new.id);
            new.id = SessionId::random();
            new.token = SequenceToken::first(new.id, &new.data);
            let guard = RollbackGuard::new(&self.rollback, new.id, claim.released());
            result = self.leases.create(&new, &claim).await;
            match &result {
                Ok(_) => {
                    guard.disarm();
                    break;
                }
                Err(StoreError::ConnectionLost(_)) => earlier.push(guard),
                Err(_) => break,
            }
        }
        result
    }

    /// Until the first reply arrives, nothing has been deleted for certain. From then on, a dropped
    /// future leaves the lease behind; the guard removes it.
    async fn delete_then_release(
        &self,
        id: SessionId,
        deleted: &mut Option<DeleteResult>,
    ) -> Result<(), StoreError> {
        let principals = self.leases.principal_keys(id).await?;
        let guard = RollbackGuard::new(&self.rollback, id, principals.clone());
        let outcome = self.leases.delete_session(id).await?;
        *deleted = Some(outcome);
        // If the session did not exist, it has no lease either.
        if outcome == DeleteResult::Deleted {
            self.leases.release(id, &principals).await?;
        }
        guard.disarm();
        Ok(())
    }
}
