//! What the checks found: a gauge per check, a line on `/readyz?verbose`, and a log line per change.

use crate::config::store::Check;
use crate::store::redis::startup_check::StartupResult;
use crate::store::{StoreIdentity, StoreProblems};
use crate::telemetry::labels::StoreCheck;
use crate::telemetry::metrics::Metrics;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Checks whose failure means that no session can be created. Creations need every permission that
/// the check of the ACL exercises.
const STOPS_CREATIONS: [StoreCheck; 2] = [StoreCheck::Write, StoreCheck::Acl];

/// The checks that failed last, and where they are published.
pub(super) struct CheckReport {
    metrics: Arc<Metrics>,
    problems: Arc<StoreProblems>,
    identity: Arc<StoreIdentity>,
    /// The reason of each failed check, by its label.
    failed: BTreeMap<&'static str, String>,
    notes: BTreeSet<String>,
}

impl CheckReport {
    pub(super) fn new(
        metrics: &Arc<Metrics>,
        problems: &Arc<StoreProblems>,
        identity: &Arc<StoreIdentity>,
    ) -> Self {
        Self {
            metrics: Arc::clone(metrics),
            problems: Arc::clone(problems),
            identity: Arc::clone(identity),
            failed: BTreeMap::new(),
            notes: BTreeSet::new(),
        }
    }

    /// Records the result of a start-up check. If it was inconclusive, checks without a result keep
    /// their last one.
    pub(super) fn record_checks(&mut self, result: &StartupResult) {
        for check in Check::ALL {
            let failed = result.failed.iter().find(|(failed, _)| *failed == check);
            match failed {
                Some((_, reason)) => self.record(label(check), Some(reason)),
                None if result.inconclusive.is_some() => {}
                None => self.record(label(check), None),
            }
        }
        if let Some(memory) = result.memory {
            let gauge = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
            self.metrics.store_memory.set(gauge(memory.used));
            self.metrics.store_memory_limit.set(gauge(memory.limit));
        }
        if let Some(identity) = &result.identity {
            self.identity.set(identity.clone());
        }
        for note in &result.notes {
            if !self.notes.contains(note) {
                tracing::warn!("{note}");
            }
        }
        if result.inconclusive.is_none() {
            self.notes.clear();
        }
        self.notes.extend(result.notes.iter().cloned());
    }

    /// Records the result of a write probe: why Redis refused it, or `None` if it wrote.
    pub(super) fn record_probe(&mut self, refusal: Option<&str>) {
        self.record(StoreCheck::Write, refusal);
    }

    fn record(&mut self, check: StoreCheck, failure: Option<&str>) {
        self.metrics
            .store_check_failed
            .set(check, failure.is_some().into());
        let name = check.label();
        let key = format!("check {name}");
        match (failure, self.failed.get(name)) {
            (None, None) => return,
            (None, Some(_)) => {
                tracing::info!(check = name, "Redis passes this check again");
                self.failed.remove(name);
                self.problems.clear(&key);
            }
            (Some(reason), Some(known)) if known == reason => return,
            (Some(reason), _) => {
                tracing::warn!(check = name, reason, "Redis fails a check");
                self.failed.insert(name, reason.to_owned());
                if !STOPS_CREATIONS.contains(&check) {
                    self.problems.set(key, format!("{name}: {reason}"));
                }
            }
        }
        let refusal = STOPS_CREATIONS
            .iter()
            .find_map(|check| self.failed.get(check.label()));
        self.problems.set_write_refusal(refusal.cloned());
    }
}

const fn label(check: Check) -> StoreCheck {
    match check {
        Check::Version => StoreCheck::Version,
        Check::Eviction => StoreCheck::Eviction,
        Check::Memory => StoreCheck::Memory,
        Check::Acl => StoreCheck::Acl,
        Check::Latency => StoreCheck::Latency,
        Check::Replicas => StoreCheck::Replicas,
    }
}
