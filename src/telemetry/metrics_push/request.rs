//! The registry's metrics as an OTLP message.
//!
//! Names, label values and numbers are those of `/metrics`. Metrics have no unit: a collector that
//! writes to Prometheus would append one to the name.

use crate::telemetry::version::VERSION;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AttributeValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as PointValue;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prometheus::proto::{LabelPair, Metric as Series, MetricFamily, MetricType};
use std::time::Duration;

/// The time that the numbers of one message are about. Both ends are durations since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeWindow {
    /// When the counters began at 0.
    pub start: Duration,
    /// When the metrics were read. Not before `start`, even if the system's clock was set back.
    pub end: Duration,
}

/// Builds the message of one push, by this `replica`.
pub(super) fn build_request(
    families: &[MetricFamily],
    replica: &str,
    window: TimeWindow,
) -> ExportMetricsServiceRequest {
    let name = env!("CARGO_PKG_NAME");
    let resource = Resource {
        attributes: vec![
            attribute("service.name", name),
            attribute("service.version", VERSION),
            attribute("service.instance.id", replica),
        ],
        ..Resource::default()
    };
    let scope = InstrumentationScope {
        name: name.to_owned(),
        version: VERSION.to_owned(),
        ..InstrumentationScope::default()
    };
    let scope_metrics = ScopeMetrics {
        scope: Some(scope),
        metrics: families
            .iter()
            .filter_map(|family| metric(family, window))
            .collect(),
        ..ScopeMetrics::default()
    };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource),
            scope_metrics: vec![scope_metrics],
            ..ResourceMetrics::default()
        }],
    }
}

/// Converts a family. Returns `None` for a type that this server does not have (summary, untyped).
fn metric(family: &MetricFamily, window: TimeWindow) -> Option<Metric> {
    let series = family.get_metric().iter();
    let cumulative = AggregationTemporality::Cumulative.into();
    let data = match family.get_field_type() {
        MetricType::COUNTER => Data::Sum(Sum {
            data_points: series
                .map(|series| number(series, series.get_counter().get_value(), window, true))
                .collect(),
            aggregation_temporality: cumulative,
            is_monotonic: true,
        }),
        MetricType::GAUGE => Data::Gauge(Gauge {
            data_points: series
                .map(|series| number(series, series.get_gauge().get_value(), window, false))
                .collect(),
        }),
        MetricType::HISTOGRAM => Data::Histogram(Histogram {
            data_points: series.map(|series| histogram(series, window)).collect(),
            aggregation_temporality: cumulative,
        }),
        MetricType::SUMMARY | MetricType::UNTYPED => return None,
    };
    Some(Metric {
        name: family.name().to_owned(),
        description: family.help().to_owned(),
        data: Some(data),
        ..Metric::default()
    })
}

/// A gauge has no start: its value is of one moment.
fn number(series: &Series, value: f64, window: TimeWindow, has_start: bool) -> NumberDataPoint {
    let start = if has_start { nanos(window.start) } else { 0 };
    NumberDataPoint {
        attributes: attributes(series.get_label()),
        start_time_unix_nano: start,
        time_unix_nano: nanos(window.end),
        value: Some(PointValue::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

/// The buckets of Prometheus count all values up to their bound. Those of OTLP count only the values
/// above the bound before, and there is one more, for the values above the last bound.
fn histogram(series: &Series, window: TimeWindow) -> HistogramDataPoint {
    let histogram = series.get_histogram();
    let (mut explicit_bounds, mut bucket_counts) = (Vec::new(), Vec::new());
    let mut below = 0;
    for bucket in histogram.get_bucket() {
        explicit_bounds.push(bucket.upper_bound());
        bucket_counts.push(bucket.cumulative_count().saturating_sub(below));
        below = bucket.cumulative_count();
    }
    bucket_counts.push(histogram.get_sample_count().saturating_sub(below));
    HistogramDataPoint {
        attributes: attributes(series.get_label()),
        start_time_unix_nano: nanos(window.start),
        time_unix_nano: nanos(window.end),
        count: histogram.get_sample_count(),
        sum: Some(histogram.get_sample_sum()),
        bucket_counts,
        explicit_bounds,
        ..HistogramDataPoint::default()
    }
}

fn attributes(labels: &[LabelPair]) -> Vec<KeyValue> {
    let pairs = labels.iter();
    pairs
        .map(|label| attribute(label.name(), label.value()))
        .collect()
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(AttributeValue::StringValue(value.to_owned())),
        }),
        ..KeyValue::default()
    }
}

/// Nanoseconds since 1970, which end in the year 2554.
fn nanos(since_epoch: Duration) -> u64 {
    u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
