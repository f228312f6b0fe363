//! The settings of the trace exporter.

use std::path::PathBuf;
use url::Url;

/// The trace collector and the sampling rate.
#[derive(Debug, Clone)]
pub struct TracesConfig {
    /// URL of the collector, for OTLP over HTTP.
    pub endpoint: Url,
    /// Fraction, from 0 to 1, of the requests without a `traceparent` that are sampled.
    pub sample: f64,
    /// PEM file of certificate authorities to trust beside the platform's.
    pub ca_file: Option<PathBuf>,
}
