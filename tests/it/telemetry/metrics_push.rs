//! The push of metrics: a collector receives what `/metrics` shows, and its faults cost nothing.

mod slow_store;

use super::collector::Collector;
use crate::server::Server;
use nix::sys::signal::Signal;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as PointValue;
use prost::Message as _;
use std::collections::BTreeMap;
use testkit::eventually;
use testkit::metrics::Metrics;
use testkit::process::free_address;
use testkit::server::Store;

/// Longer than a test.
const LONG: &str = "1h";

/// What differs between the last scrape and the last push: the process, and the reading itself.
const CHANGING: [&str; 8] = [
    "process_",
    "rendezvous_connections",
    "rendezvous_http_requests_in_flight",
    "rendezvous_lifecycle_phase",
    "rendezvous_metric_exports_total",
    // Counted at most every 2 s.
    "rendezvous_sessions_live",
    // The count of live sessions, and the probes of Redis.
    "rendezvous_store_operation",
    "rendezvous_store_memory",
];

fn start(store: Store, endpoint: &str, interval: &str) -> Server {
    let settings = [
        ("telemetry.replica", "worker-7"),
        ("telemetry.metrics.endpoint", endpoint),
        ("telemetry.metrics.interval", interval),
        ("shutdown.grace", "1ms"),
    ];
    Server::start(store, &settings)
}

fn exports(server: &Server, outcome: &str) -> u64 {
    let labels = [("outcome", outcome)];
    let metrics = server.metrics();
    metrics.sum("rendezvous_metric_exports_total", &labels)
}

/// How many lines of the log have this text.
fn lines(server: &Server, text: &str) -> usize {
    let log = server.log();
    log.lines().filter(|line| line.contains(text)).count()
}

/// The attributes as labels of Prometheus.
fn labels(attributes: &[KeyValue]) -> String {
    let pair = |attribute: &KeyValue| match attribute.value.clone().and_then(|any| any.value) {
        Some(Value::StringValue(value)) => format!("{}=\"{value}\"", attribute.key),
        other => panic!("{other:?}"),
    };
    let pairs: Vec<_> = attributes.iter().map(pair).collect();
    if pairs.is_empty() {
        String::new()
    } else {
        format!("{{{}}}", pairs.join(","))
    }
}

/// Each series of a push with its value; of a histogram, its count and its sum.
fn pushed_series(push: ExportMetricsServiceRequest) -> BTreeMap<String, f64> {
    let resources = push.resource_metrics.into_iter();
    let scopes = resources.flat_map(|resource| resource.scope_metrics);
    let mut series = BTreeMap::new();
    for metric in scopes.flat_map(|scope| scope.metrics) {
        let name = metric.name;
        let points = match metric.data.expect("data") {
            Data::Sum(sum) => sum.data_points,
            Data::Gauge(gauge) => gauge.data_points,
            Data::Histogram(histogram) => {
                for point in histogram.data_points {
                    let labels = labels(&point.attributes);
                    let count = u32::try_from(point.count).expect("few");
                    series.insert(format!("{name}_count{labels}"), f64::from(count));
                    series.insert(format!("{name}_sum{labels}"), point.sum.expect("a sum"));
                }
                continue;
            }
            other => panic!("{other:?}"),
        };
        for point in points {
            let Some(PointValue::AsDouble(value)) = point.value else {
                panic!("{name}: {:?}", point.value)
            };
            series.insert(format!("{name}{}", labels(&point.attributes)), value);
        }
    }
    series
}

/// Each series of a scrape with its value, without the buckets.
fn scraped_series(page: &Metrics) -> BTreeMap<String, f64> {
    let samples = page.0.lines().filter(|line| !line.starts_with('#'));
    samples
        .filter_map(|line| line.rsplit_once(' '))
        .filter(|(series, _)| !series.contains("_bucket{"))
        .map(|(series, value)| (series.to_owned(), value.parse().expect("a number")))
        .collect()
}

#[test]
fn last_push_at_shutdown_has_the_series_of_the_metrics_page() {
    for store in [Store::Memory, Store::Redis] {
        let collector = Collector::start(true);
        let server = start(store, &collector.endpoint(), LONG);
        let session = server.create("x");
        server.create("of-mine");
        server.read(&session.id);
        let scraped = scraped_series(&server.metrics());
        server.signal(Signal::SIGTERM);
        assert!(server.ended().success());

        let (line, body) = collector.received().pop().expect("a push");
        assert_eq!(line.trim(), "POST /v1/metrics HTTP/1.1");
        let body = String::from_utf8_lossy(&body);
        assert!(!body.contains(&session.id) && !body.contains("of-mine"));
        let push = collector.pushes().pop().expect("a push");
        let resource = push.resource_metrics[0].resource.clone();
        let resource = labels(&resource.expect("a resource").attributes);
        assert!(
            resource.contains("service.instance.id=\"worker-7\""),
            "{resource}"
        );
        let pushed = pushed_series(push);
        let names = |series: &BTreeMap<String, f64>| series.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&pushed), names(&scraped));
        for (series, value) in scraped {
            if !CHANGING.iter().any(|name| series.starts_with(name)) {
                let difference = (pushed[&series] - value).abs();
                assert!(difference < 1e-9, "{series}: {} {value}", pushed[&series]);
            }
        }
        let created = pushed["rendezvous_sessions_created_total{api=\"msc4388\"}"];
        assert!((created - 2.0).abs() < 1e-9, "{created}");
        let draining = "rendezvous_lifecycle_phase{phase=\"draining\"}";
        assert!(pushed[draining] > 0.0, "it is the last one");
    }
}

