//! The use cases: create, read, update and delete a rendezvous session.
//!
//! For the dialects in `http`, which translate the results into responses. This module generates
//! ids and first tokens before it calls the store, so that a store only compares. It also counts
//! the progress of sign-ins. It knows neither HTTP nor Redis.

mod administration;
mod hold;
mod store_retry;

pub use administration::{
    AdminSessions, EndedSessions, OwnerCount, SessionCounts, SessionSelector, WalkError,
};
pub(crate) use hold::{Hold, Holds};
pub(crate) use store_retry::{StoreRetries, StoreRetry};

use crate::limits::in_flight::InFlightPermits;
use crate::model::Api;
use crate::model::LimitExceeded;
use crate::model::{Owner, Payload, SequenceToken, SessionId};
use crate::store::{
    CreateResult, DeleteResult, NewSession, ReadRequest, ReadResult, Store, StoreError,
    WithTimestamps, WriteRequest, WriteResult,
};
use crate::telemetry::labels::{ReadOutcome, WriteOutcome};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::one_sided_log::OneSidedLog;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// The sessions of one deployment.
#[derive(Debug)]
pub struct Sessions<S> {
    store: Arc<S>,
    metrics: Arc<Metrics>,
    /// `None` if reads and writes do not wait for the store.
    retries: Option<StoreRetries>,
    /// `None` if no read is held.
    holds: Option<Holds>,
    one_sided_log: Arc<OneSidedLog>,
}

/// A read that may be held.
#[derive(Debug)]
pub(crate) enum PolledRead<'a, S> {
    /// The state of the session, now.
    Now(WithTimestamps<ReadResult>),
    /// Nothing is new yet. [`Sessions::await_change`] goes on.
    Held(Box<Hold<'a, S>>),
}

/// A session that was just created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreatedSession {
    /// The session's id.
    pub id: SessionId,
    /// The session's first token.
    pub token: SequenceToken,
    /// Time until the session expires, by the store's clock.
    pub expires_in: Duration,
}

