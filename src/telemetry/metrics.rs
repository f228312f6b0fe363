//! All metrics, in one struct: the doc comment of a field is its HELP text.
//!
//! Handles are resolved at the start, so that a request touches atomics and no map of labels, and so
//! that every series stands at 0 before its first event.

mod declare;

use crate::model::Api;
use crate::model::Limit;
use crate::model::Rejection;
use crate::telemetry::build::{REVISION, VERSION};
use crate::telemetry::expected_series::{STATUSES, expected_series};
use crate::telemetry::labels::{
    AuthOutcome, ConnectionRefusal, ExportOutcome, Method, Phase, ReloadOutcome, Route, Wait,
};
pub use crate::telemetry::labels::{Operation, OperationOutcome};
use crate::telemetry::sign_ins::SignIns;
use declare::metrics;
/// One series that goes up and down.
pub use prometheus::IntGauge as Gauge;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

/// Buckets in seconds. A poll on the embedded store takes tens of microseconds and one on Redis a
/// millisecond under load; a call to the store has 0.8 s, a question about a token 3 s, a body 10 s and a
/// request 30 s.
const BUCKETS: [f64; 15] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 3.0, 10.0,
    30.0,
];

metrics! {
    /// Requests answered.
    http_requests: IntCounterVec = "rendezvous_http_requests_total" ["api", "route", "method", "status"],
    /// Time from a request's head to its reply.
    http_durations: HistogramVec = "rendezvous_http_request_duration_seconds" ["api", "route"],
    /// Requests being worked on.
    http_in_flight: IntGauge = "rendezvous_http_requests_in_flight" [],
    /// Requests whose connection was gone before they had an answer; no other number has them.
    http_abandoned: IntCounter = "rendezvous_http_requests_abandoned_total" [],
    /// Connections by state: active ones are working on a request.
    connections: IntGaugeVec = "rendezvous_connections" ["state"],
    /// Connections that may be open at once, by configuration.
    connections_limit: IntGauge = "rendezvous_connections_limit" [],
    /// Connections closed for where they come from or what they do, by reason.
    connections_refused: IntCounterVec = "rendezvous_connections_refused_total" ["reason"],
    /// Waits on a client that ended by their deadline.
    timeouts: IntCounterVec = "rendezvous_timeouts_total" ["kind"],
    /// Panics caught in a handler; each was answered with a 500.
    panics: IntCounter = "rendezvous_panics_total" [],
    /// Sessions that are live, over all replicas, as the store counts them.
    sessions_live: IntGauge = "rendezvous_sessions_live" [],
    /// Sessions that may be live at once, over all replicas, by configuration.
    sessions_limit: IntGauge = "rendezvous_sessions_limit" [],
    /// Whether no session is created, by the operator's wish: 1 or 0.
    maintenance: IntGauge = "rendezvous_maintenance" [],
    /// The phase of the process: 1 for the one that it is in, 0 for the others.
    phase: IntGaugeVec = "rendezvous_lifecycle_phase" ["phase"],
    /// Looks at the configuration again (SIGHUP): it was applied, or refused and the old one kept.
    config_reloads: IntCounterVec = "rendezvous_config_reloads_total" ["outcome"],
    /// Batches of spans that a collector was told: it took them, or they are lost.
    trace_exports: IntCounterVec = "rendezvous_trace_exports_total" ["outcome"],
    /// Lines of the log that were lost, since whoever reads standard error did not.
    log_lines_lost: IntCounter = "rendezvous_log_lines_lost_total" [],
    /// Clients, IPv4 addresses and IPv6 /64s, that limits refused on this replica, in this minute or the last; about.
    limited_clients: IntGauge = "rendezvous_limited_clients" [],
    /// Requests refused, by reason.
    rejections: IntCounterVec = "rendezvous_rejections_total" ["reason"],
    /// Time of a call to the store.
    store_operations: HistogramVec = "rendezvous_store_operation_duration_seconds" ["operation", "outcome"],
    /// Calls to the store that wait for its answer.
    store_in_flight: IntGauge = "rendezvous_store_operations_in_flight" [],
    /// Whether the store answered when it was last asked for this page: 1 or 0.
    store_up: IntGauge = "rendezvous_store_up" [],
    /// Connections to the store made again after one was lost.
    store_reconnects: IntCounter = "rendezvous_store_reconnects_total" [],
    /// Replies of the store that did not fit their call; each cost a connection.
    store_bad_replies: IntCounter = "rendezvous_store_bad_replies_total" [],
    /// Sessions of unknown outcome that wait to be cleaned up.
    store_orphans_waiting: IntGauge = "rendezvous_store_orphans_waiting" [],
    /// Sessions of unknown outcome that were left to their TTL, since the clean-up queue was full.
    store_orphans_dropped: IntCounter = "rendezvous_store_orphans_dropped_total" [],
    /// Sessions of unknown outcome that were left to their TTL, since ten tries to clean them up failed.
    store_orphans_given_up: IntCounter = "rendezvous_store_orphans_given_up_total" [],
    /// Questions whose an access token is, by their end; cached ones were not asked.
    auth_checks: IntCounterVec = "rendezvous_auth_checks_total" ["outcome", "cached"],
    /// Whether a homeserver is not asked about access tokens for the moment, since it did not answer: 1 or 0.
    auth_circuit_open: IntGaugeVec = "rendezvous_auth_circuit_open" ["homeserver"],
    /// Requests that a limit in shadow mode would have refused.
    shadowed: IntCounterVec = "rendezvous_shadowed_total" ["limit"],
    /// Clients, networks, users or sessions that a rate limiter remembers.
    limiter_keys: IntGaugeVec = "rendezvous_limiter_keys" ["limiter"],
    /// Requests of newcomers whom a rate limiter had no room to remember.
    limiter_overflows: IntCounterVec = "rendezvous_limiter_overflows_total" ["limiter"],
    /// Always 1; the labels say what runs.
    build_info: IntGaugeVec = "rendezvous_build_info" ["version", "revision"],
}

