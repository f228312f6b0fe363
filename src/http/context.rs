//! One request on its way through a dialect: its sender, the policy, and its body.

use crate::clock::Clock;
use crate::clock::lazy_timeout::LazyTimeout;
use crate::config::http::Timeouts;
use crate::http::body::{self, RequestBody};
use crate::http::error::ApiError;
use crate::model::SessionId;
use crate::policy::{Admitted, BaseUrls, CreateGrant, Homeserver, Intent, Policy, PolicyRejection};
use crate::telemetry::labels::TimeoutKind;
use crate::telemetry::metrics::Metrics;
use bytes::Bytes;
use hyper::Request;
use hyper::header::HeaderMap;
use std::net::IpAddr;
use std::sync::Arc;

/// The sender of a request, by one configuration: a reload during the request changes nothing here.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The address of the client.
    pub ip: IpAddr,
    /// Whether the client used HTTPS: as a trusted proxy reports, or else on its connection to this server.
    pub is_https: bool,
    /// Whether the client's own `X-Request-Id` may be repeated (R0.37).
    pub may_set_request_id: bool,
    /// Whether its `traceparent` is honoured: only that of a trusted proxy.
    pub may_request_trace: bool,
    /// The URLs at which clients reach the homeservers.
    pub base_urls: Arc<BaseUrls>,
}

/// A request, and the parts of the pipeline that a dialect may use.
#[derive(Debug)]
pub struct RequestContext<'a, B> {
    /// The request; `read_body` and `buffered_body` read its body.
    pub request: &'a mut Request<B>,
    /// The sender of the request.
    pub caller: Caller,
    /// The policy.
    pub policy: &'a Policy,
    /// The homeserver that the request's host selects.
    pub homeserver: &'a Homeserver,
    /// The timeout of the body.
    pub timeouts: Timeouts,
    /// The clock.
    pub clock: &'a Clock,
    /// The metrics.
    pub metrics: &'a Metrics,
}

impl<'a, B: RequestBody> RequestContext<'a, B> {
    /// The request's headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }

    /// Applies the policy to a request, on a session if the path names one.
    ///
    /// # Errors
    /// The [`PolicyRejection`].
    pub fn admit(
        &self,
        intent: Intent,
        session: Option<SessionId>,
    ) -> Result<Admitted<'a>, PolicyRejection> {
        self.policy
            .admit(intent, self.caller.ip, session, self.request.headers())
    }

    /// Decides whether the sender may create sessions through MSC4388.
    ///
    /// # Errors
    /// The [`PolicyRejection`].
    pub async fn authorize_create(
        &self,
        admitted: &Admitted<'_>,
    ) -> Result<CreateGrant, PolicyRejection> {
        let (homeserver, headers) = (self.homeserver, self.request.headers());
        // On the heap: otherwise the state of a homeserver query would be moved with every poll of
        // a session.
        Box::pin(self.policy.authorize_create(admitted, homeserver, headers)).await
    }

    /// The whole body, if it is already buffered. For rejected requests, whose clients must not be
    /// waited for.
    ///
    /// # Errors
    /// As [`body::try_read_buffered`].
    pub async fn buffered_body(&mut self) -> Result<Option<Bytes>, ApiError> {
        body::try_read_buffered(self.request.body_mut()).await
    }

    /// The whole body.
    ///
    /// # Errors
    /// As [`body::read`].
    pub async fn read_body(&mut self) -> Result<Bytes, ApiError> {
        let mut deadline = LazyTimeout::new(self.clock.clone());
        let body = body::read(self.request.body_mut(), self.timeouts.body, &mut deadline).await;
        if matches!(body, Err(ApiError::BodyTimeout)) {
            self.metrics.timeouts.inc(TimeoutKind::Body);
        }
        body
    }
}
