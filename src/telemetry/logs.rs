//! Where log lines go and how they look.

use serde::{Deserialize, Serialize};
use std::{fmt, io};
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::{EnvFilter, reload};

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

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Changes the level of the log while it runs.
pub struct Level(Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>);

impl Level {
    /// From now on this one.
    ///
    /// # Errors
    /// Where the subscriber is gone.
    pub fn set(&self, level: EnvFilter) -> Result<(), reload::Error> {
        (self.0)(level)
    }
}

impl fmt::Debug for Level {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Level")
    }
}

/// Sends the process's log lines to standard error, from here on.
///
/// # Errors
/// Where a subscriber was set before.
pub fn init(level: EnvFilter, format: LogFormat) -> Result<Level, Failure> {
    let lines = tracing_subscriber::fmt()
        .with_env_filter(level)
        .with_writer(io::stderr);
    match format {
        LogFormat::Text => {
            let lines = lines.with_ansi(false).with_filter_reloading();
            let handle = lines.reload_handle();
            lines.try_init()?;
            Ok(Level(Box::new(move |level| handle.reload(level))))
        }
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_filter_reloading();
            let handle = lines.reload_handle();
            lines.try_init()?;
            Ok(Level(Box::new(move |level| handle.reload(level))))
        }
    }
}
