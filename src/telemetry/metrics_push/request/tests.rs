//! The message against the text that `/metrics` has of the same snapshot.

use super::{PointValue, TimeWindow, attribute, build_request};
use crate::model::Api;
use crate::telemetry::labels::{MethodLabel, RouteLabel};
use crate::telemetry::metrics::Metrics;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AttributeValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{HistogramDataPoint, Metric, NumberDataPoint};
use prometheus::TextEncoder;
use prost::Message as _;
use std::collections::BTreeMap;
use std::time::Duration;

const WINDOW: TimeWindow = TimeWindow {
    start: Duration::from_secs(1_800_000_001),
    end: Duration::from_nanos(1_800_000_060_000_000_007),
};

/// Metrics of some traffic: values in the first, in a middle and above the last bucket.
fn busy_metrics() -> Metrics {
    let metrics = Metrics::new();
    for millis in [0, 7, 7, 2_000, 90_000] {
        let (route, method) = (RouteLabel::Session, MethodLabel::Get);
        let duration = Duration::from_millis(millis);
        metrics.record_request(Api::Msc4108, route, method, 200, duration);
    }
    metrics.record_creation(Api::Msc4388, 4096);
    metrics.sessions_live.set(-3);
    metrics
        .auth_circuit_open
        .with_label_values(&["a\"b\\c.example.org"])
        .set(1);
    metrics
}

/// A message that went over the wire.
fn exported(metrics: &Metrics) -> (Vec<Metric>, String) {
    let families = metrics.gather();
    let message = build_request(&families, "worker-7", WINDOW).encode_to_vec();
    let mut message = ExportMetricsServiceRequest::decode(&message[..]).expect("a message");
    let resource = message.resource_metrics[0].resource.take();
    assert_eq!(
        resource.expect("a resource").attributes,
        [
            attribute("service.name", "matrix-rendezvous"),
            attribute("service.version", env!("CARGO_PKG_VERSION")),
            attribute("service.instance.id", "worker-7"),
        ]
    );
    let text = TextEncoder::new().encode_to_string(&families);
    let metrics = message.resource_metrics.remove(0).scope_metrics.remove(0);
    (metrics.metrics, text.expect("text"))
}

