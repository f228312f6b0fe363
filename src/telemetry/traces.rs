//! Traces by OpenTelemetry: a span a request, one below it for each call to the store, told to a collector by OTLP.
//!
//! Off where no collector is configured; then a request pays for a look at a `None`. A `traceparent` (W3C Trace
//! Context) is gone on with, its sampling included. Nothing is in a span that is not in the access log.

mod http_exporter;

use crate::clock::Clock;
use crate::config::telemetry::TracesConfig as Settings;
use crate::http_client::HttpClient;
use crate::telemetry::access_log::RequestRecord;
use crate::telemetry::labels::{Method, Operation, OperationOutcome, Route};
use crate::telemetry::log_throttle::LogThrottle;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::pseudonym::Pseudonyms;
use crate::tls;
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
/// A span of the library's.
pub use opentelemetry_sdk::trace::Span;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// Spans that wait to be told, a few hundred bytes each; what comes then is lost, whoever asked for it.
const WAITING: usize = 4096;

/// How long a collector may take for one batch, and at the end for the last.
const LONGEST: Duration = Duration::from_secs(5);

/// The settings cannot work.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The file of authorities gives none.
    #[error("{0}")]
    CaFile(String),
    /// rustls refuses the TLS settings.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The endpoint takes no path.
    #[error("{0}")]
    Endpoint(#[from] url::ParseError),
    /// The HTTP client cannot use the endpoint.
    #[error("{0}")]
    Uri(#[from] hyper::http::uri::InvalidUri),
}

/// Where spans go.
#[derive(Debug)]
pub struct Collector {
    client: HttpClient,
    endpoint: String,
    sample: f64,
}

impl Collector {
    /// Dials nobody yet.
    ///
    /// # Errors
    /// What of the settings cannot work.
    pub fn new(settings: &Settings) -> Result<Self, SetupError> {
        let authorities =
            tls::authorities(settings.ca_file.as_deref()).map_err(SetupError::CaFile)?;
        let endpoint: String = match settings.endpoint.path() {
            // As OpenTelemetry's own variable for it names a collector.
            "" | "/" => settings.endpoint.join("/v1/traces")?.into(),
            _ => settings.endpoint.as_str().to_owned(),
        };
        endpoint.parse::<hyper::Uri>()?;
        Ok(Self {
            client: HttpClient::new(&authorities)?,
            endpoint,
            sample: settings.sample,
        })
    }
}

/// Spans of this process, or none.
#[derive(Debug, Clone, Default)]
pub struct Traces(Option<Arc<Running>>);

#[derive(Debug)]
struct Running {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    propagator: TraceContextPropagator,
    pseudonyms: Pseudonyms,
}

/// One request's.
#[derive(Debug)]
pub struct Trace<'a> {
    context: Context,
    running: &'a Running,
}

