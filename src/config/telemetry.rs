//! The section `telemetry`: logs.

use crate::config::Problem;
use crate::config::de::{leaf, optional};
use crate::config::web_url::WebUrl;
use crate::telemetry::logs::{self, LogFormat};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::str::FromStr;
use url::Url;

/// Logs.
#[derive(Debug, Clone)]
pub struct TelemetryConfig {
    /// A filter that `logs::parse_level` has read once already.
    pub log_level: String,
    /// Text or JSON.
    pub log_format: LogFormat,
    /// Whether each request gets a line.
    pub access_log: bool,
    /// Whether the log tells which users create sessions.
    pub log_users: bool,
    /// What this process is called in its access log; `None` is the host's name.
    pub replica: Option<String>,
    /// Who is told of traces, if anyone is.
    pub traces: Option<TracesConfig>,
}

/// Traces by OpenTelemetry.
#[derive(Debug, Clone)]
pub struct TracesConfig {
    /// Where a collector takes them, by OTLP over HTTP.
    pub endpoint: Url,
    /// Of how many requests, 0 to 1, that are of no trace yet.
    pub sample: f64,
    /// Whom to believe beside the platform's authorities.
    pub ca_file: Option<PathBuf>,
}

/// The section as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTelemetry {
    #[serde(deserialize_with = "leaf")]
    log_level: String,
    #[serde(deserialize_with = "leaf")]
    log_format: RawFormat,
    #[serde(deserialize_with = "leaf")]
    access_log: bool,
    #[serde(deserialize_with = "leaf")]
    log_users: bool,
    #[serde(
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    replica: Option<String>,
    traces: RawTraces,
}

/// As it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTraces {
    #[serde(
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    endpoint: Option<WebUrl>,
    #[serde(deserialize_with = "leaf")]
    sample: f64,
    #[serde(
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    ca_file: Option<PathBuf>,
}

impl RawTraces {
    fn validate(&self) -> Result<Option<TracesConfig>, Problem> {
        if !(0.0..=1.0).contains(&self.sample) {
            let key = "telemetry.traces.sample";
            return Err(Problem::new(key, "must be between 0 and 1"));
        }
        Ok(self.endpoint.as_ref().map(|endpoint| TracesConfig {
            endpoint: endpoint.0.clone(),
            sample: self.sample,
            ca_file: self.ca_file.clone(),
        }))
    }
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(transparent)]
struct RawFormat(LogFormat);

impl FromStr for RawFormat {
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
    pub(super) fn validate(&self, problems: &mut Vec<Problem>) -> Option<TelemetryConfig> {
        if let Err(error) = logs::parse_level(&self.log_level) {
            problems.push(Problem::new("telemetry.log_level", error.to_string()));
            return None;
        }
        if self.replica.as_deref().is_some_and(|name| !is_name(name)) {
            problems.push(Problem::new(
                "telemetry.replica",
                "must be 1 to 253 of A-Z, a-z, 0-9, '.', '_' and '-', as a host name is",
            ));
            return None;
        }
        let traces = self.traces.validate();
        let traces = traces.map_err(|problem| problems.push(problem)).ok()?;
        Some(TelemetryConfig {
            traces,
            log_level: self.log_level.clone(),
            log_format: self.log_format.0,
            access_log: self.access_log,
            log_users: self.log_users,
            replica: self.replica.clone(),
        })
    }
}

/// One word: it stands in lines that are told apart by their spaces.
fn is_name(text: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=253).contains(&text.len()) && text.bytes().all(is_good)
}
