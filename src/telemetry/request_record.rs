//! The facts about one answered request, for the access log, the rejection log and the traces.

use crate::model::{Api, ClientIp, Rejection, SessionId};
use crate::telemetry::labels::{MethodLabel, RouteLabel};
use std::time::Duration;

/// One answered request.
#[derive(Debug)]
pub struct RequestRecord<'a> {
    /// The client. Only the rejection log contains it, as a pseudonym; the access log counts by it.
    pub client: ClientIp,
    /// The API that the path belongs to.
    pub api: Api,
    /// The template of the path.
    pub route: RouteLabel,
    /// The method.
    pub method: MethodLabel,
    /// The status of the response.
    pub status: u16,
    /// Why the request was rejected, if it was.
    pub reason: Option<Rejection>,
    /// Time from the request's head to its response, without the time that the read was held.
    pub duration: Duration,
    /// Time that the read was held. Zero for all other requests.
    pub held_for: Duration,
    /// The request id, as in the response's `X-Request-Id`.
    pub request_id: &'a str,
    /// The session that the request named or created. Logs and traces contain it as a pseudonym.
    pub session: Option<SessionId>,
}

impl RequestRecord<'_> {
    /// Whether the request was served: it was not rejected, and is no preflight.
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.reason.is_none() && self.method != MethodLabel::Options
    }

    /// Whether the request was a poll that found nothing new. Only the ETag dialect has such a response.
    #[must_use]
    pub fn is_unchanged_poll(&self) -> bool {
        self.status == 304
    }
}