/// Otherwise an operator whose metrics do not arrive has no sign of it but their absence.
#[test]
fn rejected_push_is_counted_and_logged_with_the_cause() {
    let partial = ExportMetricsServiceResponse {
        partial_success: Some(ExportMetricsPartialSuccess {
            rejected_data_points: 3,
            error_message: "too old".to_owned() + &" and more".repeat(100),
        }),
    };
    let protobuf = "application/x-protobuf";
    let cases = [
        ("400 Bad Request", protobuf, vec![], "400 Bad Request"),
        (
            "429 Too Many Requests",
            "text/plain",
            vec![],
            "429 Too Many",
        ),
        (
            "503 Service Unavailable",
            "text/html",
            vec![],
            "503 Service",
        ),
        (
            "307 Temporary Redirect",
            "text/plain",
            vec![],
            "307 Temporary",
        ),
        (
            "200 OK",
            "text/plain",
            vec![b'x'; 70_000],
            "longer than 64 KiB",
        ),
        (
            "200 OK",
            protobuf,
            partial.encode_to_vec(),
            "3 data points were rejected: too old and more",
        ),
    ];
    let started = cases.map(|(status, content_type, body, problem)| {
        let collector = Collector::answering(status, content_type, &body);
        let server = start(Store::Memory, &collector.endpoint(), "1s");
        (collector, server, problem)
    });
    for (collector, server, problem) in started {
        let line = eventually("the failure is logged", || {
            let log = server.log();
            let line = log.lines().find(|line| line.contains("failed to export"));
            line.map(ToOwned::to_owned)
        });
        eventually("the push is lost", || {
            (exports(&server, "lost") > 0).then_some(())
        });
        assert!(line.contains(problem), "{line}");
        assert!(line.contains(&collector.endpoint()), "{line}");
        assert!(line.len() < 600, "{line}");
        assert_eq!(exports(&server, "exported"), 0);
    }
}

#[test]
fn success_with_an_unknown_body_is_a_success() {
    let warning = ExportMetricsServiceResponse {
        partial_success: Some(ExportMetricsPartialSuccess {
            rejected_data_points: 0,
            error_message: "a suggestion".to_owned(),
        }),
    };
    let cases = [
        ("application/x-protobuf", warning.encode_to_vec()),
        ("application/x-protobuf", b"\xff\xff".to_vec()),
        ("text/plain", b"\x0a\x02\x08\x03".to_vec()),
    ];
    let started = cases.map(|(content_type, body)| {
        let collector = Collector::answering("202 Accepted", content_type, &body);
        let server = start(Store::Memory, &collector.endpoint(), "1s");
        (collector, server)
    });
    for (_collector, server) in started {
        eventually("the push is accepted", || {
            (exports(&server, "exported") > 0).then_some(())
        });
        assert_eq!(exports(&server, "lost"), 0, "{}", server.log());
    }
}

#[test]
fn log_has_one_line_when_pushes_fail_and_one_when_they_recover() {
    let collector = Collector::answering("503 Service Unavailable", "text/plain", b"");
    let server = start(Store::Memory, &collector.endpoint(), "1s");
    eventually("two pushes are lost", || {
        (exports(&server, "lost") > 1).then_some(())
    });
    let (failed, again) = ("failed to export metrics", "metrics are exported again");
    eventually("the failure is logged", || {
        (lines(&server, failed) > 0).then_some(())
    });
    assert_eq!((lines(&server, failed), lines(&server, again)), (1, 0));
    let lost = exports(&server, "lost");
    collector.answer("200 OK", "text/plain", b"");
    eventually("two pushes are accepted", || {
        (exports(&server, "exported") > 1).then_some(())
    });
    assert_eq!((lines(&server, failed), lines(&server, again)), (1, 1));
    assert!(
        exports(&server, "lost") <= lost + 1,
        "nothing is sent again"
    );
}

/// The collector accepts the connection and never answers.
#[test]
fn hanging_collector_delays_neither_requests_nor_the_end() {
    let collector = Collector::start(false);
    let server = start(Store::Memory, &collector.endpoint(), "1s");
    eventually("a push hangs", || {
        (!collector.received().is_empty()).then_some(())
    });
    let session = server.create("x");
    server.read(&session.id);
    server.signal(Signal::SIGTERM);
    assert!(server.ended().success());
}

#[test]
fn absent_collector_does_not_prevent_the_start() {
    let absent = Collector::absent(free_address());
    let server = start(Store::Memory, &absent.endpoint(), "1s");
    eventually("the push is lost", || {
        (exports(&server, "lost") > 0).then_some(())
    });
    server.create("x");
    eventually("the failure is logged", || {
        (lines(&server, "failed to export metrics") == 1).then_some(())
    });
}
