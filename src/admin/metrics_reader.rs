//! The metrics as one scrape shows them: some gauges are computed only when they are read.

use crate::admin::{LiveCount, Readiness};
use crate::store::Store;
use crate::telemetry::labels::ConnectionState;
use crate::telemetry::logs::Log;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::metrics_push::RefreshMetrics;
use crate::telemetry::rejection_log::RejectionLog;
use async_trait::async_trait;
use std::sync::Arc;
use tokio_util::task::TaskTracker;

/// Reads the metrics, for `/metrics` and for the push to a collector.
#[derive(Debug)]
pub struct MetricsReader<S> {
    /// The number of live sessions.
    pub live_count: LiveCount<S>,
    /// The phase of the process.
    pub readiness: Arc<Readiness>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The open connections of clients.
    pub connections: TaskTracker,
    /// The log, which counts the lines that it lost.
    pub log: Arc<Log>,
    /// The log of rejections, which counts the clients that limits rejected.
    pub rejection_log: Arc<RejectionLog>,
}

impl<S: Store> MetricsReader<S> {
    /// Sets the gauges that are computed only when the metrics are read. Returns within the deadline of a call to
    /// the store.
    pub async fn refresh(&self) {
        self.live_count.refresh().await;
        let is_fit = self.readiness.is_store_fit();
        self.metrics
            .set_phase(self.readiness.lifecycle.phase(is_fit));
        let limited = i64::try_from(self.rejection_log.limited_clients()).unwrap_or(i64::MAX);
        self.metrics.limited_clients.set(limited);
        self.metrics.log_lines_lost.inc_by(self.log.take_dropped());
        let has_warned = self.readiness.routing.proxy_detector.has_warned();
        self.metrics.proxy_untrusted.set(i64::from(has_warned));
        let open = i64::try_from(self.connections.len()).unwrap_or(i64::MAX);
        let active = self.metrics.http_in_flight.get().min(open);
        self.metrics
            .connections
            .set(ConnectionState::Active, active);
        self.metrics
            .connections
            .set(ConnectionState::Idle, open - active);
    }
}

#[async_trait]
impl<S: Store> RefreshMetrics for MetricsReader<S> {
    async fn refresh(&self) {
        self.refresh().await;
    }
}
