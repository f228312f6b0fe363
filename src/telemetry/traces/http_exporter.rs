//! How a batch of spans gets to the collector, and what is told of one that does not.

use super::LONGEST;
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
use tokio::runtime::Handle;

/// Tells a collector, for a thread that knows nothing of our runtime.
#[derive(Debug)]
pub(super) struct OtlpHttpClient {
    pub client: HttpClient,
    pub runtime: Handle,
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
    /// Lines about batches that are lost.
    pub told: LogThrottle,
}

impl OtlpHttpClient {
    /// Counts a batch, and says where it did not go.
    fn note(&self, endpoint: &Uri, answer: Result<StatusCode, &HttpError>) {
        let problem = match answer {
            Ok(status) if status.is_success() => {
                return self.metrics.exported(ExportOutcome::Exported);
            }
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        self.metrics.exported(ExportOutcome::Lost);
        if self.told.is_due(self.clock.now()) {
            tracing::warn!(%endpoint, problem, "the collector does not take traces");
        }
    }
}

#[async_trait]
impl opentelemetry_http::HttpClient for OtlpHttpClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (client, endpoint) = (self.client.clone(), request.uri().clone());
        let asked = async move { client.ask(request.map(Full::new), LONGEST).await };
        let answer = match self.runtime.spawn(asked).await {
            Ok(answer) => answer.map_err(HttpError::from),
            Err(ended) => Err(ended.into()),
        };
        self.note(&endpoint, answer.as_ref().map(Response::status));
        answer
    }
}
