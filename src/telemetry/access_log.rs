//! The access log: a line a request, by which a sign-in can be followed and nobody be found.
//!
//! Requests that a limit refuses have none, and are told of by sample: a flood of refusals must not become a flood of
//! lines.
//!
//! A route's template, and never a path; a session's pseudonym, and never its id; no address, token or payload.

use crate::model::Api;
use crate::model::Rejection;
use crate::model::{ClientIp, SessionId};
use crate::telemetry::labels::{Method, Route};
use crate::telemetry::pseudonym::Pseudonyms;
use crate::telemetry::rejection_log::{RejectionLog, is_by_a_limit};
use std::sync::Arc;
use std::time::Duration;

/// What every line has, or needs.
#[derive(Debug)]
pub struct AccessLog {
    is_on: bool,
    replica: String,
    pseudonyms: Pseudonyms,
    refusals: Arc<RejectionLog>,
}

/// One request that was answered.
#[derive(Debug)]
pub struct RequestRecord<'a> {
    /// Whose, which only the sample tells, by a pseudonym.
    pub client: ClientIp,
    /// Of which API.
    pub api: Api,
    /// Where.
    pub route: Route,
    /// By which method.
    pub method: Method,
    /// How.
    pub status: u16,
    /// Why it was refused, if it was.
    pub reason: Option<Rejection>,
    /// From its head to its reply.
    pub took: Duration,
    /// Its name, as the reply has it too.
    pub request_id: &'a str,
    /// The session that it asked for or made.
    pub session: Option<SessionId>,
}

impl AccessLog {
    /// Lines of this `replica`, if the log `is_on`; refusals are told of in any case.
    #[must_use]
    pub fn new(
        is_on: bool,
        replica: String,
        pseudonyms: Pseudonyms,
        refusals: Arc<RejectionLog>,
    ) -> Self {
        Self {
            is_on,
            replica,
            pseudonyms,
            refusals,
        }
    }

    /// Writes a line.
    pub fn note(&self, access: &RequestRecord<'_>) {
        if let Some(reason) = access.reason.filter(|reason| is_by_a_limit(*reason)) {
            return self.refusals.note(reason, access, &self.replica);
        }
        // Before the hash: it costs as much as the rest of a request to the embedded store.
        if !self.is_on || !tracing::enabled!(target: "access", tracing::Level::INFO) {
            return;
        }
        let session = access.session.map(|id| self.pseudonyms.session(id));
        tracing::info!(
            target: "access",
            api = access.api.label(),
            route = access.route.label(),
            method = access.method.label(),
            status = access.status,
            reason = access.reason.map(Rejection::label),
            duration_us = u64::try_from(access.took.as_micros()).unwrap_or(u64::MAX),
            session,
            request_id = access.request_id,
            replica = self.replica,
            "request"
        );
    }
}
