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
use tokio_util::sync::CancellationToken;

/// Orphans that may wait: what an outage of some seconds leaves on a busy worker. 100 KiB at most.
const QUEUE: usize = 1024;

/// Tries for one orphan, a second apart: longer than a failover takes; then its TTL ends it.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Cleanup {
    queue: mpsc::Sender<(SessionId, PrincipalKeys)>,
    metrics: Arc<Metrics>,
}

impl Cleanup {
    pub(super) fn start(
        leases: &Arc<Leases>,
        deadline: Duration,
        metrics: &Arc<Metrics>,
        stop: &CancellationToken,
    ) -> Self {
        let (queue, mut orphans) = mpsc::channel(QUEUE);
        let leases = Arc::clone(leases);
        let given_up = metrics.store_orphans_given_up.clone();
        let waiting = metrics.store_orphans_waiting.clone();
        let work = async move {
            while let Some((id, holders)) = orphans.recv().await {
                let mut left = TRIES;
                while !remove(&leases, deadline, id, &holders).await {
                    left -= 1;
                    if left == 0 {
                        given_up.inc();
                        break;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                waiting.dec();
            }
        };
        let stop = stop.clone();
        tokio::spawn(async move { stop.run_until_cancelled(work).await });
        Self {
            queue,
            metrics: Arc::clone(metrics),
        }
    }
}

/// Session first, lease second, so that the lease covers the session to the end.
async fn remove(
    leases: &Leases,
    deadline: Duration,
    id: SessionId,
    holders: &PrincipalKeys,
) -> bool {
    let both = async {
        leases.end(id).await?;
        leases.release(id, holders).await
    };
    tokio::time::timeout(deadline, both)
        .await
        .is_ok_and(|removed| removed.is_ok())
}

/// Takes the session away when dropped, unless it is disowned first: by an outcome that is known.
///
/// A guard, because the client may go away at any await, and its request's future with it.
#[derive(Debug)]
pub(super) struct RollbackGuard<'a> {
    cleanup: &'a Cleanup,
    left: Option<(SessionId, PrincipalKeys)>,
}

impl<'a> RollbackGuard<'a> {
    /// `holders` are those whose shares its place is counted against.
    pub(super) fn new(cleanup: &'a Cleanup, id: SessionId, holders: PrincipalKeys) -> Self {
        Self {
            cleanup,
            left: Some((id, holders)),
        }
    }

    pub(super) fn disown(mut self) {
        self.left = None;
    }
}

impl Drop for RollbackGuard<'_> {
    fn drop(&mut self) {
        let Some(orphan) = self.left.take() else {
            return;
        };
        let Cleanup { queue, metrics } = self.cleanup;
        // Before it is sent, or it may be done before it is counted.
        metrics.store_orphans_waiting.inc();
        if queue.try_send(orphan).is_err() {
            metrics.store_orphans_waiting.dec();
            metrics.store_orphans_dropped.inc();
        }
    }
}
