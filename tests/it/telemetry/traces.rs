//! Traces: what a collector receives, and that no request waits for it.

use super::collector::Collector;
use crate::server::Server;
use nix::sys::signal::Signal;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::json;
use testkit::api::at;
use testkit::eventually;
use testkit::http::Request;
use testkit::process::free_address;
use testkit::server::Store;

fn start(store: Store, collector: &Collector, sample: &str) -> Server {
    start_behind("127.0.0.1", store, collector, sample)
}

/// `proxy` is the only peer that is trusted.
fn start_behind(proxy: &str, store: Store, collector: &Collector, sample: &str) -> Server {
    let endpoint = collector.endpoint();
    let settings = [
        ("telemetry.log_format", "json"),
        ("telemetry.replica", "worker-7"),
        ("telemetry.traces.endpoint", &*endpoint),
        ("telemetry.traces.sample", sample),
        ("shutdown.grace", "1ms"),
        ("http.trusted_proxies", proxy),
    ];
    Server::start(store, &settings)
}

/// At shutdown a server exports the remaining spans.
#[track_caller]
fn end(server: &Server) {
    server.signal(Signal::SIGTERM);
    assert!(server.ended().success());
}

fn value(attributes: &[KeyValue], key: &str) -> Option<serde_json::Value> {
    let attribute = attributes.iter().find(|attribute| attribute.key == key)?;
    match attribute.value.clone() {
        Some(AnyValue {
            value: Some(Value::StringValue(text)),
        }) => Some(json!(text)),
        Some(AnyValue {
            value: Some(Value::IntValue(number)),
        }) => Some(json!(number)),
        other => panic!("{key}: {other:?}"),
    }
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "{name} of {spans:?}");
    found[0]
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = (0..hex.len()).step_by(2).map(|at| &hex[at..at + 2]);
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal"))
        .collect()
}

#[test]
fn traceparent_is_continued_with_store_child_spans() {
    for store in [Store::Memory, Store::Redis] {
        let collector = Collector::start(true);
        let server = start(store, &collector, "0");
        let sampled = format!("00-{TRACE}-{PARENT}-01");
        let create = Request::post(testkit::api::UNSTABLE).json(&json!({"data": "of-mine"}));
        let created = server
            .call(&create.header("traceparent", &sampled))
            .expect(200);
        let id = created.text("id");
        let get = Request::get(&at(&id)).header("traceparent", &sampled);
        // Text that a client chose is neither forwarded nor stored.
        let get = get.header("tracestate", "of=of-mine");
        server
            .call(&get.header("X-Request-Id", "proxys-own"))
            .expect(200);
        let put = Request::put(&at(&id)).json(&json!({"sequence_token": "of-mine", "data": "x"}));
        server
            .call(&put.header("traceparent", &sampled))
            .expect(409);
        // The trace is not sampled, and requests without a trace are not sampled either.
        let unsampled = format!("00-{TRACE}-{PARENT}-00");
        server
            .call(&Request::get(&at(&id)).header("traceparent", &unsampled))
            .expect(200);
        server.call(&Request::get(&at(&id))).expect(200);
        // Pages for operators are not client requests.
        server.metrics();
        end(&server);

        let spans = collector.spans();
        assert_eq!(spans.len(), 6, "{spans:?}");
        let of = |name| named(&spans, name);
        for (above, below, status) in [
            ("POST /rendezvous", "store create", 200),
            ("GET /rendezvous/{id}", "store read", 200),
            ("PUT /rendezvous/{id}", "store write", 409),
        ] {
            let (above, below) = (of(above), of(below));
            assert_eq!(above.trace_id, bytes(TRACE));
            assert_eq!(above.parent_span_id, bytes(PARENT));
            assert_eq!(below.trace_id, above.trace_id);
            assert_eq!(below.parent_span_id, above.span_id);
            let received = value(&above.attributes, "http.response.status_code");
            assert_eq!(received, Some(json!(status)));
        }
        let received = |name: &str, key: &str| value(&named(&spans, name).attributes, key);
        assert_eq!(
            received("GET /rendezvous/{id}", "rendezvous.request_id"),
            Some(json!("proxys-own"))
        );
        assert_eq!(
            received("PUT /rendezvous/{id}", "error.type"),
            Some(json!("conflict"))
        );
        let session = received("POST /rendezvous", "rendezvous.session").expect("a session");
        assert_eq!(
            received("GET /rendezvous/{id}", "rendezvous.session").as_ref(),
            Some(&session)
        );
        let session = session.as_str().expect("text").to_owned();
        assert!(server.log().contains(&format!("\"session\":\"{session}\"")));

        let resource = collector.requests()[0].resource_spans[0]
            .resource
            .clone()
            .expect("a resource");
        let of = |key| value(&resource.attributes, key);
        assert_eq!(of("service.name"), Some(json!("matrix-rendezvous")));
        assert_eq!(of("service.instance.id"), Some(json!("worker-7")));
        for (line, body) in collector.received() {
            assert_eq!(line.trim(), "POST /v1/traces HTTP/1.1");
            let body = String::from_utf8_lossy(&body);
            assert!(!body.contains(&id) && !body.contains("of-mine"), "{body}");
        }
    }
}

