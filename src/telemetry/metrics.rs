//! All metrics, in one struct. The doc comment of a field is its HELP text.

mod declare;
mod family;
mod requests;

use crate::model::{Api, Limit, Rejection, ShadowRule};
use crate::telemetry::labels::{
    AuthOutcome, ConnectionRefusal, ConnectionState, EtagForm, ExportOutcome, HoldEnd, MethodLabel,
    Phase, ReadOutcome, ReloadOutcome, RouteLabel, StoreCheck, TimeoutKind, WaitOutcome,
    WriteNumber, WriteOutcome,
};
pub use crate::telemetry::labels::{Operation, OperationOutcome};
use crate::telemetry::version::{REVISION, VERSION};
use declare::metrics;
pub use family::{Counters, Gauges, Histograms};
use family::{Declaration, Register};
/// A single gauge.
pub use prometheus::IntGauge as Gauge;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntGauge, IntGaugeVec, Registry, TextEncoder};
pub use requests::RequestCounters;
use std::time::Duration;

/// Buckets of durations, in seconds. A poll takes tens of microseconds with the memory store and a
/// millisecond with Redis under load. The deadlines are 0.8 s for a call to the store, 3 s for a
/// token check, 10 s for a body and 30 s for a request.
const DURATION_BUCKETS: [f64; 15] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 3.0, 10.0,
    30.0,
];

/// Buckets of waits for the store, in seconds. A failover takes 1 to 5 s, and a wait ends after
/// `store.redis.retry_timeout`: 8 s by default, 10 s at most.
const WAIT_BUCKETS: [f64; 8] = [0.1, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 10.0];

/// Buckets of holds, in seconds. Two machines answer each other in tens of milliseconds. A hold ends
/// after `msc4108.long_poll.timeout`: 2 s by default, 10 s at most.
const HOLD_BUCKETS: [f64; 9] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 10.0];

/// Buckets of payload sizes in bytes, up to the maximum of a payload. The messages of a sign-in
/// have a few hundred bytes, except for the one with the secrets.
const SIZE_BUCKETS: [f64; 7] = [64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0];

/// Buckets of the steps of a sign-in, in seconds. Two machines answer each other in tens of
/// milliseconds, or at the next poll; a person with a telephone in each hand takes 5 to 30 s to scan
/// a code, and a minute to confirm. A session expires after 300 s.
const STEP_BUCKETS: [f64; 11] = [
    0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0,
];

/// The values of a label that is true or false.
const BOOLS: &[bool] = &[false, true];

