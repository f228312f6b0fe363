//! The use cases: create, read, update and delete a rendezvous session.
//!
//! For the dialects in `http`, which translate them into replies. It mints ids and computes tokens
//! before the store is asked, so that a store only compares; it knows no HTTP and no Redis.

use crate::model::{Payload, Presented, SequenceToken, SessionId, TxnKey};
use crate::store::{Created, Deleted, NewSession, Read, Store, StoreError, Write, Written};
use std::sync::Arc;
use std::time::Duration;

/// The sessions of one deployment.
#[derive(Debug)]
pub struct Sessions<S> {
    store: Arc<S>,
}

/// What became of a creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// The session lives.
    Created {
        /// Its id.
        id: SessionId,
        /// Its first token.
        token: SequenceToken,
        /// Time until it ends, by the store's clock.
        expires_in: Duration,
    },
    /// As many sessions live as may.
    Full {
        /// When a place is likely to be free.
        retry_after: Duration,
    },
}

impl<S: Store> Sessions<S> {
    /// The sessions in `store`.
    pub fn new(store: Arc<S>) -> Self {
        Self { store }
    }

    /// Creates a session that holds `data`.
    ///
    /// # Errors
    /// As [`Store::create`].
    pub async fn create(&self, data: Payload) -> Result<Creation, StoreError> {
        let id = SessionId::random();
        let token = SequenceToken::first(id, &data);
        let created = self.store.create(&NewSession { id, token, data }).await?;
        Ok(match created {
            Created::Created { expires_in } => Creation::Created {
                id,
                token,
                expires_in,
            },
            Created::Full { retry_after } => Creation::Full { retry_after },
        })
    }

    /// Reads a session.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn read(&self, id: SessionId) -> Result<Read, StoreError> {
        self.store.read(id, None).await
    }

    /// Overwrites a session's payload, if `token` (any text of a client's) is its current token.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn update(
        &self,
        id: SessionId,
        token: &str,
        data: Payload,
        txn: Option<TxnKey>,
    ) -> Result<Written, StoreError> {
        let presented = Presented::new(token, id, &data);
        self.store
            .write(&Write {
                id,
                presented,
                data,
                txn,
            })
            .await
    }

    /// Ends a session.
    ///
    /// # Errors
    /// As [`Store::delete`].
    pub async fn delete(&self, id: SessionId) -> Result<Deleted, StoreError> {
        self.store.delete(id).await
    }
}
