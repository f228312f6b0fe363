//! A throttle for a log line, so that a frequent event does not flood the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Lets one line pass in each interval.
#[derive(Debug)]
pub struct LogThrottle {
    seconds: u64,
    /// Number of the last interval in which a line passed, plus one. 0 if none passed yet.
    last_interval: AtomicU64,
}

impl LogThrottle {
    /// Creates a throttle with this interval, in whole seconds.
    #[must_use]
    pub const fn every(interval: Duration) -> Self {
        Self {
            seconds: interval.as_secs(),
            last_interval: AtomicU64::new(0),
        }
    }

    /// Returns `true` for the first call in each interval. `now` is the reading of a clock.
    pub fn try_acquire(&self, now: Duration) -> bool {
        let interval = now.as_secs() / self.seconds + 1;
        // In a flood nearly every call only loads.
        self.last_interval.load(Ordering::Relaxed) != interval
            && self.last_interval.swap(interval, Ordering::Relaxed) != interval
    }
}

#[cfg(test)]
mod tests {
    use super::LogThrottle;
    use std::time::Duration;

    #[test]
    fn one_line_passes_in_each_interval() {
        let throttle = LogThrottle::every(Duration::from_mins(1));
        let passed = |seconds| throttle.try_acquire(Duration::from_secs(seconds));
        // The first line passes at the start of the clock too.
        assert_eq!([0, 0, 1, 59].map(passed), [true, false, false, false]);
        assert_eq!([60, 61, 119].map(passed), [true, false, false]);
        assert_eq!([600, 601].map(passed), [true, false]);
    }
}
