//! The line of a request: in the access log, or sampled in the rejection log.

use crate::telemetry::access_log::AccessLog;
use crate::telemetry::rejection_log::RejectionLog;
use crate::telemetry::request_record::RequestRecord;
use std::sync::Arc;

/// Chooses the log of each request.
#[derive(Debug)]
pub struct RequestLog {
    access: Arc<AccessLog>,
    rejections: Arc<RejectionLog>,
}

impl RequestLog {
    /// Writes to these two logs.
    #[must_use]
    pub fn new(access: Arc<AccessLog>, rejections: Arc<RejectionLog>) -> Self {
        Self { access, rejections }
    }

    /// Records a request in the rejection log if a limit rejected it, else in the access log.
    pub fn record(&self, request: &RequestRecord<'_>) {
        match request.reason.filter(|reason| reason.is_limit()) {
            Some(reason) => self.rejections.record(reason, request),
            None => self.access.record(request),
        }
    }
}
