//! The removal of orphans, with a stand-in for Redis and in paused time.

use super::{MAX_FIRST_TRIES, MAX_ORPHANS, Orphan, RollbackQueue, remove_all};
use crate::clock::Clock;
use crate::model::SessionId;
use crate::store::redis::keys::PrincipalKeys;
use crate::telemetry::metrics::Metrics;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::sleep;

const LEASE_TTL: Duration = Duration::from_secs(30);

/// The command deadline: how long a try takes if Redis does not answer.
const DEADLINE: Duration = Duration::from_millis(800);

fn queue() -> (RollbackQueue, mpsc::UnboundedReceiver<Orphan>) {
    let (queue, orphans) = mpsc::unbounded_channel();
    let queue = RollbackQueue {
        queue,
        places: Arc::new(Semaphore::new(MAX_ORPHANS)),
        lease_ttl: LEASE_TTL,
        clock: Clock::system(),
        metrics: Arc::new(Metrics::new()),
    };
    (queue, orphans)
}

impl RollbackQueue {
    fn push_new(&self) -> SessionId {
        let id = SessionId::random();
        self.push(id, PrincipalKeys::default());
        id
    }

    /// Orphans that wait, were given up, and were dropped.
    fn counted(&self) -> (i64, u64, u64) {
        let metrics = &self.metrics;
        (
            metrics.store_orphans_waiting.get(),
            metrics.store_orphans_given_up.get(),
            metrics.store_orphans_dropped.get(),
        )
    }
}

/// Runs `test` beside the task, whose calls to Redis are `remove`.
async fn with_task<R: Future<Output = bool>>(
    queue: &RollbackQueue,
    orphans: mpsc::UnboundedReceiver<Orphan>,
    remove: impl Fn(SessionId) -> R,
    test: impl Future<Output = ()>,
) {
    let remove = |id, _| remove(id);
    let work = remove_all(orphans, remove, &queue.clock, &queue.metrics);
    tokio::select! {
        () = work => panic!("the task ended"),
        () = test => {}
    }
}

#[tokio::test(start_paused = true)]
async fn orphans_are_removed_in_parallel_within_bounds() {
    let (queue, orphans) = queue();
    let (now, most) = (Cell::new(0), Cell::new(0));
    let remove = async |_| {
        now.set(now.get() + 1);
        most.set(most.get().max(now.get()));
        sleep(Duration::from_millis(100)).await;
        now.set(now.get() - 1);
        true
    };
    let test = async {
        for _ in 0..10 * MAX_FIRST_TRIES {
            queue.push_new();
        }
        sleep(Duration::from_millis(1001)).await;
    };
    with_task(&queue, orphans, remove, test).await;
    assert_eq!(most.get(), MAX_FIRST_TRIES);
    assert_eq!(queue.counted(), (0, 0, 0));
}

/// In a Cluster, the primary of some sessions is down.
#[tokio::test(start_paused = true)]
async fn failing_orphans_delay_no_new_one() {
    let (queue, orphans) = queue();
    let failing = RefCell::new(Vec::new());
    let remove = async |id| {
        let fails = failing.borrow().contains(&id);
        sleep(if fails { DEADLINE } else { Duration::ZERO }).await;
        !fails
    };
    let test = async {
        failing
            .borrow_mut()
            .extend([(); 500].map(|()| queue.push_new()));
        // By then each has failed once.
        sleep(Duration::from_secs(20)).await;
        assert_eq!(queue.counted(), (500, 0, 0));
        queue.push_new();
        sleep(Duration::from_millis(10)).await;
        assert_eq!(queue.counted(), (500, 0, 0), "the new one waits");
    };
    with_task(&queue, orphans, remove, test).await;
}

#[tokio::test(start_paused = true)]
async fn outage_of_any_length_is_outlasted_until_the_lease_expires() {
    let (queue, orphans) = queue();
    let is_down = Cell::new(true);
    let remove = async |_| {
        let fails = is_down.get();
        sleep(if fails { DEADLINE } else { Duration::ZERO }).await;
        !fails
    };
    let test = async {
        for _ in 0..100 {
            queue.push_new();
        }
        sleep(Duration::from_secs(25)).await;
        assert_eq!(queue.counted(), (100, 0, 0));
        is_down.set(false);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(queue.counted(), (0, 0, 0));

        is_down.set(true);
        queue.push_new();
        sleep(LEASE_TTL).await;
        assert_eq!(queue.counted(), (0, 1, 0));
    };
    with_task(&queue, orphans, remove, test).await;
}

#[tokio::test(start_paused = true)]
async fn full_queue_drops_and_has_room_again() {
    let (queue, orphans) = queue();
    for _ in 0..=MAX_ORPHANS {
        queue.push_new();
    }
    let all = i64::try_from(MAX_ORPHANS).expect("small");
    assert_eq!(queue.counted(), (all, 0, 1));
    let test = async {
        sleep(Duration::from_secs(1)).await;
        assert_eq!(queue.counted(), (0, 0, 1));
        queue.push_new();
        assert_eq!(queue.counted(), (1, 0, 1));
    };
    with_task(&queue, orphans, async |_| true, test).await;
}
