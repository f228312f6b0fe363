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
use tokio::sync::oneshot;

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
    pub _panic_reporter: PanicReporter,
}

/// Reports a panic of the library's export thread, which owns it. The library itself reports none: it
/// would lose every later span in silence.
#[derive(Debug)]
pub(super) struct PanicReporter(Option<oneshot::Sender<()>>);

impl PanicReporter {
    /// Returns the reporter, and a task that panics if the thread that owns the reporter panics.
    pub fn new() -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (sender, receiver) = oneshot::channel();
        let watch = async move {
            let panicked = receiver.await.is_ok();
            assert!(!panicked, "the trace export thread panicked");
        };
        (Self(Some(sender)), watch)
    }
}

impl Drop for PanicReporter {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(sender) = self.0.take()
        {
            // If the receiver is gone, the process is ending already.
            let _gone = sender.send(());
        }
    }
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

#[cfg(test)]
mod tests {
    use super::PanicReporter;

    #[tokio::test]
    #[should_panic(expected = "the trace export thread panicked")]
    async fn panic_of_the_owning_thread_is_reported() {
        let (reporter, watch) = PanicReporter::new();
        let thread = std::thread::spawn(move || {
            let _owned = reporter;
            panic!("injected");
        });
        assert!(thread.join().is_err());
        watch.await;
    }

    #[tokio::test]
    async fn end_of_the_owning_thread_is_no_panic() {
        let (reporter, watch) = PanicReporter::new();
        drop(reporter);
        watch.await;
    }
}
