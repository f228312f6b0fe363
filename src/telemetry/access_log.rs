//! The access log: one line per request, by which an operator can follow a sign-in without learning
//! who signs in.
//!
//! A line has the template of the path and never the path, a pseudonym of the session and never its
//! id, and no address, token or payload. Requests that a limit rejects are not in it: the rejection
//! log samples them.

use crate::model::Rejection;
use crate::telemetry::pseudonym::Pseudonyms;
use crate::telemetry::request_record::RequestRecord;

/// Writes the access log.
#[derive(Debug)]
pub struct AccessLog {
    is_enabled: bool,
    replica: String,
    pseudonyms: Pseudonyms,
}

impl AccessLog {
    /// Creates the access log of this `replica`. It writes nothing unless it `is_enabled`.
    #[must_use]
    pub fn new(is_enabled: bool, replica: String, pseudonyms: Pseudonyms) -> Self {
        Self {
            is_enabled,
            replica,
            pseudonyms,
        }
    }

    /// Writes one line.
    pub fn record(&self, request: &RequestRecord<'_>) {
        // Checked before the pseudonym is computed: the hash costs as much as the rest of a request
        // to the memory store.
        if !self.is_enabled || !tracing::enabled!(target: "access", tracing::Level::INFO) {
            return;
        }
        let session = request.session.map(|id| self.pseudonyms.session(id));
        tracing::info!(
            target: "access",
            api = request.api.label(),
            route = request.route.label(),
            method = request.method.label(),
            status = request.status,
            reason = request.reason.map(Rejection::label),
            duration_us = u64::try_from(request.duration.as_micros()).unwrap_or(u64::MAX),
            session,
            request_id = request.request_id,
            replica = self.replica,
            "request"
        );
    }
}
