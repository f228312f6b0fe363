//! Sends batches of spans to the collector, and reports the batches that are lost.

use crate::clock::Clock;
use crate::http_client::HttpClient;
use crate::telemetry::labels::ExportOutcome;
use crate::telemetry::log_throttle::LogThrottle;
use crate::telemetry::metrics::Metrics;
use async_trait::async_trait;
use http_body_util::Full;
use hyper::{StatusCode, Uri};
use opentelemetry_http::{Bytes, HttpError, Request, Response};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// The HTTP client of the OTLP exporter. The exporter calls it from a thread outside of our
/// runtime.
#[derive(Debug)]
pub(super) struct OtlpHttpClient {
    pub client: HttpClient,
    /// Upper bound of the time for one batch.
    pub timeout: Duration,
    pub runtime: Handle,
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
    /// Throttle of the warning about a lost batch.
    pub lost_batch_log: LogThrottle,
}

impl OtlpHttpClient {
    /// Counts one batch, and logs a warning if it was lost.
    fn record(&self, endpoint: &Uri, response: Result<StatusCode, &HttpError>) {
        let problem = match response {
            Ok(status) if status.is_success() => {
                return self.metrics.trace_exports.inc(ExportOutcome::Exported);
            }
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        self.metrics.trace_exports.inc(ExportOutcome::Lost);
        if self.lost_batch_log.try_acquire(self.clock.now()) {
            tracing::warn!(%endpoint, problem, "failed to export traces");
        }
    }
}

#[async_trait]
impl opentelemetry_http::HttpClient for OtlpHttpClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (client, endpoint) = (self.client.clone(), request.uri().clone());
        let timeout = self.timeout;
        let sending = async move { client.send(request.map(Full::new), timeout).await };
        let response = match self.runtime.spawn(sending).await {
            Ok(response) => response.map_err(HttpError::from),
            Err(ended) => Err(ended.into()),
        };
        self.record(&endpoint, response.as_ref().map(Response::status));
        response
    }
}
