//! Estimates the number of distinct items without storing them (linear counting: Whang,
//! Vander-Zanden and Taylor, 1990).
//!
//! Each item sets one bit of 64 Ki, in 8 KiB for each of two minutes. The error is some percent up
//! to 100,000 items, and the estimate ends at about 700,000. An item that is inserted while the
//! minute changes may be missed.

use std::array;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const WORDS: usize = 1024;
const BITS: u64 = WORDS as u64 * 64;

/// Length of a window in seconds.
const WINDOW: u64 = 60;

/// Counts the distinct items of the current and of the previous minute.
#[derive(Debug)]
pub struct UniqueCounter {
    /// Keyed by a random key of this process, so that a client cannot choose addresses that share a
    /// bit.
    hasher: RandomState,
    /// Number of the current window.
    window: AtomicU64,
    /// The bits of even and of odd windows.
    bits: [Box<[AtomicU64]>; 2],
}

impl Default for UniqueCounter {
    fn default() -> Self {
        let empty = || (0..WORDS).map(|_| AtomicU64::new(0)).collect();
        Self {
            hasher: RandomState::new(),
            window: AtomicU64::new(0),
            bits: array::from_fn(|_| empty()),
        }
    }
}

impl UniqueCounter {
    /// Counts an item in the window of `now`, the reading of a clock.
    pub fn insert(&self, item: impl Hash, now: Duration) {
        let window = self.roll_window(now);
        let bit = self.hasher.hash_one(item) % BITS;
        // The cast cannot truncate: there are 1024 words.
        let word = &self.window_bits(window)[(bit / 64) as usize];
        let mask = 1 << (bit % 64);
        // A repeated item writes nothing.
        if word.load(Ordering::Relaxed) & mask == 0 {
            word.fetch_or(mask, Ordering::Relaxed);
        }
    }

    /// Estimates the number of distinct items of the current or of the previous window, whichever
    /// is higher.
    #[must_use]
    pub fn estimate(&self, now: Duration) -> u64 {
        self.roll_window(now);
        let count = |words: &[AtomicU64]| {
            let ones = |word: &AtomicU64| u64::from(word.load(Ordering::Relaxed).count_ones());
            distinct_items(words.iter().map(ones).sum())
        };
        let counts = self.bits.iter().map(|words| count(words));
        counts.max().unwrap_or(0)
    }

    fn window_bits(&self, window: u64) -> &[AtomicU64] {
        &self.bits[usize::from(!window.is_multiple_of(2))]
    }

    /// Returns the number of the current window. The first call in a window clears its bits, and
    /// those of the previous window if that had no call.
    fn roll_window(&self, now: Duration) -> u64 {
        let window = now.as_secs() / WINDOW;
        // The maximum, so that a delayed thread with an older reading cannot clear the current
        // window.
        let before = self.window.fetch_max(window, Ordering::Relaxed);
        if before < window {
            self.clear(window);
            if before + 1 != window {
                self.clear(window.wrapping_sub(1));
            }
        }
        window.max(before)
    }

    fn clear(&self, window: u64) {
        for word in self.window_bits(window) {
            word.store(0, Ordering::Relaxed);
        }
    }
}

/// Estimates how many distinct items set `ones` bits (linear counting).
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate between 0 and a million"
)]
fn distinct_items(ones: u64) -> u64 {
    let bits = BITS as f64;
    // If all bits are set, the number of items is unbounded: return the largest estimate.
    let zeros = (BITS - ones.min(BITS - 1)) as f64;
    (-bits * (zeros / bits).ln()).round() as u64
}

#[cfg(test)]
mod tests {
    use super::UniqueCounter;
    use std::time::Duration;

    const MINUTE: Duration = Duration::from_mins(1);

    fn insert_each_three_times(counter: &UniqueCounter, items: u32, now: Duration) {
        for _ in 0..3 {
            for item in 0..items {
                counter.insert(item, now);
            }
        }
    }

    #[test]
    fn item_is_counted_once_and_in_its_minute() {
        let counter = UniqueCounter::default();
        let now = MINUTE * 7;
        assert_eq!(counter.estimate(now), 0);
        insert_each_three_times(&counter, 3, now);
        assert_eq!(counter.estimate(now), 3);
        insert_each_three_times(&counter, 1, now + MINUTE);
        assert_eq!(counter.estimate(now + MINUTE), 3);
        assert_eq!(counter.estimate(now + MINUTE * 2), 1);
        assert_eq!(counter.estimate(now + MINUTE * 3), 0);
        insert_each_three_times(&counter, 5, now + MINUTE * 3);
        insert_each_three_times(&counter, 1, now + MINUTE * 2);
        assert_eq!(counter.estimate(now + MINUTE * 3), 5, "one was late");
        assert_eq!(counter.estimate(now + MINUTE * 9), 0, "all are too old");
    }

    #[test]
    fn estimate_is_close_and_bounded() {
        let now = MINUTE;
        let estimate = |items| {
            let counter = UniqueCounter::default();
            insert_each_three_times(&counter, items, now);
            counter.estimate(now + MINUTE)
        };
        assert!((950..=1050).contains(&estimate(1000)));
        assert!((95_000..=105_000).contains(&estimate(100_000)));
        assert!((500_000..=727_000).contains(&estimate(2_000_000)));
    }
}