impl Metrics {
    /// Registers everything, each series at 0.
    ///
    /// # Panics
    /// Where two metrics share a name: a mistake in this file, that any test finds.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Self::register().expect("names are unique and well-formed");
        metrics.resolve_http();
        metrics.operations = pairs(Operation::ALL, OperationOutcome::ALL)
            .map(|(operation, outcome)| {
                let labels = [operation.label(), outcome.label()];
                metrics.store_operations.with_label_values(&labels)
            })
            .collect();
        for reason in Rejection::ALL {
            metrics.rejections.with_label_values(&[reason.label()]);
        }
        for reason in ConnectionRefusal::ALL {
            let labels = [reason.label()];
            metrics.connections_refused.with_label_values(&labels);
        }
        for wait in Wait::ALL {
            metrics.timeouts.with_label_values(&[wait.label()]);
        }
        for (outcome, cached) in pairs(AuthOutcome::ALL, &["false", "true"]) {
            metrics
                .auth_checks
                .with_label_values(&[outcome.label(), cached]);
        }
        for limit in Limit::REMEMBERING {
            metrics.limiter_keys.with_label_values(&[limit.label()]);
            let overflows = &metrics.limiter_overflows;
            overflows.with_label_values(&[limit.label()]);
        }
        for limit in Limit::ALL {
            metrics.shadowed.with_label_values(&[limit.label()]);
        }
        for phase in Phase::ALL {
            metrics.phase.with_label_values(&[phase.label()]);
        }
        for outcome in ReloadOutcome::ALL {
            metrics.config_reloads.with_label_values(&[outcome.label()]);
        }
        for outcome in ExportOutcome::ALL {
            metrics.trace_exports.with_label_values(&[outcome.label()]);
        }
        for state in ["active", "idle"] {
            metrics.connections.with_label_values(&[state]);
        }
        metrics
            .build_info
            .with_label_values(&[VERSION, REVISION])
            .set(1);
        metrics
    }

    fn resolve_http(&mut self) {
        for ((api, route), (method, status)) in pairs(Api::ALL, Route::ALL)
            .flat_map(|place| pairs(Method::ALL, &STATUSES).map(move |what| (place, what)))
        {
            let counter = expected_series(api, route, method, status)
                .then(|| self.request_counter(api, route, method, status));
            self.requests.push(counter);
        }
        self.durations = pairs(Api::ALL, Route::ALL)
            .map(|(api, route)| {
                self.http_durations
                    .with_label_values(&[api.label(), route.label()])
            })
            .collect();
    }

    /// Counts one answered request that took `seconds`.
    pub fn request(&self, api: Api, route: Route, method: Method, status: u16, seconds: f64) {
        let place = api.index() * Route::ALL.len() + route.index();
        self.durations[place].observe(seconds);
        let row = (place * Method::ALL.len() + method.index()) * STATUSES.len();
        let known = STATUSES
            .iter()
            .position(|known| *known == status)
            .and_then(|column| self.requests[row + column].as_ref());
        match known {
            Some(counter) => counter.inc(),
            // A combination that nobody foresaw is still counted, only more slowly.
            None => self.request_counter(api, route, method, status).inc(),
        }
    }

    fn request_counter(&self, api: Api, route: Route, method: Method, status: u16) -> IntCounter {
        let status = status.to_string();
        self.http_requests
            .with_label_values(&[api.label(), route.label(), method.label(), &status])
    }

    /// The histogram of one operation's outcome.
    #[must_use]
    pub fn store_operation(&self, operation: Operation, outcome: OperationOutcome) -> &Histogram {
        &self.operations[operation.index() * OperationOutcome::ALL.len() + outcome.index()]
    }

    /// Counts a refusal.
    pub fn reject(&self, reason: Rejection) {
        self.rejections.with_label_values(&[reason.label()]).inc();
    }

    /// Counts a request that a limit would have refused, and let pass.
    pub fn shadow(&self, limit: Limit) {
        self.shadowed.with_label_values(&[limit.label()]).inc();
    }

    /// Counts a connection that was closed.
    pub fn refuse_connection(&self, reason: ConnectionRefusal) {
        let labels = [reason.label()];
        self.connections_refused.with_label_values(&labels).inc();
    }

    /// Counts a question whose an access token is.
    pub fn auth_check(&self, outcome: AuthOutcome, cached: bool) {
        let cached = if cached { "true" } else { "false" };
        self.auth_checks
            .with_label_values(&[outcome.label(), cached])
            .inc();
    }

    /// Counts a wait that ended by its deadline.
    pub fn timed_out(&self, wait: Wait) {
        self.timeouts.with_label_values(&[wait.label()]).inc();
    }

    /// Shows the phase of the process.
    pub fn set_phase(&self, now: Phase) {
        for phase in Phase::ALL {
            let gauge = self.phase.with_label_values(&[phase.label()]);
            gauge.set(i64::from(*phase == now));
        }
    }

    /// Counts a look at the configuration.
    pub fn reloaded(&self, outcome: ReloadOutcome) {
        let labels = [outcome.label()];
        self.config_reloads.with_label_values(&labels).inc();
    }

    /// Counts a batch of spans.
    pub fn exported(&self, outcome: ExportOutcome) {
        let labels = [outcome.label()];
        self.trace_exports.with_label_values(&labels).inc();
    }

    /// The Prometheus text format of everything.
    ///
    /// # Errors
    /// Where the encoder refuses a metric, which none of ours gives it reason to.
    pub fn encode(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn pairs<A: Copy, B: Copy>(
    first: &'static [A],
    second: &'static [B],
) -> impl Iterator<Item = (A, B)> {
    first
        .iter()
        .flat_map(move |a| second.iter().map(move |b| (*a, *b)))
}
