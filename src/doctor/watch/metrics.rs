//! The metrics of `--watch`.

use crate::doctor::report::{Report, Status};
use prometheus::{Gauge, IntGaugeVec, Opts, Registry, TextEncoder};
use std::time::{Duration, SystemTime};

/// The results of the last run.
pub(super) struct DoctorMetrics {
    registry: Registry,
    checks: IntGaugeVec,
    finished: Gauge,
    took: Gauge,
}

impl DoctorMetrics {
    /// Creates the metrics. There is no result yet.
    ///
    /// # Panics
    /// Never: the names are valid and differ.
    pub(super) fn new() -> Self {
        let checks = Opts::new(
            "rendezvous_doctor_check",
            "1 if the check passed or warned, 0 if it failed. A check that was skipped has no series.",
        );
        let checks = IntGaugeVec::new(checks, &["target", "id"]).expect("a name");
        let gauge = |name, help| Gauge::new(name, help).expect("a name");
        let finished = gauge(
            "rendezvous_doctor_last_run_timestamp_seconds",
            "When the last run ended, in seconds since 1970. 0 before the first.",
        );
        let took = gauge(
            "rendezvous_doctor_last_run_seconds",
            "How long the last run took.",
        );
        let registry = Registry::new();
        let registered = [
            registry.register(Box::new(checks.clone())),
            registry.register(Box::new(finished.clone())),
            registry.register(Box::new(took.clone())),
        ];
        assert!(registered.iter().all(Result::is_ok));
        Self {
            registry,
            checks,
            finished,
            took,
        }
    }

    /// Replaces the results by those of a run.
    pub(super) fn set(&self, reports: &[Report], ended: SystemTime, took: Duration) {
        self.checks.reset();
        for report in reports {
            for check in &report.checks {
                let passed = match check.status() {
                    Status::Skip => continue,
                    Status::Fail => 0,
                    Status::Pass | Status::Warn => 1,
                };
                let labels = [report.target.as_str(), check.id.name()];
                self.checks.with_label_values(&labels).set(passed);
            }
        }
        let since_epoch = ended.duration_since(SystemTime::UNIX_EPOCH);
        self.finished
            .set(since_epoch.unwrap_or_default().as_secs_f64());
        self.took.set(took.as_secs_f64());
    }

    /// Returns the page for Prometheus.
    ///
    /// # Errors
    /// Why a metric cannot be written.
    pub(super) fn encode(&self) -> Result<String, String> {
        let text = TextEncoder::new().encode_to_string(&self.registry.gather());
        text.map_err(|error| error.to_string())
    }
}
