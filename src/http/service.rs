//! The pipeline: the steps of every request, from top to bottom.
//!
//! Host, homeserver, route, intent; then `msc4388` or `msc4108` applies the policy, reads the body and
//! calls the use case. Around them: the request timeout and the panic guard (`guard`), and the recorder of metrics,
//! log and trace. The pipeline does not know which store is in use.

mod guard;

use crate::clock::Clock;
use crate::clock::lazy_timeout::LazyTimeout;
use crate::config::http::Timeouts;
use crate::config::{Config, Mode};
use crate::http::body::{self, RequestBody};
use crate::http::context::{Caller, RequestContext};
use crate::http::error::ApiError;
use crate::http::framing::{self, check_head};
use crate::http::host;
use crate::http::msc4108::{HoldableResponse, Msc4108};
use crate::http::msc4388::Msc4388;
use crate::http::probe;
use crate::http::readiness_path::ReadinessPath;
use crate::http::recorder::RequestRecorder;
pub use crate::http::recorder::RequestTelemetry;
use crate::http::request_id::{RequestIdGenerator, X_REQUEST_ID};
use crate::http::response::ApiResponse;
use crate::http::route::Route;
use crate::lifecycle::Lifecycle;
use crate::model::Api;
use crate::policy::{Homeserver, Homeservers, Intent, Policy};
use crate::session::{Holds, Sessions, StoreRetries};
use crate::store::Store;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONNECTION, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// The pipeline, shared by all connections.
#[derive(Debug)]
pub struct Service<S> {
    sessions: Sessions<S>,
    policy: Arc<Policy>,
    homeservers: Arc<Homeservers>,
    readiness_path: Option<ReadinessPath>,
    telemetry: RequestTelemetry,
    clock: Clock,
    stable_api_enabled: bool,
    msc4108_enabled: bool,
    request_ids: RequestIdGenerator,
    timeouts: Timeouts,
    headers: HeaderMap,
    etag_headers: HeaderMap,
}

impl<S: Store> Service<S> {
    /// Creates a pipeline over `store`. `lifecycle` ends the waits for the store at the shutdown.
    pub fn new(
        config: &Config,
        store: Arc<S>,
        policy: Arc<Policy>,
        homeservers: Arc<Homeservers>,
        telemetry: RequestTelemetry,
        clock: Clock,
        lifecycle: &Lifecycle,
    ) -> Self {
        let shared = || (lifecycle.clone(), telemetry.metrics.clone(), clock.clone());
        let retries = config.store.wait().map(|wait| {
            let max_waiting = wait.max_waiting.unwrap_or(config.http.max_connections);
            let (lifecycle, metrics, clock) = shared();
            StoreRetries::new(wait.timeout, max_waiting, lifecycle, metrics, clock)
        });
        let holds = config.msc4108.long_poll.map(|long_poll| {
            let (lifecycle, metrics, clock) = shared();
            Holds::new(long_poll, lifecycle, metrics, clock)
        });
        let metrics = Arc::clone(&telemetry.metrics);
        let one_sided_log = Arc::clone(&telemetry.one_sided_log);
        Self {
            sessions: Sessions::new(store, metrics, retries, holds, one_sided_log),
            policy,
            homeservers,
            readiness_path: None,
            telemetry,
            clock,
            stable_api_enabled: config.stable_api,
            msc4108_enabled: config.msc4108.enabled,
            request_ids: RequestIdGenerator::new(),
            timeouts: config.http.timeouts,
            headers: ApiResponse::default_headers(),
            etag_headers: ApiResponse::etag_default_headers(),
        }
    }

    /// Answers this path with the readiness of the replica (R0.44).
    #[must_use]
    pub fn with_readiness_path(self, readiness_path: Option<ReadinessPath>) -> Self {
        Self {
            readiness_path,
            ..self
        }
    }

