//! Removes, in the background, what a call with an unknown outcome left in Redis: a session, a
//! lease, or both.
//!
//! The queue is bounded, one task works on it, and the number of tries is bounded. What is dropped
//! or given up is counted in a metric, and expires by its TTL.

use crate::model::SessionId;
use crate::store::redis::keys::PrincipalKeys;
use crate::store::redis::lease::Leases;
use crate::telemetry::metrics::Metrics;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Capacity of the queue: what an outage of some seconds leaves on a busy replica. At most 100 KiB.
const QUEUE_CAPACITY: usize = 1024;

/// Tries for one session, a second apart. They outlast a failover. After that the session's TTL
/// ends it.
const MAX_ROLLBACK_TRIES: u32 = 10;
const ROLLBACK_RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The queue of sessions to remove.
#[derive(Debug)]
pub(super) struct RollbackQueue {
    queue: mpsc::Sender<(SessionId, PrincipalKeys)>,
    metrics: Arc<Metrics>,
}

impl RollbackQueue {
    /// Returns the queue and the task that works it off.
    pub(super) fn new(
        leases: &Arc<Leases>,
        deadline: Duration,
        metrics: &Arc<Metrics>,
    ) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (queue, mut receiver) = mpsc::channel(QUEUE_CAPACITY);
        let leases = Arc::clone(leases);
        let given_up = metrics.store_orphans_given_up.clone();
        let waiting = metrics.store_orphans_waiting.clone();
        let work = async move {
            while let Some((id, principals)) = receiver.recv().await {
                let mut tries_left = MAX_ROLLBACK_TRIES;
                while !delete_and_release(&leases, deadline, id, &principals).await {
                    tries_left -= 1;
                    if tries_left == 0 {
                        given_up.inc();
                        break;
                    }
                    tokio::time::sleep(ROLLBACK_RETRY_PAUSE).await;
                }
                waiting.dec();
            }
        };
        let metrics = Arc::clone(metrics);
        (Self { queue, metrics }, work)
    }
}

/// Deletes a session and releases its lease within the deadline. Returns whether that succeeded.
async fn delete_and_release(
    leases: &Leases,
    deadline: Duration,
    id: SessionId,
    principals: &PrincipalKeys,
) -> bool {
    tokio::time::timeout(deadline, leases.remove(id, principals))
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
        let Some(pending) = self.pending.take() else {
            return;
        };
        let RollbackQueue { queue, metrics } = self.rollback;
        // Incremented first. Otherwise the task could be done before the session is counted.
        metrics.store_orphans_waiting.inc();
        if queue.try_send(pending).is_err() {
            metrics.store_orphans_waiting.dec();
            metrics.store_orphans_dropped.inc();
        }
    }
}