impl Traces {
    /// From now on spans are told to that collector, by a thread of the library's that has our client ask from the
    /// runtime that this runs in. The future that comes with them panics if that thread panics.
    ///
    /// # Errors
    /// Where the endpoint cannot be one.
    pub fn start(
        collector: Collector,
        replica: &str,
        pseudonyms: Pseudonyms,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static + use<>), ExporterBuildError> {
        let Collector {
            client,
            endpoint,
            sample,
        } = collector;
        let runtime = Handle::current();
        let (panic_reporter, watch) = PanicReporter::new();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(OtlpHttpClient {
                client,
                runtime,
                metrics,
                clock,
                told: LogThrottle::each(Duration::from_mins(1)),
                _panic_reporter: panic_reporter,
            })
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint)
            .with_timeout(LONGEST)
            .build()?;
        let bounds = BatchConfigBuilder::default()
            .with_max_queue_size(WAITING)
            .build();
        let batches = BatchSpanProcessor::builder(exporter)
            .with_batch_config(bounds)
            .build();
        let resource = Resource::builder()
            .with_service_name(env!("CARGO_PKG_NAME"))
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("service.instance.id", replica.to_owned()))
            .build();
        let root = Sampler::TraceIdRatioBased(sample);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(batches)
            .with_sampler(Sampler::ParentBased(Box::new(root)))
            .with_resource(resource)
            .build();
        let running = Running {
            tracer: provider.tracer(env!("CARGO_PKG_NAME")),
            provider,
            propagator: TraceContextPropagator::new(),
            pseudonyms,
        };
        Ok((Self(Some(Arc::new(running))), watch))
    }

    /// A request begins.
    #[must_use]
    pub fn begin(&self, headers: &HeaderMap, route: Route, method: Method) -> Option<Trace<'_>> {
        let running = self.0.as_deref()?;
        let parent = without_state(&running.propagator.extract(&HeaderExtractor(headers)));
        // As HTTP spans are named: method and template.
        let span = running
            .tracer
            .span_builder(format!("{} {}", method.label(), route.label()))
            .with_kind(SpanKind::Server)
            .start_with_context(&running.tracer, &parent);
        let context = parent.with_span(span);
        Some(Trace { context, running })
    }

    /// A call to the store begins, below the request that is being polled.
    #[must_use]
    pub fn call(&self, operation: Operation) -> Option<Span> {
        let running = self.0.as_deref()?;
        // What an operator's page asks for is of no request.
        if !Context::map_current(Context::has_active_span) {
            return None;
        }
        let span = running
            .tracer
            .span_builder(format!("store {}", operation.label()))
            .with_kind(SpanKind::Client)
            .start_with_context(&running.tracer, &Context::current());
        Some(span)
    }

    /// Tells what is left, and waits for that, within bounds.
    pub fn stop(&self) {
        let Some(running) = &self.0 else {
            return;
        };
        let stopped = || running.provider.shutdown_with_timeout(LONGEST);
        if let Err(error) = tokio::task::block_in_place(stopped) {
            tracing::warn!(%error, "the last spans could not be told");
        }
    }
}

/// A parent without its `tracestate`: of what a client sends, a span holds two numbers and a bit.
fn without_state(parent: &Context) -> Context {
    let span = parent.span();
    let of = span.span_context();
    if !of.is_valid() {
        return Context::new();
    }
    let (trace, id, flags) = (of.trace_id(), of.span_id(), of.trace_flags());
    let bare = SpanContext::new(trace, id, flags, true, TraceState::default());
    Context::new().with_remote_span_context(bare)
}

impl Trace<'_> {
    /// Calls of this future are below this request.
    pub fn around<F: Future>(&self, future: F) -> impl Future<Output = F::Output> {
        future.with_context(self.context.clone())
    }

    /// The request is answered.
    pub fn end(self, access: &RequestRecord<'_>) {
        let span = self.context.span();
        if !span.is_recording() {
            return;
        }
        // By the semantic conventions of OpenTelemetry for HTTP, but for what is ours.
        span.set_attribute(KeyValue::new("http.request.method", access.method.label()));
        span.set_attribute(KeyValue::new("http.route", access.route.label()));
        let status = i64::from(access.status);
        span.set_attribute(KeyValue::new("http.response.status_code", status));
        span.set_attribute(KeyValue::new("rendezvous.api", access.api.label()));
        let request_id = access.request_id.to_owned();
        span.set_attribute(KeyValue::new("rendezvous.request_id", request_id));
        if let Some(session) = access.session {
            let session = self.running.pseudonyms.session(session);
            span.set_attribute(KeyValue::new("rendezvous.session", session));
        }
        if let Some(reason) = access.reason {
            span.set_attribute(KeyValue::new("error.type", reason.label()));
        }
        if access.status >= 500 {
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

/// A call to the store ended so.
pub fn end_call(mut span: Span, outcome: OperationOutcome) {
    if outcome != OperationOutcome::Ok {
        span.set_attribute(KeyValue::new("error.type", outcome.label()));
        span.set_status(Status::error(""));
    }
    span.end();
}
