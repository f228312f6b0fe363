//! The settings of the push of metrics.

use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// The metrics collector and the interval.
#[derive(Debug, Clone)]
pub struct MetricsPushConfig {
    /// URL of the collector, for OTLP over HTTP.
    pub endpoint: Url,
    /// Time from the start of one push to the start of the next.
    pub interval: Duration,
    /// PEM file of certificate authorities to trust beside the platform's.
    pub ca_file: Option<PathBuf>,
}
