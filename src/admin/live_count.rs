//! The number of live sessions, counted by the store when an operator's page needs it.

use crate::clock::Clock;
use crate::store::Store;
use crate::telemetry::metrics::Metrics;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// How long a count stays valid: several scrapers at once cost one count.
const LIVE_TTL: Duration = Duration::from_secs(2);

/// Counts live sessions into the metrics `sessions_live` and `store_up`.
#[derive(Debug)]
pub struct LiveCount<S> {
    store: Arc<S>,
    metrics: Arc<Metrics>,
    clock: Clock,
    last_counted_at: Mutex<Option<Duration>>,
}

impl<S: Store> LiveCount<S> {
    /// Nothing is counted yet.
    #[must_use]
    pub fn new(store: Arc<S>, metrics: Arc<Metrics>, clock: Clock) -> Self {
        Self {
            store,
            metrics,
            clock,
            last_counted_at: Mutex::new(None),
        }
    }

    /// Counts again if the last count is older than `LIVE_TTL`. A second caller waits for the first
    /// one's count, within the store's deadline. Returns whether the store answered.
    pub async fn refresh(&self) -> bool {
        let mut last_counted_at = self.last_counted_at.lock().await;
        let now = self.clock.now();
        let is_valid = last_counted_at.is_some_and(|at| now.saturating_sub(at) < LIVE_TTL);
        if !is_valid {
            let live = self.store.live().await;
            // Not before: a caller that gives up has counted nothing.
            *last_counted_at = Some(now);
            match live {
                Ok(live) => {
                    let live = i64::try_from(live).unwrap_or(i64::MAX);
                    self.metrics.sessions_live.set(live);
                    self.metrics.store_up.set(1);
                }
                Err(_) => self.metrics.store_up.set(0),
            }
        }
        self.metrics.store_up.get() == 1
    }
}
