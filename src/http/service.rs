//! The pipeline: what happens to every request, from top to bottom.
//!
//! Route, policy, body, use case, reply; around them a whole-request deadline, a net under panics,
//! and the metrics and the log line of the request. It never learns which store there is.

use crate::clock::Clock;
use crate::clock::lazy_timeout::LazyTimeout;
use crate::config::http::Timeouts;
use crate::config::{Config, Mode};
use crate::http::body;
use crate::http::context::{Caller, RequestContext};
use crate::http::error::ApiError;
use crate::http::host;
use crate::http::msc4108::Msc4108;
use crate::http::msc4388::Msc4388;
use crate::http::request_id::RequestIds;
use crate::http::response::ApiResponse;
use crate::http::route::{Route, Target, method_label};
use crate::model::Api;
use crate::policy::{Homeservers, Intent, Policy};
use crate::session::Sessions;
use crate::store::Store;
use crate::telemetry::access_log::{AccessLog, RequestRecord};
use crate::telemetry::labels::Wait;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::Traces;
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
    homeservers: Arc<Homeservers>,
    metrics: Arc<Metrics>,
    clock: Clock,
    stable_api: bool,
    msc4108: bool,
    access_log: AccessLog,
    traces: Traces,
    request_ids: RequestIds,
    timeouts: Timeouts,
    headers: HeaderMap,
    etag_headers: HeaderMap,
}

/// Who is told of what happens.
#[derive(Debug)]
pub struct Telemetry {
    /// Numbers.
    pub metrics: Arc<Metrics>,
    /// A line a request.
    pub access_log: AccessLog,
    /// Spans.
    pub traces: Traces,
}

impl<S: Store> Service<S> {
    /// A pipeline over `store`.
    pub fn new(
        config: &Config,
        store: Arc<S>,
        policy: Arc<Policy>,
        homeservers: Arc<Homeservers>,
        telemetry: Telemetry,
        clock: Clock,
    ) -> Self {
        Self {
            sessions: Sessions::new(store, Arc::clone(&telemetry.metrics)),
            policy,
            homeservers,
            metrics: telemetry.metrics,
            clock,
            stable_api: config.stable_api,
            msc4108: config.msc4108,
            access_log: telemetry.access_log,
            traces: telemetry.traces,
            request_ids: RequestIds::new(),
            timeouts: config.http.timeouts,
            headers: ApiResponse::headers(),
            etag_headers: ApiResponse::etag_headers(),
        }
    }

