//! Held reads: a read that found nothing new waits for the next write, for a short time after the last
//! one (docs/protocol.md, 2.7).
//!
//! Both released SDKs sleep for a second after each 304, and two machines answer each other at once.
//! But no SDK sends a poll again, so a connection that breaks while a read is held ends the sign-in.
//! Hence a hold begins only right after a write, and is short.
//!
//! A hold trusts no hint: whatever wakes it, it reads the session again. So a lost hint costs time, and
//! a false one a read.

use crate::clock::Clock;
use crate::config::msc4108::LongPollConfig;
use crate::lifecycle::Lifecycle;
use crate::limits::wait::{WaitLimiter, WaitPermit};
use crate::session::StoreRetry;
use crate::store::{
    ChangeMark, ChangeWatcher, ReadRequest, ReadResult, Store, Timestamps, WithTimestamps,
};
use crate::telemetry::labels::HoldEnd;
use crate::telemetry::metrics::Metrics;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Maximum number of held reads of one client: both devices of 32 sign-ins.
const MAX_PER_CLIENT: usize = 64;

/// Maximum number of held reads of one session: both devices, each with a read that it gave up.
const MAX_PER_SESSION: usize = 4;

/// Interval at which a held read looks at its session while changes are not reported.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Time after the expiry at which a store is asked again: its clock counts in milliseconds.
const EXPIRY_MARGIN: Duration = Duration::from_millis(1);

/// Lets reads wait for a change of their session. Shared by all requests.
#[derive(Debug)]
pub(crate) struct Holds {
    config: LongPollConfig,
    limiter: WaitLimiter,
    lifecycle: Lifecycle,
    metrics: Arc<Metrics>,
    clock: Clock,
}

/// A held read. Nothing waits until [`Hold::wait`] runs.
#[derive(Debug)]
pub(crate) struct Hold<'a, S> {
    store: &'a S,
    holds: &'a Holds,
    request: ReadRequest,
    /// What the read found, which is the answer if nothing changes.
    found: WithTimestamps<ReadResult>,
    expires_in: Duration,
    watcher: ChangeWatcher<'a>,
    record: HoldRecord<'a>,
}

/// Counts one held read. Dropping it records how the hold ended.
#[derive(Debug)]
struct HoldRecord<'a> {
    holds: &'a Holds,
    started_at: Duration,
    /// Set when the hold ends. A hold that is dropped before has been abandoned.
    end: HoldEnd,
    _permit: WaitPermit<'a>,
}

impl Holds {
    pub(crate) fn new(
        config: LongPollConfig,
        lifecycle: Lifecycle,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Self {
        Self {
            limiter: WaitLimiter::new(config.max_waiting, MAX_PER_CLIENT),
            config,
            lifecycle,
            metrics,
            clock,
        }
    }

    /// Begins a hold if this read of `request` found the state that the client has, and the session
    /// was written a short time ago. `mark` was taken before the read.
    pub(super) fn begin<'a, S: Store>(
        &'a self,
        store: &'a S,
        request: &ReadRequest,
        mark: ChangeMark,
        found: &WithTimestamps<ReadResult>,
        retry: StoreRetry<'_>,
    ) -> Option<Hold<'a, S>> {
        let ReadResult::Unchanged {
            expires_in,
            never_written: false,
            ..
        } = found.result
        else {
            return None;
        };
        if !self.is_recent(found.timestamps?, expires_in) || self.lifecycle.is_shutting_down() {
            return None;
        }
        let (client, is_limited) = retry.finish()?;
        let permit = self.limiter.try_acquire(client, is_limited);
        let watch = |_: &WaitPermit<'_>| store.changes().watch(request.id, mark, MAX_PER_SESSION);
        let watcher = permit.as_ref().and_then(watch);
        let (Some(permit), Some(watcher)) = (permit, watcher) else {
            self.metrics.holds_refused.inc();
            return None;
        };
        self.metrics.reads_held.inc();
        Some(Hold {
            store,
            holds: self,
            request: *request,
            found: found.clone(),
            expires_in,
            watcher,
            record: HoldRecord {
                holds: self,
                started_at: self.clock.now(),
                end: HoldEnd::Abandoned,
                _permit: permit,
            },
        })
    }

    fn is_recent(&self, timestamps: Timestamps, expires_in: Duration) -> bool {
        timestamps.since_write(expires_in) < self.config.window
    }
}

impl<S: Store> Hold<'_, S> {
    /// The read.
    pub(super) fn request(&self) -> ReadRequest {
        self.request
    }

    /// Waits until the session changes or the hold ends, and returns the answer for the client. It ends
    /// at once when `hangup` does: the client has closed its sending side.
    ///
    /// It never fails: if the store does, the answer is what was found before (R2.45).
    pub(crate) async fn wait(
        mut self,
        hangup: impl Future<Output = ()>,
    ) -> WithTimestamps<ReadResult> {
        let stopped = self.holds.lifecycle.signalled().cancelled();
        let (end, changed) = tokio::select! {
            biased;
            () = stopped => (HoldEnd::Stopped, None),
            () = hangup => (HoldEnd::HungUp, None),
            looked = timeout(self.holds.config.timeout, self.await_change()) => match looked {
                Ok(Some(read)) if read.result == ReadResult::Gone => (HoldEnd::Gone, Some(read)),
                Ok(Some(read)) => (HoldEnd::Written, Some(read)),
                Ok(None) => (HoldEnd::StoreFailed, None),
                Err(_) => (HoldEnd::TimedOut, None),
            },
        };
        self.record.end = end;
        changed.unwrap_or(self.found)
    }

    /// Returns the changed state of the session, or `None` if the store failed.
    async fn await_change(&self) -> Option<WithTimestamps<ReadResult>> {
        let mut expires_in = self.expires_in;
        loop {
            let pause = if self.store.changes().is_complete() {
                expires_in + EXPIRY_MARGIN
            } else {
                LOOK_INTERVAL.min(expires_in + EXPIRY_MARGIN)
            };
            tokio::select! {
                () = self.watcher.changed() => {}
                () = sleep(pause) => {}
            }
            // On the heap, because a hold mostly waits.
            let read = Box::pin(self.store.read(&self.request)).await.ok()?;
            match read.result {
                ReadResult::Unchanged {
                    expires_in: left, ..
                } => expires_in = left,
                ReadResult::Found { .. } | ReadResult::Gone => return Some(read),
            }
        }
    }
}

impl Drop for HoldRecord<'_> {
    fn drop(&mut self) {
        let Holds { metrics, clock, .. } = self.holds;
        let took = clock.now().saturating_sub(self.started_at);
        // In this order: a reader that sees no held read also sees how the last hold ended.
        metrics.holds.observe(self.end, took.as_secs_f64());
        metrics.reads_held.dec();
    }
}

#[cfg(test)]
mod tests;
