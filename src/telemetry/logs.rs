//! The log: its filter, its format and its output to standard error.

use crate::telemetry::printable::PrintableWriter;
use crate::telemetry::traces;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fmt, io};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{LevelFilter, ParseError};
use tracing_subscriber::{EnvFilter, reload};

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line of text.
    Text,
    /// One JSON object a line.
    Json,
}

/// Parses a filter as in `telemetry.log_level`: `info`, or `info,fred=debug`.
///
/// A word without `=` must be a level. `EnvFilter` takes any other word for a target, so that
/// `warning` would be a filter that lets nothing pass, not even errors.
///
/// # Errors
/// [`LevelError::NotALevel`] for a word without `=` that is not a level, [`LevelError::NoDefault`]
/// if only targets have a level, [`LevelError::Filter`] if `EnvFilter` cannot parse the text.
pub fn parse_level(text: &str) -> Result<EnvFilter, LevelError> {
    let words = text.split(',').map(str::trim);
    let levels: Vec<_> = words.clone().filter(|word| !word.contains('=')).collect();
    if let Some(word) = levels.iter().find(|word| !is_level(word)) {
        return Err(LevelError::NotALevel((*word).to_owned()));
    }
    if levels.is_empty() {
        return Err(LevelError::NoDefault);
    }
    let mut filter = EnvFilter::builder().parse(text)?;
    for library in SILENT_LIBRARIES {
        if !words.clone().any(|word| word.starts_with(library)) {
            filter = filter.add_directive(format!("{library}=off").parse()?);
        }
    }
    Ok(filter)
}

/// Libraries that log only if the filter names them. h2 and hyper log what a peer did wrong, a line each
/// time and without a bound, at "debug" with paths, which may contain the id of a session. The library of
/// the traces logs each lost batch, of which `traces` logs one a minute.
const SILENT_LIBRARIES: [&str; 3] = ["h2", "hyper", traces::LIBRARY];

/// Whether `word` is a level. The empty word is not, although `LevelFilter` accepts it.
fn is_level(word: &str) -> bool {
    !word.is_empty() && word.parse::<LevelFilter>().is_ok()
}

/// The error of a text that is not a log filter.
#[derive(Debug, thiserror::Error)]
pub enum LevelError {
    /// A word without `=` is not a level.
    #[error("{0:?} is not a level: expected off, error, warn, info, debug or trace")]
    NotALevel(String),
    /// Only targets have a level.
    #[error("must contain a level for all other targets, like \"info\" in \"info,fred=debug\"")]
    NoDefault,
    /// `EnvFilter` cannot parse the text.
    #[error(transparent)]
    Filter(#[from] ParseError),
}

/// Logs every panic with its location and its thread. The panic's message is left out, since it may
/// quote a payload.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string);
        let thread = std::thread::current();
        tracing::error!(at, thread = thread.name(), "a panic");
    }));
}

/// The error of a second subscriber.
type InitError = Box<dyn std::error::Error + Send + Sync>;

/// Size of the log queue, in lines of about 300 bytes: 3 MB. If standard error is not read, further
/// lines are dropped instead of blocking requests.
const LOG_QUEUE: usize = 10_000;

/// The log of this process.
pub struct Log {
    level: Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>,
    dropped: ErrorCounter,
    /// How many of the dropped lines [`Log::take_dropped`] has returned.
    reported: AtomicU64,
    /// Writes the remaining lines when dropped.
    _writer: WorkerGuard,
}

impl Log {
    /// Replaces the filter.
    ///
    /// # Errors
    /// [`reload::Error`] if the subscriber is gone.
    pub fn set_level(&self, level: EnvFilter) -> Result<(), reload::Error> {
        (self.level)(level)
    }

    /// Returns the number of lines dropped since the last call. Concurrent calls never return the
    /// same line twice.
    #[must_use]
    pub fn take_dropped(&self) -> u64 {
        let dropped = self.dropped.dropped_lines() as u64;
        dropped.saturating_sub(self.reported.fetch_max(dropped, Ordering::Relaxed))
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Log").finish_non_exhaustive()
    }
}

/// Sends all further log lines to standard error, from a thread of their own. Each event is one line
/// of printable text, whatever its fields contain.
///
/// # Errors
/// If a subscriber was set before.
pub fn init(level: EnvFilter, format: LogFormat) -> Result<Log, InitError> {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(LOG_QUEUE)
        .lossy(true)
        .finish(io::stderr());
    let dropped = writer.error_counter();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(level)
        .with_writer(PrintableWriter(writer));
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
    log_panics();
    Ok(Log {
        level,
        dropped,
        reported: AtomicU64::new(0),
        _writer: guard,
    })
}

#[cfg(test)]
mod tests {
    use super::{LogFormat, SILENT_LIBRARIES, init, parse_level};
    use std::process::Command;

    #[test]
    fn libraries_that_log_per_peer_log_only_if_named() {
        let filter = |text: &str| parse_level(text).expect("a filter").to_string();
        for library in SILENT_LIBRARIES {
            let silent = format!("{library}=off");
            assert!(filter("debug").contains(&silent), "{}", filter("debug"));
            assert!(!filter(&format!("info,{library}=warn")).contains(&silent));
        }
    }

    #[test]
    #[ignore = "panics; the test below runs it in a process of its own"]
    fn panics() {
        let level = parse_level("info").expect("a filter");
        let _log = init(level, LogFormat::Json).expect("the first in this process");
        panic!("what a person wrote");
    }

    #[test]
    fn a_panic_is_logged_without_its_message() {
        let executable = std::env::current_exe().expect("this test");
        let arguments = [
            "--ignored",
            "--exact",
            "telemetry::logs::tests::panics",
            "--nocapture",
        ];
        let result = Command::new(executable)
            .args(arguments)
            .output()
            .expect("it starts");
        let output =
            String::from_utf8_lossy(&result.stderr) + String::from_utf8_lossy(&result.stdout);
        assert!(
            output.contains("a panic") && output.contains("src/telemetry/logs.rs:"),
            "{output}"
        );
        assert!(!output.contains("what a person wrote"), "{output}");
    }
}
