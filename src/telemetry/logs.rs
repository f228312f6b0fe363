//! Where log lines go and how they look.

use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fmt, io};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{LevelFilter, ParseError};
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
/// A word alone is a level. To the library any other word is a target, so that `warning` would be a filter that lets
/// nothing pass, not even errors.
///
/// # Errors
/// Where the text is no such filter, or names no level for what it does not name.
pub fn parse_level(text: &str) -> Result<EnvFilter, LevelError> {
    let mut words = text.split(',').map(str::trim);
    let alone: Vec<_> = words.clone().filter(|word| !word.contains('=')).collect();
    if let Some(word) = alone.iter().find(|word| !is_level(word)) {
        return Err(LevelError::NoLevel((*word).to_owned()));
    }
    if alone.is_empty() {
        return Err(LevelError::NoneForTheRest);
    }
    let of_h2 = words.any(|word| word.starts_with("h2"));
    let filter = EnvFilter::builder().parse(text)?;
    // At "debug" it writes paths that it could not read, and in a path there may be the id of a session.
    Ok(if of_h2 {
        filter
    } else {
        filter.add_directive("h2=info".parse()?)
    })
}

/// To the library nothing is a level, too.
fn is_level(word: &str) -> bool {
    !word.is_empty() && word.parse::<LevelFilter>().is_ok()
}

/// Why a text is no filter.
#[derive(Debug, thiserror::Error)]
pub enum LevelError {
    /// A word alone that is none.
    #[error("{0:?} is no level: off, error, warn, info, debug or trace")]
    NoLevel(String),
    /// Levels of targets alone.
    #[error("names no level for all else, as \"info\" does in \"info,fred=debug\"")]
    NoneForTheRest,
    /// Nonsense.
    #[error(transparent)]
    Nonsense(#[from] ParseError),
}

/// From here on a panic is a line of the log: where, and not what, since its text may quote a payload.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string);
        let thread = std::thread::current();
        tracing::error!(at, thread = thread.name(), "a panic");
    }));
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Lines that wait to be written. Whoever reads our standard error may stop reading; then lines are lost, and not
/// requests: some 300 bytes each, 3 MB.
const WAITING: usize = 10_000;

/// The log of this process.
pub struct Log {
    level: Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>,
    dropped: ErrorCounter,
    /// How many of those have been told of.
    told: AtomicU64,
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

    /// Lines that were lost since this was asked last, as nobody read those before them. Each is told of once, also
    /// where two ask at the same time.
    #[must_use]
    pub fn lost(&self) -> u64 {
        let dropped = self.dropped.dropped_lines() as u64;
        dropped.saturating_sub(self.told.fetch_max(dropped, Ordering::Relaxed))
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
    log_panics();
    Ok(Log {
        level,
        dropped,
        told: AtomicU64::new(0),
        _writer: guard,
    })
}

#[cfg(test)]
mod tests {
    use super::{LogFormat, init, parse_level};
    use std::process::Command;

    /// What a peer wrote may stand in h2's lines below "info", and who wants them has to say so.
    #[test]
    fn h2_is_held_at_info_unless_it_is_named() {
        let of = |text| parse_level(text).expect("a filter").to_string();
        assert!(of("debug").contains("h2=info"), "{}", of("debug"));
        assert!(!of("info,h2=debug").contains("h2=info"));
    }

    #[test]
    #[ignore = "panics, for the test below, in a process of its own"]
    fn panics() {
        let level = parse_level("info").expect("a filter");
        let _log = init(level, LogFormat::Json).expect("the first in this process");
        panic!("what a person wrote");
    }

    #[test]
    fn a_panic_is_told_without_its_text() {
        let own = std::env::current_exe().expect("this test");
        let arguments = [
            "--ignored",
            "--exact",
            "telemetry::logs::tests::panics",
            "--nocapture",
        ];
        let ran = Command::new(own)
            .args(arguments)
            .output()
            .expect("it starts");
        let told = String::from_utf8_lossy(&ran.stderr) + String::from_utf8_lossy(&ran.stdout);
        assert!(
            told.contains("a panic") && told.contains("src/telemetry/logs.rs:"),
            "{told}"
        );
        assert!(!told.contains("what a person wrote"), "{told}");
    }
}