    /// Answers one request. It always has an answer: an error of any layer is a Matrix body. `deadline`
    /// bounds it, and may be used again for the next request.
    pub async fn respond<B>(
        &self,
        request: &mut Request<B>,
        caller: Caller,
        deadline: &mut LazyTimeout,
    ) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes> + Send + Unpin,
    {
        let begun = self.clock.now();
        let in_flight = InFlight::new(&self.metrics);
        let route = Route::of(request.uri().path());
        let method = method_label(request.method());
        let head = request.method() == Method::HEAD;
        let request_id = self.request_ids.of(request.headers());
        let trace = self.traces.begin(request.headers(), route.label(), method);
        let reply = {
            // Pinned before it is wrapped: a future of kilobytes that is moved is copied.
            let answer = pin!(self.answer(route, request, caller));
            match &trace {
                None => self.survive(route, begun, answer, deadline).await,
                Some(trace) => {
                    let traced = pin!(trace.around(answer));
                    self.survive(route, begun, traced, deadline).await
                }
            }
        }
        .unwrap_or_else(ApiResponse::from);
        let rejection = reply.rejection();
        if let Some(reason) = rejection {
            self.metrics.reject(reason);
        }
        let status = reply.status().as_u16();
        let took = self.clock.now().saturating_sub(begun);
        self.metrics
            .request(route.api, route.label(), method, status, took.as_secs_f64());
        let access = RequestRecord {
            client: caller.address.into(),
            api: route.api,
            route: route.label(),
            method,
            status,
            reason: rejection,
            took,
            request_id: request_id.to_str().unwrap_or_default(),
            session: route.target.session().or(reply.created()),
        };
        self.access_log.note(&access);
        if let Some(trace) = trace {
            trace.end(&access);
        }
        in_flight.answered();
        let mut response = reply.into_response(self.headers(route.api), request_id, head);
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
        begun: Duration,
        answer: Pin<&mut impl Future<Output = Result<ApiResponse, ApiError>>>,
        deadline: &mut LazyTimeout,
    ) -> Result<ApiResponse, ApiError> {
        let answer = AssertUnwindSafe(answer).catch_unwind();
        match deadline
            .bound_since(begun, self.timeouts.request, pin!(answer))
            .await
        {
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
        caller: Caller,
    ) -> Result<ApiResponse, ApiError>
    where
        B: Body<Data = Bytes> + Send + Unpin,
    {
        // A preflight carries no credentials and touches nothing, so it is the same everywhere.
        if request.method() == Method::OPTIONS {
            return Ok(ApiResponse::preflight());
        }
        let host = || host::name(request);
        let homeserver = self.homeservers.of(host).ok_or(ApiError::UnknownHost)?;
        if !self.serves(route.api, homeserver.mode) {
            return Err(ApiError::Unrecognized);
        }
        let intent = intent(route, request.method())?;
        let exchange = RequestContext {
            request,
            caller,
            policy: &self.policy,
            homeserver,
            timeouts: self.timeouts,
            clock: &self.clock,
            metrics: &self.metrics,
        };
        if route.api == Api::Msc4108 {
            let endpoints = Msc4108 {
                sessions: &self.sessions,
                metrics: &self.metrics,
                base_url: homeserver.public_base_url.as_deref(),
            };
            return endpoints.answer(exchange, route.target, intent).await;
        }
        let endpoints = Msc4388 {
            api: route.api,
            sessions: &self.sessions,
        };
        endpoints.answer(exchange, route.target, intent).await
    }

    fn serves(&self, api: Api, mode: Mode) -> bool {
        match api {
            Api::Msc4388 => mode != Mode::Off,
            Api::V1 => mode != Mode::Off && self.stable_api,
            // Its own switch: it has no authentication, whatever the mode says.
            Api::Msc4108 => self.msc4108,
            Api::None => false,
        }
    }

    /// What every reply of an API has.
    fn headers(&self, api: Api) -> HeaderMap {
        if api == Api::Msc4108 && self.msc4108 {
            self.etag_headers.clone()
        } else {
            self.headers.clone()
        }
    }
}

/// What a method means on a path.
fn intent(route: Route, method: &Method) -> Result<Intent, ApiError> {
    match (route.target, method) {
        (Target::Other, _) => Err(ApiError::Unrecognized),
        (Target::Rendezvous, &Method::GET | &Method::HEAD) if route.api != Api::Msc4108 => {
            Ok(Intent::Discover)
        }
        (Target::Rendezvous, &Method::POST) => Ok(Intent::Create),
        (Target::Session(_), &Method::GET | &Method::HEAD) => Ok(Intent::Read),
        (Target::Session(_) | Target::Txn(..), &Method::PUT) => Ok(Intent::Write),
        (Target::Session(_), &Method::DELETE) => Ok(Intent::Delete),
        _ => Err(ApiError::Method {
            allow: route.allow(),
        }),
    }
}

/// Counts a request for as long as it is worked on, also when its client goes away in the middle.
struct InFlight<'a> {
    metrics: &'a Metrics,
    answered: bool,
}

impl<'a> InFlight<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.http_in_flight.inc();
        Self {
            metrics,
            answered: false,
        }
    }

    fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        // In this order: whoever sees that no request is left sees what became of the last one.
        if !self.answered {
            self.metrics.http_abandoned.inc();
        }
        self.metrics.http_in_flight.dec();
    }
}
