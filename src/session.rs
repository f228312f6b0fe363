//! The use cases: create, read, update and delete a rendezvous session.
//!
//! For the dialects in `http`, which translate them into replies. It mints ids and first tokens before
//! the store is asked, so that a store only compares, and counts what becomes of sign-ins; it knows no HTTP and no
//! Redis.

use crate::model::Api;
use crate::model::Limit;
use crate::model::{Owner, Payload, SequenceToken, SessionId};
use crate::store::{
    Created, Dated, Deleted, Look, NewSession, Read, Store, StoreError, Write, Written,
};
use crate::telemetry::labels::{ReadOutcome, WriteOutcome};
use crate::telemetry::metrics::Metrics;
use std::sync::Arc;
use std::time::Duration;

/// The sessions of one deployment.
#[derive(Debug)]
pub struct Sessions<S> {
    store: Arc<S>,
    metrics: Arc<Metrics>,
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
    pub fn new(store: Arc<S>, metrics: Arc<Metrics>) -> Self {
        Self { store, metrics }
    }

    /// Creates a session of `owner` that holds `data`, and tells its `dates` where they are wanted.
    ///
    /// # Errors
    /// As [`Store::create`].
    pub async fn create(
        &self,
        api: Api,
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
            Created::Created {
                expires_in,
                ran_out,
                ..
            } => {
                self.metrics.sign_ins.created(api, new.data.as_str().len());
                self.metrics.sign_ins.ran_out(ran_out);
                Creation::Created {
                    id,
                    token,
                    expires_in,
                }
            }
            Created::Refused { limit, retry_after } => Creation::Refused { limit, retry_after },
        };
        Ok(Dated { answer, dates })
    }

    /// Reads a session.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn read(&self, api: Api, look: &Look) -> Result<Dated<Read>, StoreError> {
        let read = self.store.read(look).await?;
        let outcome = match read.answer {
            Read::Found { unanswered, .. } => {
                if unanswered && look.unless.is_none() {
                    self.metrics.sign_ins.scanned(api);
                }
                ReadOutcome::Found
            }
            Read::Unchanged { .. } => ReadOutcome::Unchanged,
            Read::Gone => ReadOutcome::Gone,
        };
        self.metrics.sign_ins.read(api, outcome);
        Ok(read)
    }

    /// Overwrites a session's payload, if the token presented is its current one.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn update(&self, api: Api, write: &Write) -> Result<Dated<Written>, StoreError> {
        let written = self.store.write(write).await?;
        let outcome = match written.answer {
            Written::Written { progress, .. } => {
                let bytes = write.data.as_str().len();
                let sign_ins = &self.metrics.sign_ins;
                sign_ins.written(api, progress.writes, progress.contact, bytes);
                WriteOutcome::Written
            }
            Written::Retried(_) => WriteOutcome::Retried,
            Written::Replayed(_) => WriteOutcome::Replayed,
            Written::Conflict(_) => WriteOutcome::Conflict,
            // Refusals, which are counted as such.
            Written::TxnsFull { .. } | Written::WritesFull { .. } | Written::Gone => {
                return Ok(written);
            }
        };
        self.metrics.sign_ins.write(api, outcome);
        Ok(written)
    }

    /// Ends a session.
    ///
    /// # Errors
    /// As [`Store::delete`].
    pub async fn delete(&self, api: Api, id: SessionId) -> Result<Deleted, StoreError> {
        let deleted = self.store.delete(id).await?;
        if deleted == Deleted::Deleted {
            self.metrics.sign_ins.deleted(api);
        }
        Ok(deleted)
    }
}
