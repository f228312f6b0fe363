//! Time. The only module that calls `now()`.
//!
//! A clock is the system's monotonic clock, or a manual one that a test advances. Wall-clock time
//! has two users: the in-memory store (Expires, Last-Modified) and token expiry (`exp`, RFC 7662).

pub mod lazy_timeout;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// A monotonic clock. A reading is the duration since the clock was created. Clones have the same
/// readings.
#[derive(Debug, Clone)]
pub struct Clock(ClockSource);

#[derive(Debug, Clone)]
enum ClockSource {
    System { origin: Instant },
    Manual { nanos: Arc<AtomicU64> },
}

/// Advances the [`Clock`] that was created with it.
#[derive(Debug)]
pub struct ManualClock {
    nanos: Arc<AtomicU64>,
}

impl Clock {
    /// Returns the system's monotonic clock, or the paused time of a test's runtime.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the only module that may call now()"
    )]
    pub fn system() -> Self {
        Self(ClockSource::System {
            origin: Instant::now(),
        })
    }

    /// Returns a clock that stands still until its [`ManualClock`] advances it.
    #[must_use]
    pub fn manual() -> (Self, ManualClock) {
        let nanos = Arc::new(AtomicU64::new(0));
        (
            Self(ClockSource::Manual {
                nanos: Arc::clone(&nanos),
            }),
            ManualClock { nanos },
        )
    }

    /// Returns the time since the clock was created.
    #[must_use]
    pub fn now(&self) -> Duration {
        match &self.0 {
            ClockSource::System { origin } => origin.elapsed(),
            ClockSource::Manual { nanos } => Duration::from_nanos(nanos.load(Ordering::SeqCst)),
        }
    }

    /// Returns the wall-clock time. A manual clock begins at the Unix epoch.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the only module that may call now()"
    )]
    pub fn time_of_day(&self) -> SystemTime {
        match &self.0 {
            ClockSource::System { .. } => SystemTime::now(),
            ClockSource::Manual { .. } => SystemTime::UNIX_EPOCH + self.now(),
        }
    }

    /// Returns the wall-clock time as the time since 1970, or zero if the clock is set before that.
    #[must_use]
    pub fn since_epoch(&self) -> Duration {
        let time = self.time_of_day().duration_since(SystemTime::UNIX_EPOCH);
        time.unwrap_or_default()
    }
}

impl ManualClock {
    /// Advances the clock.
    ///
    /// # Panics
    /// If the sum is above 584 years.
    pub fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).expect("less than 584 years");
        self.nanos.fetch_add(nanos, Ordering::SeqCst);
    }
}