metrics! {
    /// HTTP requests answered.
    http_requests: RequestCounters = "rendezvous_http_requests_total" ["api", "route", "method", "status"],
    /// Time from a request's head to its response.
    http_durations: Histograms<(Api, RouteLabel)> = "rendezvous_http_request_duration_seconds" ["api": Api::ALL, "route": RouteLabel::ALL] in DURATION_BUCKETS,
    /// HTTP requests in flight.
    http_in_flight: IntGauge = "rendezvous_http_requests_in_flight" [],
    /// Requests aborted by the client before a response, by a reset of the connection or the
    /// stream. Not part of rendezvous_http_requests_total.
    http_abandoned: IntCounter = "rendezvous_http_requests_abandoned_total" [],
    /// Open client connections by state. An active connection has a request in flight.
    connections: Gauges<ConnectionState> = "rendezvous_connections" ["state": ConnectionState::ALL],
    /// Upper bound of open client connections (http.max_connections, or what the limit of open files allows).
    connections_limit: IntGauge = "rendezvous_connections_limit" [],
    /// Client connections closed, or HTTP/2 streams refused, because of their source or their behaviour, by reason.
    connections_refused: Counters<ConnectionRefusal> = "rendezvous_connections_refused_total" ["reason": ConnectionRefusal::ALL],
    /// Time at which the certificate of http.listen expires, in seconds since 1970: that of the first
    /// certificate of its chain to expire. 0 without TLS.
    tls_certificate_expiry: IntGauge = "rendezvous_tls_certificate_expiry_timestamp_seconds" [],
    /// Changes of the files of http.tls_cert_file and http.tls_key_file, by outcome. If one is refused,
    /// the old certificate stays in use.
    tls_certificate_reloads: Counters<ReloadOutcome> = "rendezvous_tls_certificate_reloads_total" ["outcome": ReloadOutcome::ALL],
    /// 1 if requests came through a proxy that http.trusted_proxies does not list, or that names no
    /// client, else 0. Once it is 1, it stays 1 until a restart, or a reload that changes http.trusted_proxies or http.forwarded_header.
    proxy_untrusted: IntGauge = "rendezvous_proxy_untrusted" [],
    /// Waits for a client that timed out, by kind.
    timeouts: Counters<TimeoutKind> = "rendezvous_timeouts_total" ["kind": TimeoutKind::ALL],
    /// Panics in request handlers. Each request got a 500.
    panics: IntCounter = "rendezvous_panics_total" [],
    /// Live sessions over all replicas, as the store counts them.
    sessions_live: IntGauge = "rendezvous_sessions_live" [],
    /// Upper bound of live sessions over all replicas (session.max_live).
    sessions_limit: IntGauge = "rendezvous_sessions_limit" [],
    /// 1 if maintenance is on and no session is created, else 0.
    maintenance: IntGauge = "rendezvous_maintenance" [],
    /// Phase of the process: 1 for the current phase, 0 for the others.
    phase: Gauges<Phase> = "rendezvous_lifecycle_phase" ["phase": Phase::ALL],
    /// Configuration reloads (SIGHUP) by outcome. If a reload is refused, the old configuration
    /// stays in use.
    config_reloads: Counters<ReloadOutcome> = "rendezvous_config_reloads_total" ["outcome": ReloadOutcome::ALL],
    /// Batches of spans sent to the trace collector, by outcome. The spans of a lost batch are
    /// dropped.
    trace_exports: Counters<ExportOutcome> = "rendezvous_trace_exports_total" ["outcome": ExportOutcome::ALL],
    /// Pushes of metrics to the metrics collector, by outcome. The next push has the counts of a lost one.
    metric_exports: Counters<ExportOutcome> = "rendezvous_metric_exports_total" ["outcome": ExportOutcome::ALL],
    /// Log lines dropped because standard error was not read fast enough.
    log_lines_lost: IntCounter = "rendezvous_log_lines_lost_total" [],
    /// Access-log lines left out: rejected requests and preflights beyond the log's budget for them.
    /// rendezvous_http_requests_total counts these requests, too.
    access_log_lines_omitted: IntCounter = "rendezvous_access_log_lines_omitted_total" [],
    /// Estimated number of distinct clients (IPv4 addresses or IPv6 /64s) that this replica
    /// limited, in the current or the previous minute, whichever is higher.
    limited_clients: IntGauge = "rendezvous_limited_clients" [],
    /// Rejected requests by reason.
    rejections: Counters<Rejection> = "rendezvous_rejections_total" ["reason": Rejection::ALL],
    /// Duration of calls to the store.
    store_operations: Histograms<(Operation, OperationOutcome)> = "rendezvous_store_operation_duration_seconds" ["operation": Operation::ALL, "outcome": OperationOutcome::ALL] in DURATION_BUCKETS,
    /// Calls to the store in flight.
    store_in_flight: IntGauge = "rendezvous_store_operations_in_flight" [],
    /// Reads and writes that wait for the store (store.redis.retry_timeout).
    store_waiting: IntGauge = "rendezvous_store_waiting" [],
    /// Duration of the waits of reads and writes for the store, by how they ended. Those that ended
    /// as answered cost their clients nothing but the time. refused: too many requests were waiting.
    store_waits: Histograms<WaitOutcome> = "rendezvous_store_wait_duration_seconds" ["outcome": WaitOutcome::ALL] in WAIT_BUCKETS,
    /// Reads that are held until their session changes (msc4108.long_poll).
    reads_held: IntGauge = "rendezvous_reads_held" [],
    /// Duration of held reads, by how they ended. written: the other device's message was delivered
    /// at once.
    holds: Histograms<HoldEnd> = "rendezvous_hold_duration_seconds" ["end": HoldEnd::ALL] in HOLD_BUCKETS,
    /// Reads that were answered at once, because too many reads were held.
    holds_refused: IntCounter = "rendezvous_holds_refused_total" [],
    /// 1 if the store answered when the live sessions were last counted for a scrape, else 0.
    store_up: IntGauge = "rendezvous_store_up" [],
    /// 1 while this replica learns at once of the writes and deletions of every replica, or need not
    /// because it holds no reads, else 0. While it is 0, held reads look at the store at intervals.
    store_change_feed_up: IntGauge = "rendezvous_store_change_feed_up" [],
    /// 1 if this check of Redis failed last and is not ignored (store.redis.ignore_checks), else 0.
    /// write: Redis refused the last write probe.
    store_check_failed: Gauges<StoreCheck> = "rendezvous_store_check_failed" ["check": StoreCheck::ALL],
    /// Memory that Redis used when it was last checked (every 3 minutes), of the primary that is
    /// nearest to its maxmemory. 0 with the memory store.
    store_memory: IntGauge = "rendezvous_store_memory_bytes" [],
    /// maxmemory of the primary of rendezvous_store_memory_bytes. 0 if it has no limit.
    store_memory_limit: IntGauge = "rendezvous_store_memory_limit_bytes" [],
    /// Reconnections to the store after a connection was lost.
    store_reconnects: IntCounter = "rendezvous_store_reconnects_total" [],
    /// Replies of the store that did not match their call. Each closes its connection.
    store_bad_replies: IntCounter = "rendezvous_store_bad_replies_total" [],
    /// Sessions of unknown outcome that wait for clean-up.
    store_orphans_waiting: IntGauge = "rendezvous_store_orphans_waiting" [],
    /// Sessions of unknown outcome left to their TTL because the clean-up queue was full.
    store_orphans_dropped: IntCounter = "rendezvous_store_orphans_dropped_total" [],
    /// Sessions of unknown outcome that could not be cleaned up before their TTL ended them.
    store_orphans_given_up: IntCounter = "rendezvous_store_orphans_given_up_total" [],
    /// Access-token checks by outcome. cached="true": answered from the token cache.
    auth_checks: Counters<(AuthOutcome, bool)> = "rendezvous_auth_checks_total" ["outcome": AuthOutcome::ALL, "cached": BOOLS],
    /// 1 if the circuit breaker of a homeserver's token verifier is open, else 0. While it is open,
    /// no access token is checked.
    auth_circuit_open: IntGaugeVec = "rendezvous_auth_circuit_open" ["homeserver"],
    /// Requests that a limit or a deny list in shadow mode would have rejected.
    shadowed: Counters<ShadowRule> = "rendezvous_shadowed_total" ["limit": ShadowRule::ALL],
    /// Clients, networks, users or sessions that a rate limiter remembers.
    limiter_keys: Gauges<Limit> = "rendezvous_limiter_keys" ["limiter": Limit::KEYED],
    /// Requests of clients, networks, users or sessions that a full rate limiter could not remember
    /// (limits.max_keys).
    limiter_overflows: Counters<Limit> = "rendezvous_limiter_overflows_total" ["limiter": Limit::KEYED],
    /// Always 1. The labels are the version and the revision of the running build.
    build_info: IntGaugeVec = "rendezvous_build_info" ["version", "revision"],
    /// Sessions created.
    sessions_created: Counters<Api> = "rendezvous_sessions_created_total" ["api": Api::WITH_SESSIONS],
    /// Reads of a session without writes, by a client that sent no token of it. In the ETag dialect
    /// this is the other device, after it scanned the code. In the JSON dialect the polls of the
    /// session's creator are included.
    sessions_scanned: Counters<Api> = "rendezvous_sessions_scanned_total" ["api": Api::WITH_SESSIONS],
    /// Sessions that one device polled to their end, while no other device ever read or wrote them.
    /// 0 in the JSON dialect, in which the polls of both devices look the same.
    sessions_one_sided: Counters<Api> = "rendezvous_sessions_one_sided_total" ["api": Api::WITH_SESSIONS],
    /// Reads by outcome: a payload was found, the state is the one that the client has, or the
    /// session is gone. A held read is counted when it is answered.
    reads: Counters<(Api, ReadOutcome)> = "rendezvous_reads_total" ["api": Api::WITH_SESSIONS, "outcome": ReadOutcome::ALL],
    /// Writes by outcome.
    writes: Counters<(Api, WriteOutcome)> = "rendezvous_writes_total" ["api": Api::WITH_SESSIONS, "outcome": WriteOutcome::ALL],
    /// Sessions that reached their first, second, … eighth write: how far sign-ins get.
    sessions_written: Counters<(Api, WriteNumber)> = "rendezvous_sessions_written_total" ["api": Api::WITH_SESSIONS, "write": WriteNumber::ALL],
    /// Sessions deleted by a client before their TTL.
    sessions_deleted: Counters<Api> = "rendezvous_sessions_deleted_total" ["api": Api::WITH_SESSIONS],
    /// Time from the write before, or from the session's creation, to its first, second, … eighth
    /// write. The first one ends when the other device has scanned the code.
    steps: Histograms<(Api, WriteNumber)> = "rendezvous_session_step_seconds" ["api": Api::WITH_SESSIONS, "write": WriteNumber::ALL] in STEP_BUCKETS,
    /// Size of stored payloads.
    payload_bytes: Histograms<Api> = "rendezvous_payload_bytes" ["api": Api::WITH_SESSIONS] in SIZE_BUCKETS,
    /// Sessions that reached their TTL. Counted when other sessions are created, so the count lags
    /// if creations are rare.
    sessions_expired: IntCounter = "rendezvous_sessions_expired_total" [],
    /// ETags that a client sent back changed and that were recognised, by the change.
    etags_mangled: Counters<EtagForm> = "rendezvous_etags_mangled_total" ["form": EtagForm::ALL],
}

