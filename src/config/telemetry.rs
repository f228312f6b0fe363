//! The section `telemetry`: logs, traces and the push of metrics.

use crate::config::ConfigProblem;
use crate::config::de::{HumanDuration, Scalar, scalar};
use crate::config::web_url::WebUrl;
use crate::telemetry::access_log::AccessLogScope;
use crate::telemetry::logs::{self, LogFormat};
use crate::telemetry::metrics_push::settings::MetricsPushConfig;
use crate::telemetry::traces::settings::TracesConfig;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Range of `telemetry.metrics.interval`. A push takes a call to the store, and Prometheus too scrapes at
/// most once a second; an alert needs numbers from the last hour.
const INTERVAL_RANGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(1);

/// The validated section `telemetry`.
#[derive(Debug, Clone)]
pub struct TelemetryConfig {
    /// The log filter. `logs::parse_level` accepts it.
    pub log_level: String,
    /// Text or JSON.
    pub log_format: LogFormat,
    /// Which requests are logged in one line each.
    pub access_log: AccessLogScope,
    /// Whether the ids of users who may create a session are logged.
    pub log_users: bool,
    /// Name of this process in logs and traces. If `None`, the host name.
    pub replica: Option<String>,
    /// The trace collector. If `None`, no traces are exported.
    pub traces: Option<TracesConfig>,
    /// The metrics collector. If `None`, no metrics are pushed.
    pub metrics_push: Option<MetricsPushConfig>,
}

/// The section as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTelemetry {
    #[serde(deserialize_with = "scalar")]
    log_level: String,
    #[serde(deserialize_with = "scalar")]
    log_format: RawLogFormat,
    #[serde(deserialize_with = "scalar")]
    access_log: bool,
    #[serde(deserialize_with = "scalar")]
    log_polls: bool,
    #[serde(deserialize_with = "scalar")]
    log_users: bool,
    replica: Option<Scalar<String>>,
    traces: RawTraces,
    metrics: RawMetricsPush,
}

/// The section `telemetry.traces` as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTraces {
    endpoint: Option<Scalar<WebUrl>>,
    #[serde(deserialize_with = "scalar")]
    sample: f64,
    ca_file: Option<Scalar<PathBuf>>,
}

impl RawTraces {
    fn validate(&self) -> Result<Option<TracesConfig>, ConfigProblem> {
        if !(0.0..=1.0).contains(&self.sample) {
            let key = "telemetry.traces.sample";
            return Err(ConfigProblem::new(key, "must be between 0 and 1"));
        }
        let endpoint = self.endpoint.as_ref();
        Ok(endpoint.map(|Scalar(endpoint)| TracesConfig {
            endpoint: endpoint.0.clone(),
            sample: self.sample,
            ca_file: self.ca_file.as_ref().map(|Scalar(path)| path.clone()),
        }))
    }
}

/// The section `telemetry.metrics` as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawMetricsPush {
    endpoint: Option<Scalar<WebUrl>>,
    #[serde(deserialize_with = "scalar")]
    interval: HumanDuration,
    ca_file: Option<Scalar<PathBuf>>,
}

impl RawMetricsPush {
    fn validate(&self) -> Result<Option<MetricsPushConfig>, ConfigProblem> {
        if !INTERVAL_RANGE.contains(&self.interval.0) {
            let key = "telemetry.metrics.interval";
            return Err(ConfigProblem::new(key, "must be between 1s and 1h"));
        }
        let endpoint = self.endpoint.as_ref();
        Ok(endpoint.map(|Scalar(endpoint)| MetricsPushConfig {
            endpoint: endpoint.0.clone(),
            interval: self.interval.0,
            ca_file: self.ca_file.as_ref().map(|Scalar(path)| path.clone()),
        }))
    }
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(transparent)]
struct RawLogFormat(LogFormat);

impl FromStr for RawLogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self(LogFormat::Text)),
            "json" => Ok(Self(LogFormat::Json)),
            _ => Err("expected \"text\" or \"json\""),
        }
    }
}

impl RawTelemetry {
    pub(super) fn validate(&self, problems: &mut Vec<ConfigProblem>) -> Option<TelemetryConfig> {
        if let Err(error) = logs::parse_level(&self.log_level) {
            problems.push(ConfigProblem::new("telemetry.log_level", error.to_string()));
            return None;
        }
        let replica = self.replica.as_ref().map(|Scalar(name)| name);
        if replica.is_some_and(|name| !is_replica_name(name)) {
            problems.push(ConfigProblem::new(
                "telemetry.replica",
                "must have 1 to 253 characters of A-Z, a-z, 0-9, '.', '_' and '-', as a host name has",
            ));
            return None;
        }
        let traces = self.traces.validate();
        let traces = traces.map_err(|problem| problems.push(problem)).ok()?;
        let metrics_push = self.metrics.validate();
        let metrics_push = metrics_push
            .map_err(|problem| problems.push(problem))
            .ok()?;
        Some(TelemetryConfig {
            traces,
            metrics_push,
            log_level: self.log_level.clone(),
            log_format: self.log_format.0,
            access_log: match (self.access_log, self.log_polls) {
                (false, _) => AccessLogScope::Off,
                (true, false) => AccessLogScope::PollsAtDebug,
                (true, true) => AccessLogScope::All,
            },
            log_users: self.log_users,
            replica: replica.cloned(),
        })
    }
}

/// Whether `text` is one word. Fields of a log line are separated by spaces.
fn is_replica_name(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=253).contains(&text.len()) && text.bytes().all(is_allowed)
}
