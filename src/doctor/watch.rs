//! `--watch`: checks again and again, and shows the last results to Prometheus.
//!
//! A report is printed whenever a check has another status than in the run before.

mod metrics;

use crate::config::listen::ListenAddress;
use crate::doctor::report::{Report, Status};
use crate::doctor::watch::metrics::DoctorMetrics;
use crate::doctor::{Doctor, DoctorError};
use crate::lifecycle::Signals;
use crate::net::bind::bind;
use crate::net::listener;
use crate::net::peer_stream::PeerStream;
use crate::telemetry::printable::print_error;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections at once: a few Prometheus servers and an orchestrator.
const MAX_CONNECTIONS: usize = 16;

/// Time limit of a connection, which serves one request.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// Checks every `interval` until SIGTERM or SIGINT.
///
/// # Errors
/// [`DoctorError`] if the address of the metrics cannot be used, or if the first run has no report. What
/// fails later is printed, and tried again.
pub(super) async fn watch(
    doctor: &Doctor<'_>,
    interval: Duration,
    address: &ListenAddress,
) -> Result<(), DoctorError> {
    let mut signals = Signals::catch().map_err(DoctorError::Signals)?;
    let bound = bind("doctor", std::iter::once(address)).await;
    let bound = bound.map_err(DoctorError::Listen)?;
    let metrics = Arc::new(DoctorMetrics::new());
    let (permits, tasks) = (Semaphore::new(MAX_CONNECTIONS), TaskTracker::new());
    let stop = CancellationToken::new();
    let serving = listener::accept(
        bound,
        Arc::new(permits),
        &tasks,
        &stop,
        |stream, _, permit| {
            let metrics = Arc::clone(&metrics);
            async move {
                // A connection that breaks concerns its client.
                let _ended = timeout(CONNECTION_TIMEOUT, serve(stream, metrics)).await;
                drop(permit);
            }
        },
    );
    tokio::select! {
        _ = signals.next() => Ok(()),
        ended = repeat(doctor, interval, &metrics) => ended,
        () = serving => Ok(()),
    }
}

/// Runs without end, unless the first run has no report.
async fn repeat(
    doctor: &Doctor<'_>,
    interval: Duration,
    metrics: &DoctorMetrics,
) -> Result<(), DoctorError> {
    let mut last = None;
    loop {
        let started = doctor.clock.now();
        match doctor.check_targets().await {
            Ok(reports) => {
                let took = doctor.clock.now().saturating_sub(started);
                metrics.set(&reports, doctor.clock.time_of_day(), took);
                let statuses = Some(statuses(&reports));
                if statuses != last {
                    doctor.print(&reports)?;
                    last = statuses;
                }
            }
            Err(error) if last.is_none() => return Err(error),
            Err(error) => print_error(&format!("matrix-rendezvous: {error}")),
        }
        let took = doctor.clock.now().saturating_sub(started);
        tokio::time::sleep(interval.saturating_sub(took)).await;
    }
}

fn statuses(reports: &[Report]) -> Vec<Status> {
    let checks = reports.iter().flat_map(|report| &report.checks);
    checks.map(super::report::CheckResult::status).collect()
}

async fn serve(stream: PeerStream, metrics: Arc<DoctorMetrics>) -> Result<(), hyper::Error> {
    let service = service_fn(|request: Request<Incoming>| {
        let page = match request.uri().path() {
            "/metrics" => metrics.encode(),
            "/healthz" => Ok("ok\n".to_owned()),
            _ => Err("/metrics /healthz\n".to_owned()),
        };
        async move { Ok::<_, Infallible>(response(page)) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

fn response(page: Result<String, String>) -> Response<Full<Bytes>> {
    let (status, text) = match page {
        Ok(text) => (StatusCode::OK, text),
        Err(text) => (StatusCode::NOT_FOUND, text),
    };
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