impl Metrics {
    /// Registers all metrics.
    ///
    /// # Panics
    /// If two metrics have the same name. Every test that starts a server finds that.
    #[must_use]
    pub fn new() -> Self {
        let metrics = Self::register().expect("names are unique and well-formed");
        let build = metrics.build_info.with_label_values(&[VERSION, REVISION]);
        build.set(1);
        metrics
    }

    /// Records one answered request.
    pub fn record_request(
        &self,
        api: Api,
        route: RouteLabel,
        method: MethodLabel,
        status: u16,
        duration: Duration,
    ) {
        self.http_requests.inc(api, route, method, status);
        let seconds = duration.as_secs_f64();
        self.http_durations.observe((api, route), seconds);
    }

    /// Records the creation of a session with a payload of `bytes` bytes.
    pub fn record_creation(&self, api: Api, bytes: usize) {
        self.sessions_created.inc(api);
        self.payload_bytes.observe(api, size(bytes));
    }

    /// Records a stored write with a payload of `bytes` bytes: the `writes`-th of its session, `step`
    /// after the one before, or after the creation.
    pub fn record_write(&self, api: Api, writes: u64, step: Duration, bytes: usize) {
        if let Some(number) = WriteNumber::new(writes) {
            self.sessions_written.inc((api, number));
            self.steps.observe((api, number), step.as_secs_f64());
        }
        self.payload_bytes.observe(api, size(bytes));
    }

    /// Sets the gauge of the current phase to 1 and the others to 0.
    pub fn set_phase(&self, current: Phase) {
        for phase in Phase::ALL {
            self.phase.set(*phase, i64::from(*phase == current));
        }
    }

    /// Returns all metrics in the Prometheus text format.
    ///
    /// # Errors
    /// The encoder's error. No metric here causes one.
    pub fn encode(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.gather())
    }

    /// Returns a snapshot of all metrics.
    #[must_use]
    pub fn gather(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a payload has at most 4096 bytes"
)]
fn size(bytes: usize) -> f64 {
    bytes as f64
}
