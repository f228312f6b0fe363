//! The wait for the store: reads and writes that failed are sent again until the store is back
//! (docs/protocol.md, R0.3).
//!
//! No released client of the ETag dialect retries a request, so each 503 ends a sign-in, while all
//! of them wait 30 s for a response. A failover takes 1 to 5 s.
//!
//! A call without an error costs one reading of the clock. Everything else is on the heap, and only
//! while a request waits. The call itself is never moved: one place in the handler's future
//! holds it for every try.

use crate::clock::Clock;
use crate::lifecycle::Lifecycle;
use crate::limits::in_flight::InFlightPermits;
use crate::limits::wait::{WaitLimiter, WaitPermit};
use crate::model::ClientIp;
use crate::store::StoreError;
use crate::telemetry::labels::WaitOutcome;
use crate::telemetry::metrics::Metrics;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Pause before the first retry. Each further pause is longer by the same amount, up to
/// [`MAX_PAUSE`].
const PAUSE: Duration = Duration::from_millis(50);

/// Longest pause. A request is sent again at most this long after the store is back, which leaves
/// 0.4 s of the 0.5 s in which it should be answered. There is no jitter: requests begin to wait
/// when they arrive, and so at different times.
const MAX_PAUSE: Duration = Duration::from_millis(100);

/// Number of replies that do not fit after which a request gives up. Replies that belong to another
/// call end with their connection. More of them mean that the session itself cannot be read, and each
/// costs all requests their connection.
const MAX_BAD_REPLIES: u32 = 4;

/// Maximum number of waiting requests of one client, as of requests in flight (`limits/in_flight.rs`):
/// room for both devices of every session that it may have.
const MAX_PER_CLIENT: usize = 256;

/// Lets reads and writes wait for the store. Shared by all requests.
#[derive(Debug)]
pub(crate) struct StoreRetries {
    timeout: Duration,
    limiter: WaitLimiter,
    lifecycle: Lifecycle,
    metrics: Arc<Metrics>,
    clock: Clock,
}

/// The tries of one request. All its calls to the store share one deadline.
#[derive(Debug)]
pub(crate) struct StoreRetry<'a> {
    /// Released when the request begins to wait.
    permits: InFlightPermits<'a>,
    /// `None` if requests do not wait.
    deadline: Option<RetryDeadline<'a>>,
    wait: Option<Box<StoreWait<'a>>>,
    has_waited: bool,
}

/// Until when a request may wait.
#[derive(Debug, Clone, Copy)]
struct RetryDeadline<'a> {
    retries: &'a StoreRetries,
    /// A reading of the clock.
    at: Duration,
}

/// A wait in progress. Dropping it records how it ended.
#[derive(Debug)]
struct StoreWait<'a> {
    deadline: RetryDeadline<'a>,
    started_at: Duration,
    pause: Duration,
    bad_replies: u32,
    /// Set when the wait ends. A wait that is dropped before has been abandoned.
    outcome: WaitOutcome,
    _permit: WaitPermit<'a>,
}

impl StoreRetries {
    /// Creates it. A request waits for at most `timeout`, its first try included, and at most
    /// `max_waiting` requests wait.
    pub(crate) fn new(
        timeout: Duration,
        max_waiting: usize,
        lifecycle: Lifecycle,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Self {
        Self {
            timeout,
            limiter: WaitLimiter::new(max_waiting, MAX_PER_CLIENT),
            lifecycle,
            metrics,
            clock,
        }
    }
}

impl<'a> StoreRetry<'a> {
    /// Begins the first try of a request. Without `retries` there is no second one.
    pub(super) fn new(retries: Option<&'a StoreRetries>, permits: InFlightPermits<'a>) -> Self {
        let deadline = |retries: &'a StoreRetries| RetryDeadline {
            retries,
            at: retries.clock.now() + retries.timeout,
        };
        Self {
            permits,
            deadline: retries.map(deadline),
            wait: None,
            has_waited: false,
        }
    }

    /// Ends the calls of the request: it is no longer in flight. Returns its client, and whether clients
    /// are limited; or `None` if the request has waited for the store, and must not wait again.
    pub(super) fn finish(self) -> Option<(ClientIp, bool)> {
        let client = (self.permits.client, self.permits.limits_client);
        (!self.has_waited).then_some(client)
    }

