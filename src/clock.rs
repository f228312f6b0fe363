//! Time, and the only caller of `now()`.
//!
//! For whoever measures or expires: the system's monotonic clock, or one that a test moves by hand. Of
//! the time of day the embedded store may ask, since what clients see of that comes from a store, and whoever reads
//! when an access token ends (`exp`, RFC 7662).

pub mod lazy_timeout;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// A monotonic clock: readings are durations since it was made. Clones read alike.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System { origin: Instant },
    Manual { nanos: Arc<AtomicU64> },
}

/// Moves the [`Clock`] that was made with it.
#[derive(Debug)]
pub struct ManualClock {
    nanos: Arc<AtomicU64>,
}

impl Clock {
    /// The system's monotonic clock. In a test whose runtime has paused time, that time.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one home of now()")]
    pub fn system() -> Self {
        Self(Source::System {
            origin: Instant::now(),
        })
    }

    /// A clock that stands still until its [`ManualClock`] moves it.
    #[must_use]
    pub fn manual() -> (Self, ManualClock) {
        let nanos = Arc::new(AtomicU64::new(0));
        (
            Self(Source::Manual {
                nanos: Arc::clone(&nanos),
            }),
            ManualClock { nanos },
        )
    }

    /// Time since the clock was made.
    #[must_use]
    pub fn now(&self) -> Duration {
        match &self.0 {
            Source::System { origin } => origin.elapsed(),
            Source::Manual { nanos } => Duration::from_nanos(nanos.load(Ordering::SeqCst)),
        }
    }

    /// The time of day. By a manual clock the world began with it.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one home of now()")]
    pub fn time_of_day(&self) -> SystemTime {
        match &self.0 {
            Source::System { .. } => SystemTime::now(),
            Source::Manual { .. } => SystemTime::UNIX_EPOCH + self.now(),
        }
    }
}

impl ManualClock {
    /// Moves the clock forward.
    ///
    /// # Panics
    /// Past 584 years in all.
    pub fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).expect("less than 584 years");
        self.nanos.fetch_add(nanos, Ordering::SeqCst);
    }
}
