//! A store that times, counts and traces every call of the store inside it.

use crate::clock::Clock;
use crate::model::SessionId;
use crate::store::{
    Changes, CreateResult, DeleteResult, ListSessions, NewSession, ReadRequest, ReadResult,
    SessionPage, Store, StoreError, WithTimestamps, WriteRequest, WriteResult,
};
use crate::telemetry::log_throttle::LogThrottle;
use crate::telemetry::metrics::{Metrics, Operation, OperationOutcome};
use crate::telemetry::traces::{Span, Traces, finish_store_call};
use std::sync::Arc;
use std::time::Duration;

/// Wraps a store. Results pass through unchanged.
#[derive(Debug)]
pub struct ObservedStore<S> {
    store: S,
    metrics: Arc<Metrics>,
    traces: Traces,
    clock: Clock,
    /// Limits the log to one failed call a second.
    failure_log: LogThrottle,
}

impl<S: Store> ObservedStore<S> {
    /// Wraps `store`.
    pub fn new(store: S, metrics: Arc<Metrics>, traces: Traces, clock: Clock) -> Self {
        Self {
            store,
            metrics,
            traces,
            clock,
            failure_log: LogThrottle::every(Duration::from_secs(1)),
        }
    }

    /// Logs a failed call, at most one a second: an outage must not fill the disk. The metric
    /// counts all of them.
    fn log_failure(&self, operation: Operation, reason: &str, now: Duration) {
        if self.failure_log.try_acquire(now) {
            tracing::warn!(operation = operation.label(), reason, "store call failed");
        }
    }

    fn begin_call(&self, operation: Operation) -> CallInProgress<'_> {
        self.metrics.store_in_flight.inc();
        CallInProgress {
            operation,
            started_at: self.clock.now(),
            span: self.traces.start_store_call(operation).map(Box::new),
            metrics: &self.metrics,
        }
    }

    /// Records the end of a call. A separate function, not a wrapper around the call's future: each
    /// wrapper would move the future once more.
    fn finish_call<T>(&self, mut call: CallInProgress<'_>, result: &Result<T, StoreError>) {
        let now = self.clock.now();
        let outcome = match result {
            Ok(_) => OperationOutcome::Ok,
            Err(
                StoreError::Unavailable(reason)
                | StoreError::ConnectionLost(reason)
                | StoreError::NotReplicated(reason),
            ) => {
                self.log_failure(call.operation, reason, now);
                OperationOutcome::Unavailable
            }
            Err(StoreError::Rejected(reason)) => {
                self.log_failure(call.operation, reason, now);
                OperationOutcome::Rejected
            }
            Err(StoreError::Timeout) => OperationOutcome::Timeout,
            Err(StoreError::BadReply) => OperationOutcome::BadReply,
        };
        let took = now.saturating_sub(call.started_at);
        self.metrics
            .store_operations
            .observe((call.operation, outcome), took.as_secs_f64());
        if let Some(span) = call.span.take() {
            finish_store_call(*span, outcome);
        }
    }
}

/// A call in flight. If the client goes away and the future is dropped, this decrements the gauge.
struct CallInProgress<'a> {
    operation: Operation,
    started_at: Duration,
    /// Boxed, since nearly all calls have no span, and every call would carry the space for one.
    span: Option<Box<Span>>,
    metrics: &'a Metrics,
}

impl Drop for CallInProgress<'_> {
    fn drop(&mut self) {
        self.metrics.store_in_flight.dec();
    }
}

impl<S: Store> Store for ObservedStore<S> {
    async fn create(&self, new: &NewSession) -> Result<WithTimestamps<CreateResult>, StoreError> {
        let call = self.begin_call(Operation::Create);
        let created = self.store.create(new).await;
        self.finish_call(call, &created);
        if let Ok(WithTimestamps {
            result: CreateResult::Created { shadowed, .. },
            ..
        }) = &created
        {
            shadowed
                .iter()
                .for_each(|limit| self.metrics.shadowed.inc(limit.into()));
        }
        created
    }

    async fn read(&self, request: &ReadRequest) -> Result<WithTimestamps<ReadResult>, StoreError> {
        let call = self.begin_call(Operation::Read);
        let read = self.store.read(request).await;
        self.finish_call(call, &read);
        read
    }

    async fn write(&self, write: &WriteRequest) -> Result<WithTimestamps<WriteResult>, StoreError> {
        let call = self.begin_call(Operation::Write);
        let written = self.store.write(write).await;
        self.finish_call(call, &written);
        written
    }

    async fn delete(&self, id: SessionId) -> Result<DeleteResult, StoreError> {
        let call = self.begin_call(Operation::Delete);
        let deleted = self.store.delete(id).await;
        self.finish_call(call, &deleted);
        deleted
    }

    async fn live(&self) -> Result<u64, StoreError> {
        let call = self.begin_call(Operation::Live);
        let live = self.store.live().await;
        self.finish_call(call, &live);
        live
    }

    fn changes(&self) -> &Changes {
        self.store.changes()
    }

    fn refuses_writes(&self) -> bool {
        self.store.refuses_writes()
    }
}

/// Not timed: only operators list sessions, and the log has each of their calls.
impl<S: ListSessions> ListSessions for ObservedStore<S> {
    type Cursor = S::Cursor;

    async fn list(
        &self,
        cursor: Option<S::Cursor>,
        with_owners: bool,
    ) -> Result<SessionPage<S::Cursor>, StoreError> {
        self.store.list(cursor, with_owners).await
    }
}

#[cfg(test)]
mod tests {
    use super::ObservedStore;
    use crate::clock::Clock;
    use crate::model::SessionId;
    use crate::store::{
        Changes, CreateResult, DeleteResult, NewSession, ReadRequest, ReadResult, Store,
        StoreError, WithTimestamps, WriteRequest, WriteResult,
    };
    use crate::telemetry::metrics::Metrics;
    use crate::telemetry::traces::Traces;
    use std::future::pending;
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::{Context, Waker};

    /// A store that never replies.
    struct PendingStore(Changes);

    impl Store for PendingStore {
        async fn create(&self, _: &NewSession) -> Result<WithTimestamps<CreateResult>, StoreError> {
            pending().await
        }
        async fn read(&self, _: &ReadRequest) -> Result<WithTimestamps<ReadResult>, StoreError> {
            pending().await
        }
        async fn write(&self, _: &WriteRequest) -> Result<WithTimestamps<WriteResult>, StoreError> {
            pending().await
        }
        async fn delete(&self, _: SessionId) -> Result<DeleteResult, StoreError> {
            pending().await
        }
        async fn live(&self) -> Result<u64, StoreError> {
            pending().await
        }
        fn changes(&self) -> &Changes {
            &self.0
        }
    }

    #[test]
    fn dropped_call_is_no_longer_in_flight() {
        let metrics = Arc::new(Metrics::new());
        let store = ObservedStore::new(
            PendingStore(Changes::new(true)),
            Arc::clone(&metrics),
            Traces::default(),
            Clock::system(),
        );
        {
            let mut call = pin!(store.delete(SessionId::random()));
            assert!(
                call.as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()))
                    .is_pending()
            );
            assert_eq!(metrics.store_in_flight.get(), 1);
        }
        assert_eq!(metrics.store_in_flight.get(), 0);
    }
}
