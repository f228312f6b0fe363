//! A store whose every call is timed and counted, whichever it is.

use crate::clock::Clock;
use crate::model::{SequenceToken, SessionId};
use crate::store::{Created, Deleted, NewSession, Read, Store, StoreError, Write, Written};
use crate::telemetry::metrics::{Metrics, Operation, OperationOutcome};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Wraps a store; what it answers passes unchanged.
#[derive(Debug)]
pub struct Observed<S> {
    store: S,
    metrics: Arc<Metrics>,
    clock: Clock,
    /// Second of the clock in which a refusal was last logged.
    warned: AtomicU64,
}

impl<S: Store> Observed<S> {
    /// Observes `store`.
    pub fn new(store: S, metrics: Arc<Metrics>, clock: Clock) -> Self {
        Self {
            store,
            metrics,
            clock,
            warned: AtomicU64::new(u64::MAX),
        }
    }

    /// Logs a refusal, one a second at most: an outage must not fill the disk. The metric counts all.
    fn warn(&self, operation: Operation, reason: &str, now: Duration) {
        if self.warned.swap(now.as_secs(), Ordering::Relaxed) != now.as_secs() {
            tracing::warn!(
                operation = operation.label(),
                reason,
                "the store refused a call"
            );
        }
    }

    async fn timed<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let begun = self.clock.now();
        let result = call.await;
        let now = self.clock.now();
        let outcome = match &result {
            Ok(_) => OperationOutcome::Ok,
            Err(StoreError::Unavailable(reason)) => {
                self.warn(operation, reason, now);
                OperationOutcome::Unavailable
            }
            Err(StoreError::Timeout) => OperationOutcome::Timeout,
            Err(StoreError::BadReply) => OperationOutcome::BadReply,
        };
        let took = now.saturating_sub(begun);
        self.metrics
            .store_operation(operation, outcome)
            .observe(took.as_secs_f64());
        result
    }
}

impl<S: Store> Store for Observed<S> {
    async fn create(&self, new: &NewSession) -> Result<Created, StoreError> {
        self.timed(Operation::Create, self.store.create(new)).await
    }

    async fn read(&self, id: SessionId, unless: Option<SequenceToken>) -> Result<Read, StoreError> {
        self.timed(Operation::Read, self.store.read(id, unless))
            .await
    }

    async fn write(&self, write: &Write) -> Result<Written, StoreError> {
        self.timed(Operation::Write, self.store.write(write)).await
    }

    async fn delete(&self, id: SessionId) -> Result<Deleted, StoreError> {
        self.timed(Operation::Delete, self.store.delete(id)).await
    }

    async fn live(&self) -> Result<u64, StoreError> {
        self.timed(Operation::Live, self.store.live()).await
    }
}
