//! The use cases: create, read, update and delete a rendezvous session.
//!
//! For the dialects in `http`, which translate them into replies. It mints ids and first tokens before
//! the store is asked, so that a store only compares; it knows no HTTP and no Redis.

use crate::model::{Owner, Payload, SequenceToken, SessionId};
use crate::store::{
    Created, Dated, Deleted, Look, NewSession, Read, Store, StoreError, Write, Written,
};
use crate::telemetry::limit::Limit;
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
    /// A limit refuses it.
    Refused {
        /// Which one.
        limit: Limit,
        /// When another try is likely to pass.
        retry_after: Duration,
    },
}

impl<S: Store> Sessions<S> {
    /// The sessions in `store`.
    pub fn new(store: Arc<S>) -> Self {
        Self { store }
    }

    /// Creates a session of `owner` that holds `data`, and tells its `dates` where they are wanted.
    ///
    /// # Errors
    /// As [`Store::create`].
    pub async fn create(
        &self,
        owner: Owner,
        data: Payload,
        dates: bool,
    ) -> Result<Dated<Creation>, StoreError> {
        let id = SessionId::random();
        let new = NewSession {
            id,
            token: SequenceToken::first(id, &data),
            data,
            owner,
            dates,
        };
        let Dated { answer, dates } = self.store.create(&new).await?;
        let token = new.token;
        let answer = match answer {
            Created::Created { expires_in, .. } => Creation::Created {
                id,
                token,
                expires_in,
            },
            Created::Refused { limit, retry_after } => Creation::Refused { limit, retry_after },
        };
        Ok(Dated { answer, dates })
    }

    /// Reads a session.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn read(&self, look: &Look) -> Result<Dated<Read>, StoreError> {
        self.store.read(look).await
    }

    /// Overwrites a session's payload, if the token presented is its current one.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn update(&self, write: &Write) -> Result<Dated<Written>, StoreError> {
        self.store.write(write).await
    }

    /// Ends a session.
    ///
    /// # Errors
    /// As [`Store::delete`].
    pub async fn delete(&self, id: SessionId) -> Result<Deleted, StoreError> {
        self.store.delete(id).await
    }
}
