//! One request on its way through a dialect: who sends it, whether it may pass, and its body.

use crate::clock::Clock;
use crate::clock::lazy_timeout::LazyTimeout;
use crate::config::http::Timeouts;
use crate::http::body::{self, RequestBody};
use crate::http::error::ApiError;
use crate::model::SessionId;
use crate::policy::{Admitted, CreateGrant, Homeserver, Intent, Policy, PolicyRejection};
use crate::telemetry::labels::TimeoutKind;
use crate::telemetry::metrics::Metrics;
use bytes::Bytes;
use hyper::Request;
use hyper::header::HeaderMap;
use std::net::IpAddr;

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// The address that it comes from.
    pub ip: IpAddr,
    /// Whether a trusted proxy says that the client came by HTTPS.
    pub is_https: bool,
    /// Whether the client's own `X-Request-Id` may be repeated (R0.37).
    pub may_set_request_id: bool,
}

/// A request, and what of the pipeline a dialect may use.
#[derive(Debug)]
pub struct RequestContext<'a, B> {
    /// The request; its body is read by [`RequestContext::body`].
    pub request: &'a mut Request<B>,
    /// Its sender.
    pub caller: Caller,
    /// Who may do what.
    pub policy: &'a Policy,
    /// Whose client it comes from.
    pub homeserver: &'a Homeserver,
    /// How long its body may take.
    pub timeouts: Timeouts,
    /// Time.
    pub clock: &'a Clock,
    /// What happened, for operators.
    pub metrics: &'a Metrics,
}

impl<'a, B: RequestBody> RequestContext<'a, B> {
    /// The request's headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }

    /// Asks the policy, about a request on a session where there is one.
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

    /// Asks whether the sender may create sessions through MSC4388.
    ///
    /// # Errors
    /// The [`PolicyRejection`].
    pub async fn authorize_create(
        &self,
        admitted: &Admitted<'_>,
    ) -> Result<CreateGrant, PolicyRejection> {
        let (homeserver, headers) = (self.homeserver, self.request.headers());
        // On the heap: what it takes to ask a homeserver must not be moved about with each poll of a session.
        Box::pin(self.policy.authorize_create(admitted, homeserver, headers)).await
    }

    /// The whole body, where it is there already: for who is refused, and must not be waited for.
    pub async fn buffered_body(&mut self) -> Option<Bytes> {
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
