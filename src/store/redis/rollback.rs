//! Removes, in the background, what a call with an unknown outcome left in Redis: a session, a
//! lease, or both. Such a session is an orphan: no client knows it, or its client has deleted it.
//!
//! An orphan is tried until it is removed, or until its lease has expired. The number of orphans is
//! bounded, and the number of concurrent tries. What is dropped or given up is counted in a metric.

use crate::clock::Clock;
use crate::model::SessionId;
use crate::store::redis::keys::PrincipalKeys;
use crate::store::redis::lease::Leases;
use crate::telemetry::metrics::Metrics;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Maximum number of orphans: what an outage of half a minute leaves on a busy replica. At most
/// 3 MiB.
const MAX_ORPHANS: usize = 4096;

/// Maximum number of concurrent first tries, and of concurrent later ones. The two are apart, so
/// that orphans whose primary is down delay no new orphan of another primary. A try takes up to the
/// command deadline if there is no reply. So 40 new orphans a second can fail until a new one
/// waits. After an outage a try takes a round trip, and the whole queue a second.
const MAX_FIRST_TRIES: usize = 32;
const MAX_LATER_TRIES: usize = 32;

/// Pause between two tries of one orphan. It bounds how long after an outage an orphan stays.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The queue of orphans.
#[derive(Debug)]
pub(super) struct RollbackQueue {
    queue: mpsc::UnboundedSender<Orphan>,
    /// One permit per orphan, so that the queue is bounded.
    places: Arc<Semaphore>,
    /// Time until the lease of an orphan has expired.
    lease_ttl: Duration,
    clock: Clock,
    metrics: Arc<Metrics>,
}

/// A session to remove.
#[derive(Debug)]
struct Orphan {
    id: SessionId,
    principals: PrincipalKeys,
    expires_at: Duration,
    _place: OwnedSemaphorePermit,
}

impl RollbackQueue {
    /// Returns the queue and the task that works it off.
    pub(super) fn new(
        leases: &Arc<Leases>,
        deadline: Duration,
        metrics: &Arc<Metrics>,
    ) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (queue, orphans) = mpsc::unbounded_channel();
        let clock = leases.scripts.clock();
        let rollback = Self {
            queue,
            places: Arc::new(Semaphore::new(MAX_ORPHANS)),
            lease_ttl: leases.ttl(),
            clock: clock.clone(),
            metrics: Arc::clone(metrics),
        };
        let (leases, metrics) = (Arc::clone(leases), Arc::clone(metrics));
        let work = async move {
            let remove = |id, principals| delete_and_release(&leases, deadline, id, principals);
            remove_all(orphans, remove, &clock, &metrics).await;
        };
        (rollback, work)
    }

    fn push(&self, id: SessionId, principals: PrincipalKeys) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.metrics.store_orphans_dropped.inc();
            return;
        };
        // Incremented first. Otherwise the task could be done before the orphan is counted.
        self.metrics.store_orphans_waiting.inc();
        let orphan = Orphan {
            id,
            principals,
            expires_at: self.clock.now() + self.lease_ttl,
            _place: place,
        };
        // The task ends with the process only.
        if self.queue.send(orphan).is_err() {
            self.metrics.store_orphans_waiting.dec();
            self.metrics.store_orphans_dropped.inc();
        }
    }
}

/// Removes all orphans, with `remove`, which returns whether it succeeded. Returns after the queue
/// is closed and empty.
async fn remove_all<'r, R>(
    mut orphans: mpsc::UnboundedReceiver<Orphan>,
    remove: impl Fn(SessionId, PrincipalKeys) -> R,
    clock: &Clock,
    metrics: &Metrics,
) where
    R: Future<Output = bool> + 'r,
{
    let first_tries = Semaphore::new(MAX_FIRST_TRIES);
    let later_tries = Semaphore::new(MAX_LATER_TRIES);
    let remove_one = async |orphan: Orphan| {
        let mut permits = &first_tries;
        loop {
            let removed = {
                let _permit = permits.acquire().await;
                // Boxed, so that an orphan that waits does not hold the space of a try.
                Box::pin(remove(orphan.id, orphan.principals.clone())).await
            };
            if removed {
                return;
            }
            if clock.now() + RETRY_PAUSE >= orphan.expires_at {
                metrics.store_orphans_given_up.inc();
                return;
            }
            tokio::time::sleep(RETRY_PAUSE).await;
            permits = &later_tries;
        }
    };
    let mut removals = FuturesUnordered::new();
    let mut closed = false;
    while !closed || !removals.is_empty() {
        tokio::select! {
            orphan = orphans.recv(), if !closed => match orphan {
                Some(orphan) => removals.push(remove_one(orphan)),
                None => closed = true,
            },
            Some(()) = removals.next() => metrics.store_orphans_waiting.dec(),
        }
    }
}

/// Deletes a session and releases its lease within the deadline. Returns whether that succeeded.
async fn delete_and_release(
    leases: &Leases,
    deadline: Duration,
    id: SessionId,
    principals: PrincipalKeys,
) -> bool {
    tokio::time::timeout(deadline, leases.remove(id, &principals))
        .await
        .is_ok_and(|done| done.is_ok())
}

/// Queues the session for removal when dropped, unless a known outcome disarmed the guard first.
///
/// This is a guard because the client may go away at any await, and the request's future is then
/// dropped.
#[derive(Debug)]
pub(super) struct RollbackGuard<'a> {
    rollback: &'a RollbackQueue,
    pending: Option<(SessionId, PrincipalKeys)>,
}

impl<'a> RollbackGuard<'a> {
    /// Arms a guard for a session that counts towards the shares of `principals`.
    pub(super) fn new(
        rollback: &'a RollbackQueue,
        id: SessionId,
        principals: PrincipalKeys,
    ) -> Self {
        Self {
            rollback,
            pending: Some((id, principals)),
        }
    }

    /// Drops the guard without a rollback: the outcome is known.
    pub(super) fn disarm(mut self) {
        self.pending = None;
    }
}

impl Drop for RollbackGuard<'_> {
    fn drop(&mut self) {
        if let Some((id, principals)) = self.pending.take() {
            self.rollback.push(id, principals);
        }
    }
}

#[cfg(test)]
mod tests;