    /// Handles one request. It always returns a response: every error becomes a Matrix body.
    /// `deadline` bounds the request, and can be reused for the next one. `hangup` ends when the
    /// client closes its sending side; then a read is no longer held.
    pub async fn respond<B: RequestBody>(
        &self,
        request: &mut Request<B>,
        caller: Caller,
        deadline: &mut LazyTimeout,
        hangup: impl Future<Output = ()>,
    ) -> Response<Full<Bytes>> {
        let route = Route::parse(request.uri().path());
        let is_head = request.method() == Method::HEAD;
        let incoming_id = request.headers().get(X_REQUEST_ID);
        let incoming_id = incoming_id.filter(|_| caller.may_set_request_id);
        let request_id = self.request_ids.choose(incoming_id);
        let readiness_path = self.readiness_path.as_ref();
        let response = match readiness_path.and_then(|path| path.respond(request)) {
            Some(response) => response,
            None => {
                self.respond_to_api(route, request, caller, &request_id, deadline, hangup)
                    .await
            }
        };
        let mut response =
            response.into_response(self.default_headers(route.api), request_id, is_head);
        probe::repeat(request.headers(), response.headers_mut());
        // A response before the end of the body: the connection stays open only if the end of the
        // body is near, and if hyper reads the same end as a proxy in front (R0.42). Otherwise the
        // response must announce the close.
        if !request.body().is_end_stream()
            && (framing::has_unsupported_transfer_coding(request)
                || !body::drain_buffered(request, deadline).await)
        {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        response
    }

    /// Handles a request of the API, and records it.
    async fn respond_to_api<B: RequestBody>(
        &self,
        route: Route,
        request: &mut Request<B>,
        caller: Caller,
        request_id: &HeaderValue,
        deadline: &mut LazyTimeout,
        hangup: impl Future<Output = ()>,
    ) -> ApiResponse {
        let started = self.clock.now();
        let telemetry = &self.telemetry;
        let recorder =
            RequestRecorder::start(telemetry, request, route, &caller, request_id, started);
        let response = {
            // Pinned before it is wrapped: moving a future of kilobytes copies it.
            let dispatching = pin!(self.dispatch(route, request, caller));
            match recorder.trace() {
                None => {
                    self.with_deadline_and_panic_guard(route, started, dispatching, deadline)
                        .await
                }
                Some(trace) => {
                    let traced = pin!(trace.instrument(dispatching));
                    self.with_deadline_and_panic_guard(route, started, traced, deadline)
                        .await
                }
            }
        };
        let (response, held_for) = match response {
            Ok(HoldableResponse::Ready(response)) => (response, Duration::ZERO),
            Ok(HoldableResponse::Held(held)) => {
                // On the heap: only a held read needs it.
                let waiting = Box::pin(self.await_held(route, held, hangup));
                match recorder.trace() {
                    None => waiting.await,
                    Some(trace) => trace.instrument(waiting).await,
                }
            }
            Err(error) => (error.into(), Duration::ZERO),
        };
        recorder.finish(&response, self.clock.now(), held_for);
        response
    }

    async fn dispatch<B: RequestBody>(
        &self,
        route: Route,
        request: &mut Request<B>,
        caller: Caller,
    ) -> Result<HoldableResponse<'_, S>, ApiError> {
        // A preflight has no credentials and changes nothing, so the answer is the same for all
        // paths. No limit applies: a browser ends the sign-in if its preflight is rejected (R0.14).
        if request.method() == Method::OPTIONS {
            check_head(request)?;
            return Ok(ApiResponse::preflight().into());
        }
        let (homeserver, intent) = match self.resolve(route, request) {
            Ok(resolved) => resolved,
            Err(error) => {
                self.policy.charge_unrouted(caller.ip)?;
                return Err(error);
            }
        };
        let context = RequestContext {
            request,
            caller,
            policy: &self.policy,
            homeserver,
            timeouts: self.timeouts,
            clock: &self.clock,
            metrics: &self.telemetry.metrics,
        };
        match route.api {
            Api::Msc4108 => {
                let endpoints = Msc4108 {
                    sessions: &self.sessions,
                    metrics: &self.telemetry.metrics,
                };
                endpoints.handle(context, route.target, intent).await
            }
            Api::Msc4388 | Api::V1 => {
                let endpoints = Msc4388 {
                    api: route.api,
                    sessions: &self.sessions,
                };
                let response = endpoints.handle(context, route.target, intent).await?;
                Ok(response.into())
            }
            Api::None => Err(ApiError::Unrecognized),
        }
    }

    /// Returns the homeserver and the intent of a request: all checks of its head that need no
    /// limit and no store.
    fn resolve<B>(
        &self,
        route: Route,
        request: &Request<B>,
    ) -> Result<(&Homeserver, Intent), ApiError> {
        check_head(request)?;
        let host = || host::normalized_host(request);
        let homeserver = self.homeservers.find(host).ok_or(ApiError::UnknownHost)?;
        self.check_served(route.api, homeserver.mode)?;
        Ok((homeserver, route.intent(request.method())?))
    }

    /// Checks that the dialect of the path is on.
    fn check_served(&self, api: Api, mode: Mode) -> Result<(), ApiError> {
        let is_on = match api {
            Api::Msc4388 => mode != Mode::Off,
            Api::V1 => mode != Mode::Off && self.stable_api_enabled,
            // The ETag dialect has a separate switch: it has no authentication, whatever the mode.
            Api::Msc4108 => self.msc4108_enabled,
            Api::None => return Err(ApiError::Unrecognized),
        };
        is_on.then_some(()).ok_or(ApiError::DialectDisabled)
    }

    /// The headers of every response of an API.
    fn default_headers(&self, api: Api) -> HeaderMap {
        if api == Api::Msc4108 && self.msc4108_enabled {
            self.etag_headers.clone()
        } else {
            self.headers.clone()
        }
    }
}
