//! The listener for operators: `/healthz`, `/readyz`, `/metrics`, `/version`, and the admin API.
//!
//! For orchestrators and Prometheus, on an address of its own that is never exposed. It stays up
//! until the very end, so that a probe sees the whole shutdown. It touches no session, but by the admin
//! API (`session_api`).

mod connections;
mod identity;
mod live_count;
mod metrics_reader;
mod readiness;
mod session_api;

pub use identity::ReplicaIdentity;
pub use live_count::LiveCount;
pub use metrics_reader::MetricsReader;
pub use readiness::Readiness;
pub use session_api::SessionApi;

use crate::admin::connections::AdminConnections;
use crate::clock::Clock;
use crate::net::listener::{self, BoundListeners};
use crate::net::peer_stream::{PeerAddress, PeerStream};
use crate::net::request_activity::RequestActivity;
use crate::net::timeout_stream::{SocketTimeouts, TimeoutStream};
use crate::store::{ListSessions, Store};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

/// Connections at once: enough for a few Prometheus servers and an orchestrator.
pub(crate) const MAX_CONNECTIONS: usize = 64;

/// At this number each new connection closes the oldest idle one. The other permits are for
/// connections that are being closed.
const EVICTION_THRESHOLD: usize = MAX_CONNECTIONS - 8;

/// Operators' tools are near, send a request's head at once, and return within a scrape interval.
const TIMEOUTS: SocketTimeouts = SocketTimeouts {
    header: Some(Duration::from_secs(10)),
    idle: Duration::from_secs(90),
    send: Duration::from_secs(10),
};

/// The listener for operators, and the sources of its pages.
#[derive(Debug)]
pub struct Admin<S> {
    /// The metrics that `/metrics` shows, and the number of live sessions.
    pub metrics_reader: Arc<MetricsReader<S>>,
    /// Whether load balancers should send requests here.
    pub readiness: Arc<Readiness>,
    /// What `/version` shows.
    pub identity: Arc<ReplicaIdentity>,
    /// The clock of the timeouts.
    pub clock: Clock,
    /// The admin API.
    pub session_api: SessionApi<S>,
}

impl<S: Store + ListSessions> Admin<S> {
    /// Serves until the process ends, so that a probe sees the whole shutdown.
    pub async fn run(self: Arc<Self>, listeners: BoundListeners) {
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let (tasks, stop) = (TaskTracker::new(), self.readiness.lifecycle.hard().clone());
        let connections = AdminConnections::new(EVICTION_THRESHOLD, self.clock.clone());
        let connections = Arc::new(connections);
        listener::accept(listeners, permits, &tasks, &stop, |stream, peer, permit| {
            let (admin, stop) = (Arc::clone(&self), stop.clone());
            let connections = Arc::clone(&connections);
            async move {
                let serving = connections.run(peer, |activity| admin.serve(stream, peer, activity));
                stop.run_until_cancelled(serving).await;
                drop(permit);
            }
        })
        .await;
    }

    async fn serve(
        self: Arc<Self>,
        stream: PeerStream,
        peer: PeerAddress,
        activity: Arc<RequestActivity>,
    ) {
        let metrics = Arc::clone(&self.metrics_reader.metrics);
        let stream = TimeoutStream::new(
            stream,
            TIMEOUTS,
            Arc::clone(&activity),
            metrics,
            &self.clock,
        );
        let service = service_fn(|request: Request<Incoming>| {
            let (admin, activity) = (Arc::clone(&self), Arc::clone(&activity));
            async move {
                let _active = activity.start_request(request.body().size_hint().lower());
                Ok::<_, Infallible>(admin.answer(&request, peer).await)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .half_close(true)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = connection.await {
            tracing::debug!(%error, "an admin connection ended badly");
        }
    }

    async fn answer<B>(&self, request: &Request<B>, peer: PeerAddress) -> Response<Full<Bytes>> {
        if request.uri().path() == session_api::PATH {
            // Boxed, so that a probe does not hold the space for it.
            let answer = Box::pin(self.session_api.answer(request, peer));
            if let Some(response) = answer.await {
                return response;
            }
        }
        self.page(request).await
    }

    async fn page<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
            // A 405 requires it (RFC 9110, 15.5.6).
            let allow = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(ALLOW, allow);
            return response;
        }
        match request.uri().path() {
            // Liveness never checks the store: a restart helps against no outage.
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/readyz" => self.readyz(is_verbose(request.uri().query())).await,
            "/metrics" => self.metrics_page().await,
            "/version" => with_type(StatusCode::OK, self.identity.to_json(), "application/json"),
            _ => text(
                StatusCode::NOT_FOUND,
                "/healthz /readyz /metrics /version\n",
            ),
        }
    }

    async fn readyz(&self, is_verbose: bool) -> Response<Full<Bytes>> {
        let checked = self.readiness.check();
        let status = match checked {
            Ok(()) => StatusCode::OK,
            Err(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        if is_verbose {
            let store_answers = self.metrics_reader.live_count.refresh().await;
            return text(status, self.readiness.components(store_answers));
        }
        let line = checked.map_or_else(|reason| reason.to_string(), |()| "ready".to_owned());
        text(status, line + "\n")
    }

    async fn metrics_page(&self) -> Response<Full<Bytes>> {
        self.metrics_reader.refresh().await;
        match self.metrics_reader.metrics.encode() {
            Ok(page) => with_type(StatusCode::OK, page, "text/plain; version=0.0.4"),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        }
    }
}

/// Returns whether the query has `verbose`, as in the probes of Kubernetes.
fn is_verbose(query: Option<&str>) -> bool {
    let mut pairs = query.unwrap_or_default().split('&');
    pairs.any(|pair| match pair.split_once('=') {
        Some((name, value)) => name == "verbose" && !matches!(value, "false" | "0"),
        None => pair == "verbose",
    })
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    with_type(status, body, "text/plain; charset=utf-8")
}

fn with_type(
    status: StatusCode,
    body: impl Into<Bytes>,
    content_type: &'static str,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
