//! SIGHUP: the configuration is read again, and what may change while it runs is changed.
//!
//! That is the level of the log, the limits with their deny lists, and the maintenance switch. A configuration that
//! is wrong is refused as a whole and the old one kept; of other keys that changed the log says that they wait for a
//! restart. Variables of the environment and flags are what they were at the start.

use crate::config::{RawConfig, Sources};
use crate::lifecycle::ReloadSignal;
use crate::policy::Policy;
use crate::startup::{self, Startup};
use crate::store::{CurrentShares, Shares};
use crate::telemetry::labels::ReloadOutcome;
use crate::telemetry::logs::{self, Log};
use crate::telemetry::metrics::Metrics;
use std::sync::Arc;

/// Where the configuration came from, and what it was.
#[derive(Debug)]
pub struct ReloadContext {
    /// Its sources.
    pub sources: Sources,
    /// As it was written there.
    pub raw: RawConfig,
    /// Where its lines go, and of which level.
    pub log: Arc<Log>,
}

/// What is changed.
#[derive(Debug)]
pub struct Reload {
    /// What it was changed from.
    pub origin: ReloadContext,
    /// Limits of this replica, and the maintenance switch.
    pub policy: Arc<Policy>,
    /// Shares over all replicas.
    pub shares: Arc<CurrentShares>,
    /// Metrics.
    pub metrics: Arc<Metrics>,
}

impl Reload {
    /// Looks again at each SIGHUP, for ever.
    pub async fn run(mut self, mut hangups: ReloadSignal) {
        while hangups.next().await.is_some() {
            // It reads files, which may hang: on a thread of its own, which nobody waits for at the end.
            let applied = tokio::task::spawn_blocking(move || {
                let applied = self.apply();
                (self, applied)
            });
            let Ok((myself, applied)) = applied.await else {
                return;
            };
            self = myself;
            let outcome = match applied {
                Ok(waiting) => {
                    tracing::info!("the configuration was read again and applied");
                    if !waiting.is_empty() {
                        let keys = waiting.join(", ");
                        tracing::warn!(keys, "these have changed too, and wait for a restart");
                    }
                    ReloadOutcome::Applied
                }
                Err(error) => {
                    tracing::error!("the configuration is refused, and the old one kept: {error}");
                    ReloadOutcome::Refused
                }
            };
            self.metrics.config_reloads.inc(outcome);
        }
    }

    /// Changes what may change. Returns the keys that changed and may not.
    fn apply(&mut self) -> Result<Vec<String>, Box<dyn std::error::Error + Send + Sync>> {
        let Startup { config, raw, .. } = startup::load(&self.origin.sources)?;
        let level = logs::parse_level(&config.telemetry.log_level)?;
        let waiting = self.origin.raw.keys_requiring_restart(&raw);
        self.origin.log.set_level(level)?;
        self.shares.set(Shares::from_config(&config.limits));
        self.policy.set_limits(config.limits);
        self.policy.set_maintenance(config.maintenance);
        Ok(waiting)
    }
}
