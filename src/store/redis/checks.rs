//! Checks Redis for as long as the process runs: a write probe every 5 s, and the start-up check
//! 2 s after a new connection, every 3 min, and every 5 s while it finds a problem.
//!
//! The probe is one call of `lua/pseudonym_key.lua`. That script writes, so Redis refuses it as it
//! refuses a creation: out of memory, read-only, too few replicas, not persisting. It leaves nothing
//! behind and is not replicated while the key exists.
//!
//! Cost for Redis and one worker: 12 calls of that script a minute, and about 12 calls, an INFO and
//! a PING every 3 min. One sign-in polls about 120 times a minute.

use crate::clock::Clock;
use crate::store::redis::check_report::CheckReport;
use crate::store::redis::error_kind::is_refusal;
use crate::store::redis::startup_check::{StartupCheck, StartupResult};
use crate::store::{StoreError, StoreState};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// Interval between two write probes, and between two start-up checks of an unfit Redis.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);

/// Interval between two start-up checks of a Redis that was found fit.
const CHECK_INTERVAL: Duration = Duration::from_mins(3);

/// How long connections must be open before they are checked again. A demoted primary, and a
/// failover, can change them several times a second.
const SETTLE_TIME: Duration = Duration::from_secs(2);

/// The checks of one Redis, and where their results go.
pub(super) struct Checks {
    pub(super) check: StartupCheck,
    pub(super) report: CheckReport,
    pub(super) clock: Clock,
    pub(super) state: watch::Sender<StoreState>,
    /// Notified when a connection opens.
    pub(super) connected: watch::Receiver<()>,
}

impl Checks {
    /// Checks until the process ends. Sets the state to ready once this Redis was found fit; nothing
    /// found later changes the state.
    pub(super) async fn run(mut self) {
        let mut next_check = self.clock.now();
        loop {
            self.check.wait_for_connection().await;
            self.connected.mark_unchanged();
            if self.clock.now() >= next_check {
                let is_fit = self.run_startup_check().await;
                let interval = if is_fit {
                    CHECK_INTERVAL
                } else {
                    PROBE_INTERVAL
                };
                next_check = self.clock.now() + interval;
            }
            if *self.state.borrow() == StoreState::Ready {
                self.probe().await;
            }
            if let Ok(Ok(())) = timeout(PROBE_INTERVAL, self.connected.changed()).await {
                next_check = self.clock.now();
                // Bounded, since connections that never last should be checked too.
                let _ = timeout(CHECK_INTERVAL, self.wait_until_settled()).await;
            }
        }
    }

    /// Waits until no connection has opened for `SETTLE_TIME`.
    async fn wait_until_settled(&mut self) {
        while let Ok(Ok(())) = timeout(SETTLE_TIME, self.connected.changed()).await {}
    }

    /// Returns whether no check failed.
    async fn run_startup_check(&mut self) -> bool {
        let result = self.check.run().await;
        self.report.record_checks(&result);
        if *self.state.borrow() == StoreState::Ready {
            return result.is_fit();
        }
        let StartupResult { failed, .. } = &result;
        let problems = failed
            .iter()
            .filter(|(check, _)| check.prevents_start())
            .map(|(check, reason)| format!("{check}: {reason}"));
        let problems: Vec<_> = problems.chain(result.inconclusive.clone()).collect();
        if problems.is_empty() {
            tracing::info!("Redis is reachable and fit");
            self.state.send_replace(StoreState::Ready);
        } else if *self.state.borrow() != StoreState::Unfit(problems.clone()) {
            for reason in &problems {
                tracing::error!("not ready: {reason}");
            }
            self.state.send_replace(StoreState::Unfit(problems));
        }
        result.is_fit()
    }

    /// Writes to Redis. Without a reply nothing new is known, and the last result stays.
    async fn probe(&mut self) {
        match self.check.leases.fetch_pseudonym_key().await {
            Ok(()) => self.report.record_probe(None),
            Err(StoreError::Unavailable(reason) | StoreError::Rejected(reason))
                if is_refusal(&reason) =>
            {
                self.report.record_probe(Some(&reason));
            }
            Err(error @ StoreError::NotReplicated(_)) => {
                self.report.record_probe(Some(&error.to_string()));
            }
            Err(error) => tracing::debug!(%error, "the write probe got no reply"),
        }
    }
}
