//! A line of the log that must not become a flood of lines.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Lets one through in each turn of so long.
#[derive(Debug)]
pub struct LogThrottle {
    seconds: u64,
    /// The last turn that had one, plus one: 0 is none yet.
    told: AtomicU64,
}

impl LogThrottle {
    /// Turns of this length, in whole seconds.
    #[must_use]
    pub const fn each(length: Duration) -> Self {
        Self {
            seconds: length.as_secs(),
            told: AtomicU64::new(0),
        }
    }

    /// Whether the turn that it is `now` has had none yet; it has now.
    pub fn is_due(&self, now: Duration) -> bool {
        let turn = now.as_secs() / self.seconds + 1;
        // In a flood nearly all only look.
        self.told.load(Ordering::Relaxed) != turn && self.told.swap(turn, Ordering::Relaxed) != turn
    }
}
