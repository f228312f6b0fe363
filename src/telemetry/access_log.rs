//! The access log: one line per request, by which an operator can follow a sign-in without learning
//! who signs in.
//!
//! A line has the template of the path and never the path, a pseudonym of the session and never its
//! id, and no address, token or payload. Requests that a limit rejects are not in it: the rejection
//! log samples them. A poll that found nothing new has its line at DEBUG, unless the configuration
//! says otherwise: a sign-in has about 120 of them. Other rejected requests and preflights have a budget (`log_budget`); the log
//! says how many lines it left out.

use crate::clock::Clock;
use crate::model::Rejection;
use crate::telemetry::log_budget::LogBudget;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::pseudonym::Pseudonyms;
use crate::telemetry::request_record::RequestRecord;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Interval at which the log says how many lines it left out.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Writes the line of a request. A macro, since the level of an event is a constant.
macro_rules! write_line {
    ($log:expr, $request:expr, $level:expr) => {{
        let (log, request) = ($log, $request);
        let session = request.session.map(|id| log.pseudonyms.session(id));
        tracing::event!(
            target: "access",
            $level,
            api = request.api.label(),
            route = request.route.label(),
            method = request.method.label(),
            status = request.status,
            reason = request.reason.map(Rejection::label),
            duration_us = micros(request.duration),
            held_us = (!request.held_for.is_zero()).then(|| micros(request.held_for)),
            session,
            request_id = request.request_id,
            replica = log.replica,
            "request"
        );
    }};
}

/// Which requests have a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessLogScope {
    /// None (`telemetry.access_log`).
    Off,
    /// All, but polls that found nothing new have theirs at DEBUG.
    PollsAtDebug,
    /// All, at INFO (`telemetry.log_polls`).
    All,
}

/// Writes the access log.
#[derive(Debug)]
pub struct AccessLog {
    scope: AccessLogScope,
    replica: String,
    pseudonyms: Pseudonyms,
    budget: LogBudget,
    clock: Clock,
    metrics: Arc<Metrics>,
    /// How many of the omitted lines the log has reported.
    reported: AtomicU64,
}

impl AccessLog {
    /// Creates the access log of this `replica`, with the requests in `scope`.
    #[must_use]
    pub fn new(
        scope: AccessLogScope,
        replica: String,
        pseudonyms: Pseudonyms,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            scope,
            replica,
            pseudonyms,
            budget: LogBudget::new(),
            clock,
            metrics,
            reported: AtomicU64::new(0),
        }
    }

    /// Writes one line, unless the request was not served and the budget for such lines is used up.
    pub fn record(&self, request: &RequestRecord<'_>) {
        // Checked before the pseudonym is computed: the hash costs as much as the rest of a request
        // to the memory store.
        let at_debug = match self.scope {
            AccessLogScope::Off => return,
            AccessLogScope::PollsAtDebug => request.is_unchanged_poll(),
            AccessLogScope::All => false,
        };
        let is_filtered_out = if at_debug {
            !tracing::enabled!(target: "access", tracing::Level::DEBUG)
        } else {
            !tracing::enabled!(target: "access", tracing::Level::INFO)
        };
        if is_filtered_out {
            return;
        }
        if !request.is_served() && !self.budget.try_acquire(request.client, self.clock.now()) {
            self.metrics.access_log_lines_omitted.inc();
            return;
        }
        if at_debug {
            write_line!(self, request, tracing::Level::DEBUG);
        } else {
            write_line!(self, request, tracing::Level::INFO);
        }
    }

    /// Logs each second how many lines were left out, if any. Runs beside the service and never
    /// returns.
    pub async fn report_forever(&self) {
        loop {
            tokio::time::sleep(REPORT_INTERVAL).await;
            self.report();
        }
    }

    fn report(&self) {
        let total = self.metrics.access_log_lines_omitted.get();
        let omitted = total.saturating_sub(self.reported.fetch_max(total, Ordering::Relaxed));
        if omitted > 0 {
            tracing::info!(
                target: "access",
                omitted,
                replica = self.replica,
                "lines left out: rejected requests and preflights beyond the budget of the log"
            );
        }
    }
}

/// Reports the lines that were left out since the last report.
impl Drop for AccessLog {
    fn drop(&mut self) {
        self.report();
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
