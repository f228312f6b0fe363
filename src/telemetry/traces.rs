//! OpenTelemetry traces: one span per request with a child span for each call to the store,
//! exported to a collector by OTLP over HTTP.
//!
//! Off if no collector is configured; a request then costs one check of a `None`. A request with the
//! `traceparent` of a trusted proxy (W3C Trace Context) continues that trace and its sampling decision. A span
//! contains nothing that is not in the access log.

mod http_exporter;
pub mod settings;

use crate::clock::Clock;
use crate::telemetry::labels::{MethodLabel, Operation, OperationOutcome, RouteLabel};
use crate::telemetry::log_throttle::LogThrottle;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::otlp_endpoint::{CollectorError, EXPORT_TIMEOUT, OtlpEndpoint};
use crate::telemetry::pseudonym::Pseudonyms;
use crate::telemetry::request_record::RequestRecord;
use http_exporter::{OtlpHttpClient, PanicReporter};
use hyper::header::HeaderMap;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{
    FutureExt as _, Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, TraceState,
    Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::HeaderExtractor;
/// Why the exporter cannot be built.
pub use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
/// A span of OpenTelemetry.
pub use opentelemetry_sdk::trace::Span;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider,
};
use settings::TracesConfig;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// What the log targets of the library begin with.
pub const LIBRARY: &str = "opentelemetry";

/// Size of the export queue, in spans of a few hundred bytes. When it is full, new spans are
/// dropped, including those that a proxy's `traceparent` asked for.
const SPAN_QUEUE: usize = 4096;

/// A validated collector, ready to receive spans.
#[derive(Debug)]
pub struct Collector {
    endpoint: OtlpEndpoint,
    sample: f64,
}

impl Collector {
    /// Validates the settings. Opens no connection.
    ///
    /// # Errors
    /// [`CollectorError`] if the CA bundle, the TLS settings or the endpoint is invalid.
    pub fn new(settings: &TracesConfig) -> Result<Self, CollectorError> {
        let ca_file = settings.ca_file.as_deref();
        Ok(Self {
            endpoint: OtlpEndpoint::new(&settings.endpoint, "/v1/traces", ca_file)?,
            sample: settings.sample,
        })
    }
}

/// The tracer of this process, or nothing if traces are off.
#[derive(Debug, Clone, Default)]
pub struct Traces(Option<Arc<ActiveTracer>>);

#[derive(Debug)]
struct ActiveTracer {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    propagator: TraceContextPropagator,
    pseudonyms: Pseudonyms,
}

/// The trace of one request.
#[derive(Debug)]
pub struct Trace<'a> {
    context: Context,
    tracer: &'a ActiveTracer,
}

