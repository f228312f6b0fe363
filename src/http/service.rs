//! The pipeline: what happens to every request, from top to bottom.
//!
//! Route, policy, body, use case, reply; around them a whole-request deadline, a net under panics,
//! and the metrics and the log line of the request. It never learns which store there is.

use crate::clock::Clock;
use crate::clock::deadline::Deadline;
use crate::config::http::Timeouts;
use crate::config::{Config, Mode};
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::msc4388::Msc4388;
use crate::http::reply::Reply;
use crate::http::route::{Route, Target, method_label};
use crate::policy::{ClientIp, Intent, Policy};
use crate::session::Sessions;
use crate::store::Store;
use crate::telemetry::labels::{Api, Wait};
use crate::telemetry::metrics::Metrics;
use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::Full;
use hyper::body::Body;
use hyper::header::{CONNECTION, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

/// What the pipeline needs; one for all connections.
#[derive(Debug)]
pub struct Service<S> {
    sessions: Sessions<S>,
    policy: Arc<Policy>,
    metrics: Arc<Metrics>,
    clock: Clock,
    mode: Mode,
    stable_api: bool,
    access_log: bool,
    timeouts: Timeouts,
    headers: HeaderMap,
}

impl<S: Store> Service<S> {
    /// A pipeline over `store`.
    pub fn new(
        config: &Config,
        store: Arc<S>,
        policy: Arc<Policy>,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Self {
        Self {
            sessions: Sessions::new(store),
            policy,
            metrics,
            clock,
            mode: config.mode,
            stable_api: config.stable_api,
            access_log: config.telemetry.access_log,
            timeouts: config.http.timeouts,
            headers: Reply::headers(),
        }
    }

    /// Answers one request. It always has an answer: an error of any layer is a Matrix body. `deadline`
    /// bounds it, and may be used again for the next request.
    pub async fn respond<B>(
        &self,
        request: &mut Request<B>,
        client: ClientIp,
        deadline: &mut Deadline,
    ) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes> + Send + Unpin,
    {
        let begun = self.clock.now();
        let in_flight = InFlight::new(&self.metrics);
        let route = Route::of(request.uri().path());
        let method = method_label(request.method());
        let head = request.method() == Method::HEAD;
        let reply = {
            // Pinned before it is wrapped: a future of kilobytes that is moved is copied.
            let answer = pin!(self.answer(route, request, client));
            self.survive(route, answer, deadline).await
        }
        .unwrap_or_else(Reply::from);
        if let Some(reason) = reply.rejection() {
            self.metrics.reject(reason);
        }
        let status = reply.status().as_u16();
        let took = self.clock.now().saturating_sub(begun);
        self.metrics
            .request(route.api, route.label(), method, status, took.as_secs_f64());
        if self.access_log {
            log(route, method.label(), status, took);
        }
        drop(in_flight);
        let mut response = reply.into_response(self.headers.clone(), head);
        // A reply that came before the body: only where its end is near does the connection go on, and
        // a client that is to come back on another one must be told.
        if !request.body().is_end_stream() && !body::take_rest(request, deadline).await {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        response
    }

    /// Answers within the deadline, and through a panic: one request's mistake must not take the
    /// process, and with it every other request, down.
    async fn survive(
        &self,
        route: Route,
        answer: Pin<&mut impl Future<Output = Result<Reply, ApiError>>>,
        deadline: &mut Deadline,
    ) -> Result<Reply, ApiError> {
        let answer = AssertUnwindSafe(answer).catch_unwind();
        match deadline.bound(self.timeouts.request, pin!(answer)).await {
            Some(Ok(reply)) => reply,
            Some(Err(_panic)) => {
                self.metrics.panics.inc();
                tracing::error!(route = route.label().label(), "a handler panicked");
                Err(ApiError::Internal)
            }
            None => {
                self.metrics.timed_out(Wait::Request);
                Err(ApiError::RequestTimeout)
            }
        }
    }

    async fn answer<B>(
        &self,
        route: Route,
        request: &mut Request<B>,
        client: ClientIp,
    ) -> Result<Reply, ApiError>
    where
        B: Body<Data = Bytes> + Send + Unpin,
    {
        // A preflight carries no credentials and touches nothing, so it is the same everywhere.
        if request.method() == Method::OPTIONS {
            return Ok(Reply::preflight());
        }
        if !self.serves(route.api) {
            return Err(ApiError::Unrecognized);
        }
        let intent = intent(route, request.method())?;
        let admitted = self.policy.admit(intent, client, request.headers())?;
        let endpoints = Msc4388 {
            admitted,
            api: route.api,
            sessions: &self.sessions,
            metrics: &self.metrics,
        };
        match (route.target, intent) {
            (Target::Rendezvous, Intent::Discover) => Ok(endpoints.discover_rendezvous_session()),
            (Target::Rendezvous, _) => {
                let body = self.body(request).await?;
                endpoints.create_rendezvous_session(&body).await
            }
            (Target::Session(id), Intent::Read) => {
                endpoints
                    .get_rendezvous_session(id.ok_or(ApiError::NotFound)?)
                    .await
            }
            (Target::Session(id), Intent::Delete) => {
                endpoints
                    .delete_rendezvous_session(id.ok_or(ApiError::NotFound)?)
                    .await
            }
            (Target::Session(id), _) => {
                let id = id.ok_or(ApiError::NotFound)?;
                let body = self.body(request).await?;
                endpoints.update_rendezvous_session(id, None, &body).await
            }
            (Target::Txn(id, txn), _) => {
                let id = id.ok_or(ApiError::NotFound)?;
                let txn = txn.map_err(|_| {
                    ApiError::InvalidParam("The transaction id is not an opaque identifier")
                })?;
                let body = self.body(request).await?;
                endpoints
                    .update_rendezvous_session(id, Some(txn), &body)
                    .await
            }
            (Target::Other, _) => Err(ApiError::Unrecognized),
        }
    }

    fn serves(&self, api: Api) -> bool {
        match api {
            Api::Msc4388 => self.mode != Mode::Off,
            Api::V1 => self.mode != Mode::Off && self.stable_api,
            Api::None => false,
        }
    }

    async fn body<B>(&self, request: &mut Request<B>) -> Result<Bytes, ApiError>
    where
        B: Body<Data = Bytes> + Send + Unpin,
    {
        let mut deadline = Deadline::new(self.clock.clone());
        let body = body::read(request.body_mut(), self.timeouts.body, &mut deadline).await;
        if matches!(body, Err(ApiError::BodyTimeout)) {
            self.metrics.timed_out(Wait::Body);
        }
        body
    }
}

/// What a method means on a path.
fn intent(route: Route, method: &Method) -> Result<Intent, ApiError> {
    match (route.target, method) {
        (Target::Other, _) => Err(ApiError::Unrecognized),
        (Target::Rendezvous, &Method::GET | &Method::HEAD) => Ok(Intent::Discover),
        (Target::Rendezvous, &Method::POST) => Ok(Intent::Create),
        (Target::Session(_), &Method::GET | &Method::HEAD) => Ok(Intent::Read),
        (Target::Session(_) | Target::Txn(..), &Method::PUT) => Ok(Intent::Write),
        (Target::Session(_), &Method::DELETE) => Ok(Intent::Delete),
        _ => Err(ApiError::Method {
            allow: route.allow(),
        }),
    }
}

/// The access line: neither ids, nor addresses, nor payloads.
fn log(route: Route, method: &str, status: u16, took: Duration) {
    tracing::info!(
        target: "access",
        api = route.api.label(),
        route = route.label().label(),
        method,
        status,
        duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        "request"
    );
}

/// Counts a request for as long as it is worked on, also when its client goes away in the middle.
struct InFlight<'a>(&'a Metrics);

impl<'a> InFlight<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.http_in_flight.inc();
        Self(metrics)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.http_in_flight.dec();
    }
}
