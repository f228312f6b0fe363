//! Records one request: in-flight gauge, metrics, log line and trace.
//!
//! For `service`, so that the pipeline reads without its five observers.

use crate::http::context::Caller;
use crate::http::response::ApiResponse;
use crate::http::route::{Route, method_label};
use crate::model::ClientIp;
use crate::telemetry::labels::MethodLabel;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::one_sided_log::OneSidedLog;
use crate::telemetry::request_log::RequestLog;
use crate::telemetry::request_record::RequestRecord;
use crate::telemetry::traces::{Trace, Traces};
use hyper::Request;
use hyper::header::HeaderValue;
use std::sync::Arc;
use std::time::Duration;

/// Where requests are recorded.
#[derive(Debug)]
pub struct RequestTelemetry {
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The access log and the rejection log.
    pub request_log: RequestLog,
    /// The traces.
    pub traces: Traces,
    /// The log of sessions that only one device used.
    pub one_sided_log: Arc<OneSidedLog>,
}

/// Records one request. A recorder that is dropped before [`RequestRecorder::finish`] counts its
/// request as abandoned: the client reset the connection or the stream
/// before the response.
pub(super) struct RequestRecorder<'a> {
    telemetry: &'a RequestTelemetry,
    route: Route,
    method: MethodLabel,
    client: ClientIp,
    request_id: &'a HeaderValue,
    started: Duration,
    trace: Option<Trace<'a>>,
    is_finished: bool,
}

impl<'a> RequestRecorder<'a> {
    /// Counts the request as in flight, and begins its trace if it is sampled.
    pub fn start<B>(
        telemetry: &'a RequestTelemetry,
        request: &Request<B>,
        route: Route,
        caller: &Caller,
        request_id: &'a HeaderValue,
        started: Duration,
    ) -> Self {
        telemetry.metrics.http_in_flight.inc();
        let method = method_label(request.method());
        let parent = caller.may_request_trace.then(|| request.headers());
        let trace = telemetry
            .traces
            .start_request(parent, route.label(), method);
        Self {
            telemetry,
            route,
            method,
            client: caller.ip.into(),
            request_id,
            started,
            trace,
            is_finished: false,
        }
    }

    /// The trace of the request, if it has one.
    pub fn trace(&self) -> Option<&Trace<'a>> {
        self.trace.as_ref()
    }

    /// Records the response, which was ready at `finished`. The time that the read was held is no part
    /// of its duration (R2.49).
    pub fn finish(mut self, response: &ApiResponse, finished: Duration, held_for: Duration) {
        let RequestTelemetry {
            metrics,
            request_log,
            ..
        } = self.telemetry;
        let (api, route) = (self.route.api, self.route.label());
        let (status, reason) = (response.status().as_u16(), response.rejection());
        let duration = finished.saturating_sub(self.started + held_for);
        if let Some(reason) = reason {
            metrics.rejections.inc(reason);
        }
        metrics.record_request(api, route, self.method, status, duration);
        let session = self.route.target.session().or(response.created_session());
        let record = RequestRecord {
            client: self.client,
            api,
            route,
            method: self.method,
            status,
            reason,
            duration,
            held_for,
            request_id: self.request_id.to_str().unwrap_or_default(),
            session,
        };
        request_log.record(&record);
        if let Some(trace) = self.trace.take() {
            trace.finish(&record);
        }
        self.is_finished = true;
    }
}

impl Drop for RequestRecorder<'_> {
    fn drop(&mut self) {
        let metrics = &self.telemetry.metrics;
        // In this order: a reader that sees no request in flight also sees how the last one ended.
        if !self.is_finished {
            metrics.http_abandoned.inc();
        }
        metrics.http_in_flight.dec();
    }
}