impl Traces {
    /// Starts the export of spans to `collector`. A thread of the OpenTelemetry library batches the
    /// spans; our HTTP client sends the batches from the current runtime.
    ///
    /// Returns a future beside the traces: it panics if that thread panics.
    ///
    /// # Errors
    /// [`ExporterBuildError`] if the endpoint is not a valid URI.
    pub fn start(
        collector: Collector,
        replica: &str,
        pseudonyms: Pseudonyms,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static + use<>), ExporterBuildError> {
        let Collector { endpoint, sample } = collector;
        let runtime = Handle::current();
        let (panic_reporter, watch) = PanicReporter::new();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(OtlpHttpClient {
                client: endpoint.client,
                runtime,
                metrics,
                clock,
                timeout: EXPORT_TIMEOUT,
                lost_batch_log: LogThrottle::every(Duration::from_mins(1)),
                _panic_reporter: panic_reporter,
            })
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint.url.to_string())
            .with_timeout(EXPORT_TIMEOUT)
            .build()?;
        let batch_config = BatchConfigBuilder::default()
            .with_max_queue_size(SPAN_QUEUE)
            .build();
        let processor = BatchSpanProcessor::builder(exporter)
            .with_batch_config(batch_config)
            .build();
        let resource = Resource::builder()
            .with_service_name(env!("CARGO_PKG_NAME"))
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("service.instance.id", replica.to_owned()))
            .build();
        let root_sampler = Sampler::TraceIdRatioBased(sample);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_sampler(Sampler::ParentBased(Box::new(root_sampler)))
            .with_resource(resource)
            .build();
        let tracer = ActiveTracer {
            tracer: provider.tracer(env!("CARGO_PKG_NAME")),
            provider,
            propagator: TraceContextPropagator::new(),
            pseudonyms,
        };
        Ok((Self(Some(Arc::new(tracer))), watch))
    }

    /// Starts the span of a request, or returns `None` if traces are off. `parent` are the headers that
    /// may name a trace to continue.
    #[must_use]
    pub fn start_request(
        &self,
        parent: Option<&HeaderMap>,
        route: RouteLabel,
        method: MethodLabel,
    ) -> Option<Trace<'_>> {
        let tracer = self.0.as_deref()?;
        let parent = parent.map_or_else(Context::new, |headers| {
            without_state(&tracer.propagator.extract(&HeaderExtractor(headers)))
        });
        // The name by the semantic conventions for HTTP: method and path template.
        let span = tracer
            .tracer
            .span_builder(format!("{} {}", method.label(), route.label()))
            .with_kind(SpanKind::Server)
            .start_with_context(&tracer.tracer, &parent);
        let context = parent.with_span(span);
        Some(Trace { context, tracer })
    }

    /// Starts the span of a call to the store, as a child of the current request's span. Returns
    /// `None` if traces are off or no request is being polled.
    #[must_use]
    pub fn start_store_call(&self, operation: Operation) -> Option<Span> {
        let tracer = self.0.as_deref()?;
        // A call for the admin listener belongs to no request.
        if !Context::map_current(Context::has_active_span) {
            return None;
        }
        let span = tracer
            .tracer
            .span_builder(format!("store {}", operation.label()))
            .with_kind(SpanKind::Client)
            .start_with_context(&tracer.tracer, &Context::current());
        Some(span)
    }

    /// Exports the remaining spans. Blocks its thread for at most 5 s, while the exporter sends them
    /// from the runtime.
    pub fn shutdown(&self) {
        let Some(tracer) = &self.0 else {
            return;
        };
        if let Err(error) = tracer.provider.shutdown_with_timeout(EXPORT_TIMEOUT) {
            tracing::warn!(%error, "failed to export the last spans");
        }
    }
}

/// Returns the parent without its `tracestate`. From the client's headers a span keeps only the
/// trace id, the span id and the sampling flag.
fn without_state(parent: &Context) -> Context {
    let span = parent.span();
    let parent = span.span_context();
    if !parent.is_valid() {
        return Context::new();
    }
    let (trace, id, flags) = (parent.trace_id(), parent.span_id(), parent.trace_flags());
    let bare = SpanContext::new(trace, id, flags, true, TraceState::default());
    Context::new().with_remote_span_context(bare)
}

impl Trace<'_> {
    /// Runs `future` in this trace: its calls to the store become children of the request's span.
    pub fn instrument<F: Future>(&self, future: F) -> impl Future<Output = F::Output> {
        future.with_context(self.context.clone())
    }

    /// Ends the span of the request and records its attributes.
    pub fn finish(self, request: &RequestRecord<'_>) {
        let span = self.context.span();
        if !span.is_recording() {
            return;
        }
        // Names by OpenTelemetry's semantic conventions for HTTP, except for our own attributes.
        span.set_attribute(KeyValue::new("http.request.method", request.method.label()));
        span.set_attribute(KeyValue::new("http.route", request.route.label()));
        let status = i64::from(request.status);
        span.set_attribute(KeyValue::new("http.response.status_code", status));
        span.set_attribute(KeyValue::new("rendezvous.api", request.api.label()));
        let request_id = request.request_id.to_owned();
        span.set_attribute(KeyValue::new("rendezvous.request_id", request_id));
        if let Some(session) = request.session {
            let session = self.tracer.pseudonyms.session(session);
            span.set_attribute(KeyValue::new("rendezvous.session", session));
        }
        if let Some(reason) = request.reason {
            span.set_attribute(KeyValue::new("error.type", reason.label()));
        }
        if request.status >= 500 {
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

/// Ends the span of a call to the store and records its outcome.
pub fn finish_store_call(mut span: Span, outcome: OperationOutcome) {
    if outcome != OperationOutcome::Ok {
        span.set_attribute(KeyValue::new("error.type", outcome.label()));
        span.set_status(Status::error(""));
    }
    span.end();
}