/// The labels as Prometheus writes them, with one more label at the end for a bucket.
fn labels(attributes: &[KeyValue], bound: Option<String>) -> String {
    let pairs = attributes.iter().map(|attribute| {
        let value = attribute.value.clone().and_then(|value| value.value);
        let Some(AttributeValue::StringValue(value)) = value else {
            panic!("{attribute:?}")
        };
        (attribute.key.clone(), value)
    });
    let bound = bound.map(|bound| ("le".to_owned(), bound));
    let pairs: Vec<_> = pairs
        .chain(bound)
        .map(|(key, value)| {
            let value = value.replace('\\', r"\\").replace('"', r#"\""#);
            format!("{key}=\"{value}\"")
        })
        .collect();
    if pairs.is_empty() {
        String::new()
    } else {
        format!("{{{}}}", pairs.join(","))
    }
}

fn value(point: &NumberDataPoint) -> f64 {
    match point.value {
        Some(PointValue::AsDouble(value)) => value,
        other => panic!("{other:?}"),
    }
}

/// The samples that Prometheus has of one histogram.
fn histogram_samples(name: &str, point: &HistogramDataPoint) -> Vec<(String, String)> {
    let mut samples = Vec::new();
    let mut below = 0;
    let bounds = point.explicit_bounds.iter().map(ToString::to_string);
    let bounds = bounds.chain(["+Inf".to_owned()]);
    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
    for (bound, count) in bounds.zip(&point.bucket_counts) {
        below += count;
        let labels = labels(&point.attributes, Some(bound));
        samples.push((format!("{name}_bucket{labels}"), below.to_string()));
    }
    let labels = labels(&point.attributes, None);
    let sum = point.sum.expect("a sum").to_string();
    samples.push((format!("{name}_sum{labels}"), sum));
    samples.push((format!("{name}_count{labels}"), point.count.to_string()));
    samples
}

#[test]
fn message_has_the_samples_of_the_text_of_the_same_moment() {
    let (metrics, text) = exported(&busy_metrics());
    let mut samples = BTreeMap::new();
    let mut comments = Vec::new();
    for metric in &metrics {
        let name = &metric.name;
        assert_eq!(metric.unit, "", "{name}");
        comments.push(format!("# HELP {name} {}", metric.description));
        let (kind, points) = match metric.data.as_ref().expect("data") {
            Data::Sum(sum) => ("counter", &sum.data_points),
            Data::Gauge(gauge) => ("gauge", &gauge.data_points),
            Data::Histogram(histogram) => {
                let points = histogram.data_points.iter();
                samples.extend(points.flat_map(|point| histogram_samples(name, point)));
                ("histogram", &Vec::new())
            }
            other => panic!("{other:?}"),
        };
        comments.push(format!("# TYPE {name} {kind}"));
        for point in points {
            let series = format!("{name}{}", labels(&point.attributes, None));
            samples.insert(series, value(point).to_string());
        }
    }
    let (expected_comments, expected): (Vec<_>, Vec<_>) =
        text.lines().partition(|line| line.starts_with('#'));
    assert_eq!(comments, expected_comments);
    assert_eq!(samples.len(), expected.len(), "a series twice");
    for line in expected {
        let (series, value) = line.rsplit_once(' ').expect("a sample");
        let pushed = samples.get(series).map(String::as_str);
        assert_eq!(pushed, Some(value), "{series}");
    }
}

#[test]
fn sums_and_histograms_are_cumulative_since_the_start() {
    let (metrics, _) = exported(&busy_metrics());
    let (start, end) = (1_800_000_001_000_000_000, 1_800_000_060_000_000_007);
    for metric in metrics {
        let (temporality, times): (_, Vec<_>) = match metric.data.expect("data") {
            Data::Sum(sum) => {
                assert!(sum.is_monotonic, "{}", metric.name);
                let points = sum.data_points.iter();
                let times = points.map(|at| (at.start_time_unix_nano, at.time_unix_nano));
                (sum.aggregation_temporality, times.collect())
            }
            Data::Histogram(histogram) => {
                let points = histogram.data_points.iter();
                let times = points.map(|at| (at.start_time_unix_nano, at.time_unix_nano));
                (histogram.aggregation_temporality, times.collect())
            }
            Data::Gauge(gauge) => {
                for point in gauge.data_points {
                    let times = (point.start_time_unix_nano, point.time_unix_nano);
                    assert_eq!(times, (0, end), "{}", metric.name);
                }
                continue;
            }
            other => panic!("{other:?}"),
        };
        // AGGREGATION_TEMPORALITY_CUMULATIVE
        assert_eq!(temporality, 2, "{}", metric.name);
        assert!(!times.is_empty(), "{}", metric.name);
        assert!(times.iter().all(|at| *at == (start, end)), "{times:?}");
    }
}

#[test]
fn bucket_counts_are_those_of_each_bucket_alone() {
    let (metrics, _) = exported(&busy_metrics());
    let named = metrics
        .into_iter()
        .find(|metric| metric.name == "rendezvous_http_request_duration_seconds");
    let Some(Data::Histogram(histogram)) = named.and_then(|metric| metric.data) else {
        panic!("no histogram")
    };
    let points = histogram.data_points.into_iter();
    let counts: Vec<_> = points
        .filter(|point| point.count > 0)
        .map(|point| point.bucket_counts)
        .collect();
    // 0 ms; twice 7 ms; 2 s; 90 s, which is above the last bound.
    assert_eq!(counts, [[1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 1, 0, 0, 1]]);
}
