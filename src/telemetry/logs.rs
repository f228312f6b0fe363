//! Where log lines go and how they look.

use serde::{Deserialize, Serialize};
use std::{fmt, io};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
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

/// Lines that wait to be written. Whoever reads our standard error may stop reading; then lines are lost, and not
/// requests: some 300 bytes each, 3 MB.
const WAITING: usize = 10_000;

/// The log of this process.
pub struct Log {
    level: Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>,
    dropped: ErrorCounter,
    /// Writes what is left when dropped.
    _writer: WorkerGuard,
}

impl Log {
    /// From now on lines of this level are written.
    ///
    /// # Errors
    /// Where the subscriber is gone.
    pub fn set_level(&self, level: EnvFilter) -> Result<(), reload::Error> {
        (self.level)(level)
    }

    /// Lines that were lost so far, since nobody read those before them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.dropped_lines() as u64
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Log").finish_non_exhaustive()
    }
}

/// Sends the process's log lines to standard error, from here on, by a thread of their own.
///
/// # Errors
/// Where a subscriber was set before.
pub fn init(level: EnvFilter, format: LogFormat) -> Result<Log, Failure> {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(WAITING)
        .lossy(true)
        .finish(io::stderr());
    let dropped = writer.error_counter();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(level)
        .with_writer(writer);
    let level: Box<dyn Fn(EnvFilter) -> _ + Send + Sync> = match format {
        LogFormat::Text => {
            let lines = lines.with_ansi(false).with_filter_reloading();
            let handle = lines.reload_handle();
            lines.try_init()?;
            Box::new(move |level| handle.reload(level))
        }
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_filter_reloading();
            let handle = lines.reload_handle();
            lines.try_init()?;
            Box::new(move |level| handle.reload(level))
        }
    };
    Ok(Log {
        level,
        dropped,
        _writer: guard,
    })
}