    /// Runs one try of a call. Returns `None` if the call must be sent again, after a pause.
    ///
    /// Returns the call's error if it is final, if too many requests wait, or if the wait is over.
    pub(super) async fn attempt<T>(
        &mut self,
        call: Pin<&mut impl Future<Output = Result<T, StoreError>>>,
    ) -> Option<Result<T, StoreError>> {
        if let Some(wait) = self.wait.take() {
            return Box::pin(self.attempt_in_wait(wait, call)).await;
        }
        match (call.await, self.deadline) {
            (Err(error), Some(deadline)) if error.is_transient() => {
                match self.begin_wait(deadline) {
                    Some(wait) => Box::pin(self.pause(wait, error)).await,
                    None => Some(Err(error)),
                }
            }
            (result, _) => Some(result),
        }
    }

    async fn attempt_in_wait<T>(
        &mut self,
        mut wait: Box<StoreWait<'a>>,
        call: Pin<&mut impl Future<Output = Result<T, StoreError>>>,
    ) -> Option<Result<T, StoreError>> {
        match wait.run(call).await {
            Some(Err(error)) if error.is_transient() => self.pause(wait, error).await,
            Some(result) => {
                wait.outcome = match result {
                    Ok(_) => WaitOutcome::Answered,
                    Err(_) => WaitOutcome::Failed,
                };
                Some(result)
            }
            None => Some(Err(StoreError::Timeout)),
        }
    }

    /// Waits before the next try. Returns `error` if the wait ends first, or with the last bad reply.
    async fn pause<T>(
        &mut self,
        mut wait: Box<StoreWait<'a>>,
        error: StoreError,
    ) -> Option<Result<T, StoreError>> {
        wait.bad_replies += u32::from(error == StoreError::BadReply);
        if wait.bad_replies >= MAX_BAD_REPLIES {
            wait.outcome = WaitOutcome::Failed;
            return Some(Err(error));
        }
        wait.pause = (wait.pause + PAUSE).min(MAX_PAUSE);
        let pause = sleep(wait.pause);
        if wait.run(pause).await.is_none() {
            return Some(Err(error));
        }
        self.wait = Some(wait);
        None
    }

    /// Begins to wait: the request is no longer in flight. Returns `None` if too many requests
    /// wait.
    fn begin_wait(&mut self, deadline: RetryDeadline<'a>) -> Option<Box<StoreWait<'a>>> {
        let StoreRetries {
            limiter,
            metrics,
            clock,
            ..
        } = deadline.retries;
        let InFlightPermits {
            client,
            limits_client,
            ..
        } = self.permits;
        let Some(permit) = limiter.try_acquire(client, limits_client) else {
            metrics.store_waits.observe(WaitOutcome::Refused, 0.0);
            return None;
        };
        self.permits.release();
        self.has_waited = true;
        metrics.store_waiting.inc();
        Some(Box::new(StoreWait {
            deadline,
            started_at: clock.now(),
            pause: Duration::ZERO,
            bad_replies: 0,
            outcome: WaitOutcome::Abandoned,
            _permit: permit,
        }))
    }
}

impl StoreWait<'_> {
    /// Runs a future until the wait ends. Returns `None` if that comes first.
    async fn run<F: Future>(&mut self, future: F) -> Option<F::Output> {
        let StoreRetries {
            lifecycle, clock, ..
        } = self.deadline.retries;
        let left = self.deadline.at.saturating_sub(clock.now());
        let bounded = timeout(left, future);
        let ended = match lifecycle.wait_end().run_until_cancelled(bounded).await {
            Some(Ok(output)) => return Some(output),
            Some(Err(_)) => WaitOutcome::TimedOut,
            None => WaitOutcome::Stopped,
        };
        self.outcome = ended;
        None
    }
}

impl Drop for StoreWait<'_> {
    fn drop(&mut self) {
        let StoreRetries { metrics, clock, .. } = self.deadline.retries;
        let took = clock.now().saturating_sub(self.started_at);
        // In this order: a reader that sees no request waiting also sees how the last wait ended.
        metrics
            .store_waits
            .observe(self.outcome, took.as_secs_f64());
        metrics.store_waiting.dec();
    }
}

#[cfg(test)]
mod tests;
