//! Pushes the metrics to an OpenTelemetry collector at an interval, by OTLP over HTTP with protobuf.
//!
//! A push reads the registry that `/metrics` reads, so no request does more than without it. Nothing is
//! queued or repeated: counters are cumulative, and the next push has what a lost one had (ADR 20).

mod request;
pub mod settings;

use crate::clock::Clock;
use crate::http_client::HttpClientError;
use crate::telemetry::labels::ExportOutcome;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::otlp_endpoint::{CollectorError, EXPORT_TIMEOUT, OtlpEndpoint};
use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message as _;
use request::{TimeWindow, build_request};
use settings::MetricsPushConfig;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// The content type of OTLP with protobuf.
const PROTOBUF: &str = "application/x-protobuf";

/// Upper bound of a collector's own words in a log line, in characters.
const MAX_PROBLEM: usize = 200;

/// Time from the start to the first push, if the interval is not shorter. By then a replica has reached its
/// store; before, it would report for a whole interval that it has not.
const FIRST_PUSH_DELAY: Duration = Duration::from_secs(5);

/// Sets the gauges that are computed when the metrics are read.
#[async_trait]
pub trait RefreshMetrics: Send + Sync {
    /// Sets them now. Returns within the deadline of a call to the store.
    async fn refresh(&self);
}

/// A validated collector of metrics.
#[derive(Debug)]
pub struct MetricsCollector {
    endpoint: OtlpEndpoint,
    interval: Duration,
}

impl MetricsCollector {
    /// Validates the settings. Opens no connection.
    ///
    /// # Errors
    /// [`CollectorError`] if the CA bundle, the TLS settings or the endpoint is invalid.
    pub fn new(settings: &MetricsPushConfig) -> Result<Self, CollectorError> {
        let ca_file = settings.ca_file.as_deref();
        Ok(Self {
            endpoint: OtlpEndpoint::new(&settings.endpoint, "/v1/metrics", ca_file)?,
            interval: settings.interval,
        })
    }
}

/// The push of this process.
pub struct MetricsPush {
    collector: MetricsCollector,
    replica: String,
    metrics: Arc<Metrics>,
    refresh: Arc<dyn RefreshMetrics>,
    clock: Clock,
    /// When the counters began, since 1970.
    started_at: Duration,
    /// Whether the last push failed.
    is_failing: AtomicBool,
}

impl MetricsPush {
    /// Creates the push by this `replica`. Call it before anything is counted: each message says that the
    /// counters began now.
    #[must_use]
    pub fn new(
        collector: MetricsCollector,
        replica: String,
        metrics: Arc<Metrics>,
        refresh: Arc<dyn RefreshMetrics>,
        clock: Clock,
    ) -> Self {
        Self {
            collector,
            replica,
            metrics,
            refresh,
            started_at: clock.since_epoch(),
            clock,
            is_failing: AtomicBool::new(false),
        }
    }

    /// Pushes soon after the start and then at each interval. Never returns.
    pub async fn run(self: Arc<Self>) {
        let every = self.collector.interval;
        let mut interval = tokio::time::interval(every);
        interval.reset_after(FIRST_PUSH_DELAY.min(every));
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            self.push().await;
        }
    }

    /// Pushes once, within 5 s after the gauges are set. Counts the outcome, and logs it if it differs from the one
    /// before.
    pub async fn push(&self) {
        self.refresh.refresh().await;
        self.record(self.send().await.err());
    }

    /// Pushes once, within 5 s in all: the process waits for it at its end.
    pub async fn push_last(&self) {
        if tokio::time::timeout(EXPORT_TIMEOUT, self.push())
            .await
            .is_err()
        {
            self.record(Some(HttpClientError::Timeout.to_string()));
        }
    }

    async fn send(&self) -> Result<(), String> {
        let now = self.clock.since_epoch();
        let window = TimeWindow {
            start: self.started_at,
            end: now.max(self.started_at),
        };
        let message = build_request(&self.metrics.gather(), &self.replica, window);
        let mut request = Request::new(Full::new(Bytes::from(message.encode_to_vec())));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.collector.endpoint.url.clone();
        request
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(PROTOBUF));
        let client = &self.collector.endpoint.client;
        let response = client.send(request, EXPORT_TIMEOUT).await;
        let response = response.map_err(|error| error.to_string())?;
        if !response.status().is_success() {
            return Err(response.status().to_string());
        }
        rejection(&response).map_or(Ok(()), Err)
    }

    /// Counts one push. Logs the first failure, and the first success after it.
    fn record(&self, problem: Option<String>) {
        let was_failing = self.is_failing.swap(problem.is_some(), Ordering::Relaxed);
        let endpoint = &self.collector.endpoint.url;
        let outcome = match problem {
            None => {
                if was_failing {
                    tracing::info!(%endpoint, "metrics are exported again");
                }
                ExportOutcome::Exported
            }
            Some(problem) => {
                if !was_failing {
                    tracing::warn!(
                        %endpoint,
                        problem,
                        "failed to export metrics; no further line until it works again"
                    );
                }
                ExportOutcome::Lost
            }
        };
        self.metrics.metric_exports.inc(outcome);
    }
}

impl fmt::Debug for MetricsPush {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = out.debug_struct("MetricsPush");
        out.field("collector", &self.collector)
            .finish_non_exhaustive()
    }
}

/// Returns why the collector rejected some of the numbers, although its status is a success. A body that
/// is no message of OTLP says nothing.
fn rejection(response: &Response<Bytes>) -> Option<String> {
    let content_type = response.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    let media_type = content_type.split(';').next()?.trim();
    if !media_type.eq_ignore_ascii_case(PROTOBUF) {
        return None;
    }
    let message = ExportMetricsServiceResponse::decode(response.body().as_ref()).ok()?;
    let rejected = message.partial_success?;
    let reason: String = rejected.error_message.chars().take(MAX_PROBLEM).collect();
    let count = rejected.rejected_data_points;
    (count > 0).then(|| format!("{count} data points were rejected: {reason}"))
}