/// Otherwise any client could make the server send spans, without a limit.
#[test]
fn traceparent_of_a_client_is_not_honoured() {
    let collector = Collector::start(true);
    let sampled = format!("00-{TRACE}-{PARENT}-01");
    for (proxy, sample, expected) in [("", "0", 0), ("192.0.2.1", "0", 0), ("", "1", 1)] {
        let before = collector.spans().len();
        let server = start_behind(proxy, Store::Memory, &collector, sample);
        let discovery = Request::get(testkit::api::UNSTABLE);
        let discovery = discovery.header("traceparent", &sampled);
        server.call(&discovery).expect(200);
        end(&server);
        let spans = collector.spans().split_off(before);
        assert_eq!(spans.len(), expected, "{spans:?}");
        assert!(spans.iter().all(|span| span.trace_id != bytes(TRACE)));
    }
}

#[test]
fn untraced_requests_are_sampled_and_failures_marked() {
    let collector = Collector::start(true);
    let server = start(Store::Memory, &collector, "1");
    server.create("x");
    server.create("x");
    end(&server);
    let spans = collector.spans();
    let traces: std::collections::BTreeSet<_> = spans.iter().map(|span| &span.trace_id).collect();
    assert_eq!((spans.len(), traces.len()), (4, 2), "{spans:?}");
    assert!(
        spans
            .iter()
            .all(|span| span.status.as_ref().is_none_or(|status| status.code == 0))
    );
}

/// An unavailable collector must not delay a sign-in.
#[test]
fn hanging_collector_does_not_block_requests() {
    let collector = Collector::start(false);
    let server = start(Store::Memory, &collector, "1");
    let session = server.create("x");
    for _ in 0..10_000 {
        server.read(&session.id);
    }
    eventually("the collector is received", || {
        (!collector.received().is_empty()).then_some(())
    });
    server.read(&session.id);
    end(&server);
}

#[test]
fn lost_spans_are_counted_and_logged() {
    let exports = |server: &Server, outcome| {
        let labels = [("outcome", outcome)];
        let metrics = server.metrics();
        metrics.sum("rendezvous_trace_exports_total", &labels)
    };
    let collector = Collector::start(true);
    let well = start(Store::Memory, &collector, "1");
    well.create("x");
    eventually("a batch is taken", || {
        (exports(&well, "exported") > 0).then_some(())
    });
    assert_eq!(exports(&well, "lost"), 0);
    let away = Collector::absent(free_address());
    let server = start(Store::Memory, &away, "1");
    server.create("x");
    eventually("a batch is lost", || {
        (exports(&server, "lost") > 0).then_some(())
    });
    assert_eq!(exports(&server, "exported"), 0);
    let log = server.log();
    let line = log
        .lines()
        .find(|line| line.contains("failed to export traces"));
    assert!(
        line.is_some_and(|line| line.contains(&away.endpoint())),
        "{log}"
    );
}