/// Why no session was created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CreateError {
    /// A limit of the store rejected the creation. Nothing was stored.
    #[error("the limit {} rejects the session", .0.limit.label())]
    Limit(LimitExceeded),
    /// The store failed; whether the session exists is unknown.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<S: Store> Sessions<S> {
    /// Creates the use cases on top of `store`. Without `retries`, reads and writes do not wait for
    /// the store; without `holds`, no read is held.
    pub(crate) fn new(
        store: Arc<S>,
        metrics: Arc<Metrics>,
        retries: Option<StoreRetries>,
        holds: Option<Holds>,
        one_sided_log: Arc<OneSidedLog>,
    ) -> Self {
        Self {
            store,
            metrics,
            retries,
            holds,
            one_sided_log,
        }
    }

    /// Begins the calls of one request to the store, which may wait for it. `permits` are released
    /// when a wait begins.
    pub(crate) fn begin_request<'a>(&'a self, permits: InFlightPermits<'a>) -> StoreRetry<'a> {
        StoreRetry::new(self.retries.as_ref(), permits)
    }

    /// Creates a session of `owner` that holds `data`. Returns the session's timestamps only if
    /// `timestamps` is true.
    ///
    /// # Errors
    /// - [`CreateError::Limit`] if a limit of the store rejects the creation.
    /// - [`CreateError::Store`] as [`Store::create`].
    pub async fn create(
        &self,
        api: Api,
        owner: Owner,
        data: Payload,
        timestamps: bool,
    ) -> Result<WithTimestamps<CreatedSession>, CreateError> {
        let id = SessionId::random();
        let new = NewSession {
            id,
            token: SequenceToken::first(id, &data),
            data,
            owner,
            timestamps,
        };
        let WithTimestamps { result, timestamps } = self.store.create(&new).await?;
        match result {
            CreateResult::Created {
                id,
                token,
                expires_in,
                expired,
                ..
            } => {
                self.metrics.record_creation(api, new.data.as_str().len());
                self.metrics.sessions_expired.inc_by(expired);
                let result = CreatedSession {
                    id,
                    token,
                    expires_in,
                };
                Ok(WithTimestamps { result, timestamps })
            }
            CreateResult::Rejected(exceeded) => Err(CreateError::Limit(exceeded)),
        }
    }

    /// Reads a session. Waits for the store if it fails (R0.3).
    ///
    /// # Errors
    /// As [`Store::read`].
    pub(crate) async fn read(
        &self,
        api: Api,
        request: &ReadRequest,
        retry: &mut StoreRetry<'_>,
    ) -> Result<WithTimestamps<ReadResult>, StoreError> {
        let read = self.try_read(request, retry).await?;
        self.record_read(api, request, &read.result);
        Ok(read)
    }

    /// As [`Sessions::read`], but the read is held if the session has the state that the request
    /// names, and was written a short time ago (R2.37 to R2.39).
    ///
    /// # Errors
    /// As [`Store::read`].
    pub(crate) async fn read_or_hold(
        &self,
        api: Api,
        request: &ReadRequest,
        mut retry: StoreRetry<'_>,
    ) -> Result<PolledRead<'_, S>, StoreError> {
        let Some(holds) = &self.holds else {
            let read = self.read(api, request, &mut retry).await?;
            return Ok(PolledRead::Now(read));
        };
        let mark = self.store.changes().mark(request.id);
        let read = self.try_read(request, &mut retry).await?;
        let hold = holds.begin(&*self.store, request, mark, &read, retry);
        if let Some(hold) = hold {
            return Ok(PolledRead::Held(Box::new(hold)));
        }
        self.record_read(api, request, &read.result);
        Ok(PolledRead::Now(read))
    }

    /// Waits for a held read. It ends at once when `hangup` does: the client has closed its sending
    /// side.
    pub(crate) async fn await_change(
        &self,
        api: Api,
        hold: Hold<'_, S>,
        hangup: impl Future<Output = ()>,
    ) -> WithTimestamps<ReadResult> {
        let request = hold.request();
        let read = hold.wait(hangup).await;
        self.record_read(api, &request, &read.result);
        read
    }

    async fn try_read(
        &self,
        request: &ReadRequest,
        retry: &mut StoreRetry<'_>,
    ) -> Result<WithTimestamps<ReadResult>, StoreError> {
        loop {
            let call = pin!(self.store.read(request));
            if let Some(result) = retry.attempt(call).await {
                return result;
            }
        }
    }

    fn record_read(&self, api: Api, request: &ReadRequest, read: &ReadResult) {
        let outcome = match read {
            ReadResult::Found { never_written, .. } => {
                if *never_written && request.if_none_match.is_none() {
                    self.metrics.sessions_scanned.inc(api);
                }
                ReadOutcome::Found
            }
            ReadResult::Unchanged { is_one_sided, .. } => {
                if *is_one_sided {
                    self.metrics.sessions_one_sided.inc(api);
                    self.one_sided_log.record(api, request.id);
                }
                ReadOutcome::Unchanged
            }
            ReadResult::Gone => ReadOutcome::Gone,
        };
        self.metrics.reads.inc((api, outcome));
    }

    /// Overwrites a session's payload if the submitted token is the session's current one. Waits
    /// for the store if it fails (R0.3).
    ///
    /// # Errors
    /// As [`Store::write`].
    pub(crate) async fn update(
        &self,
        api: Api,
        write: &WriteRequest,
        retry: &mut StoreRetry<'_>,
    ) -> Result<WithTimestamps<WriteResult>, StoreError> {
        let written = loop {
            let call = pin!(self.store.write(write));
            if let Some(result) = retry.attempt(call).await {
                break result?;
            }
        };
        let outcome = match written.result {
            WriteResult::Written { progress, .. } => {
                let bytes = write.data.as_str().len();
                self.metrics
                    .record_write(api, progress.writes, progress.step, bytes);
                WriteOutcome::Written
            }
            WriteResult::Retried(_) => WriteOutcome::Retried,
            WriteResult::Replayed(_) => WriteOutcome::Replayed,
            WriteResult::Conflict(_) => WriteOutcome::Conflict,
            // These are rejections, which `http/recorder.rs` counts.
            WriteResult::TxnsFull { .. } | WriteResult::WritesFull { .. } | WriteResult::Gone => {
                return Ok(written);
            }
        };
        self.metrics.writes.inc((api, outcome));
        Ok(written)
    }

    /// Whether the store refused its last write probe, so that no session can be created (R0.39).
    pub(crate) fn store_refuses_writes(&self) -> bool {
        self.store.refuses_writes()
    }

    /// Deletes a session.
    ///
    /// # Errors
    /// As [`Store::delete`].
    pub async fn delete(&self, api: Api, id: SessionId) -> Result<DeleteResult, StoreError> {
        let deleted = self.store.delete(id).await?;
        if deleted == DeleteResult::Deleted {
            self.metrics.sessions_deleted.inc(api);
        }
        Ok(deleted)
    }
}
