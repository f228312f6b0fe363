//! What a create of unknown outcome left behind, taken away in the background.
//!
//! A queue with a bound, one task, a bounded number of tries: what is dropped here, or given up, is
//! counted, and ends by its TTL.

use crate::model::SessionId;
use crate::store::redis::keys::PrincipalKeys;
use crate::store::redis::lease::Leases;
use crate::telemetry::metrics::Metrics;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Orphans that may wait: what an outage of some seconds leaves on a busy worker. 100 KiB at most.
const QUEUE_CAPACITY: usize = 1024;

/// Tries for one guard, a second apart: longer than a failover takes; then its TTL ends it.
const MAX_ROLLBACK_TRIES: u32 = 10;
const ROLLBACK_RETRY_PAUSE: Duration = Duration::from_secs(1);

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

/// Session first, lease second, so that the lease covers the session to the end.
async fn delete_and_release(
    leases: &Leases,
    deadline: Duration,
    id: SessionId,
    principals: &PrincipalKeys,
) -> bool {
    let calls = async {
        leases.delete_session(id).await?;
        leases.release(id, principals).await
    };
    tokio::time::timeout(deadline, calls)
        .await
        .is_ok_and(|done| done.is_ok())
}

/// Takes the session away when dropped, unless it is disowned first: by an outcome that is known.
///
/// A guard, because the client may go away at any await, and its request's future with it.
#[derive(Debug)]
pub(super) struct RollbackGuard<'a> {
    rollback: &'a RollbackQueue,
    pending: Option<(SessionId, PrincipalKeys)>,
}

impl<'a> RollbackGuard<'a> {
    /// `principals` are those whose shares its place is counted against.
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
        // Before it is sent, or it may be done before it is counted.
        metrics.store_orphans_waiting.inc();
        if queue.try_send(pending).is_err() {
            metrics.store_orphans_waiting.dec();
            metrics.store_orphans_dropped.inc();
        }
    }
}
