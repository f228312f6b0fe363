//! Where log lines go and how they look.

use serde::{Deserialize, Serialize};
use std::io;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line of text.
    Text,
    /// One JSON object a line.
    Json,
}

/// A filter as `telemetry.log_level` spells it: `info`, or `info,fred=debug`.
///
/// # Errors
/// Where the text is no such filter.
pub fn parse_level(text: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(text)
}

/// Sends the process's log lines to standard error, from here on.
///
/// # Errors
/// Where a subscriber was set before.
pub fn init(
    level: EnvFilter,
    format: LogFormat,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let lines = tracing_subscriber::fmt()
        .with_env_filter(level)
        .with_writer(io::stderr);
    match format {
        LogFormat::Text => lines.with_ansi(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    }
}
