//! Builds what reads the metrics: the reader of `/metrics`, and the push to a collector.

use super::context::AppContext;
use crate::admin::{LiveCount, MetricsReader, Readiness};
use crate::store::Store;
use crate::telemetry::logs::Log;
use crate::telemetry::metrics_push::MetricsPush;
use std::sync::Arc;

impl AppContext {
    /// Builds the reader of the metrics, for `/metrics` and for the push.
    pub(super) fn metrics_reader<S: Store>(
        &self,
        store: &Arc<S>,
        readiness: &Arc<Readiness>,
        log: &Arc<Log>,
    ) -> Arc<MetricsReader<S>> {
        let (metrics, clock) = (Arc::clone(&self.metrics), self.clock.clone());
        Arc::new(MetricsReader {
            live_count: LiveCount::new(Arc::clone(store), metrics, clock),
            readiness: Arc::clone(readiness),
            metrics: Arc::clone(&self.metrics),
            connections: self.connections.clone(),
            log: Arc::clone(log),
            rejection_log: Arc::clone(&self.rejection_log),
        })
    }

    /// Adds the push of metrics and returns it, if it is on.
    pub(super) fn add_metrics_push<S: Store>(
        &mut self,
        reader: &Arc<MetricsReader<S>>,
    ) -> Option<Arc<MetricsPush>> {
        let push = Arc::new(MetricsPush::new(
            self.metrics_collector.take()?,
            self.replica.clone(),
            Arc::clone(&self.metrics),
            Arc::clone(reader) as _,
            self.clock.clone(),
        ));
        self.add_task("metrics push", Arc::clone(&push).run());
        Some(push)
    }
}
