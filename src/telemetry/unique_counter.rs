//! How many are there of them? Counted without remembering whom, in 16 KiB, by a bit each (linear counting: Whang,
//! Vander-Zanden and Taylor, 1990).
//!
//! Right within some percent up to a hundred thousand, and no higher than about 700,000. Whoever comes just as a minute
//! turns may be missed.

use std::array;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const WORDS: usize = 1024;
const BITS: u64 = WORDS as u64 * 64;

const MINUTE: u64 = 60;

/// Those of this minute and of the last.
#[derive(Debug)]
pub struct UniqueCounter {
    /// Keyed by this process: nobody can choose addresses that share a bit.
    hasher: RandomState,
    minute: AtomicU64,
    seen: [Box<[AtomicU64]>; 2],
}

impl Default for UniqueCounter {
    fn default() -> Self {
        let empty = || (0..WORDS).map(|_| AtomicU64::new(0)).collect();
        Self {
            hasher: RandomState::new(),
            minute: AtomicU64::new(0),
            seen: array::from_fn(|_| empty()),
        }
    }
}

impl UniqueCounter {
    /// One of them was seen at that time.
    pub fn see(&self, one: impl Hash, now: Duration) {
        let minute = self.turn(now);
        let bit = self.hasher.hash_one(one) % BITS;
        // Fits: there are 1024 words.
        let word = &self.of(minute)[(bit / 64) as usize];
        let mask = 1 << (bit % 64);
        // One who comes again and again writes nothing.
        if word.load(Ordering::Relaxed) & mask == 0 {
            word.fetch_or(mask, Ordering::Relaxed);
        }
    }

    /// How many were seen in this minute or in the last, whichever had more; about.
    #[must_use]
    pub fn in_a_minute(&self, now: Duration) -> u64 {
        self.turn(now);
        let in_one = |seen: &[AtomicU64]| {
            let ones = |word: &AtomicU64| u64::from(word.load(Ordering::Relaxed).count_ones());
            estimate(seen.iter().map(ones).sum())
        };
        self.seen.iter().map(|seen| in_one(seen)).max().unwrap_or(0)
    }

    fn of(&self, minute: u64) -> &[AtomicU64] {
        &self.seen[usize::from(!minute.is_multiple_of(2))]
    }

    /// The minute that it is now; the first who comes in it forgets those before the last.
    fn turn(&self, now: Duration) -> u64 {
        let minute = now.as_secs() / MINUTE;
        // Never back: a thread that was held up must not have this minute forgotten.
        let before = self.minute.fetch_max(minute, Ordering::Relaxed);
        if before < minute {
            self.forget(minute);
            if before + 1 != minute {
                self.forget(minute.wrapping_sub(1));
            }
        }
        minute.max(before)
    }

    fn forget(&self, minute: u64) {
        for word in self.of(minute) {
            word.store(0, Ordering::Relaxed);
        }
    }
}

/// Of how many so many different bits are the trace.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate, between 0 and a million"
)]
fn estimate(ones: u64) -> u64 {
    let bits = BITS as f64;
    // Where all are set there may be any number; this is the last that can be told.
    let zeros = (BITS - ones.min(BITS - 1)) as f64;
    (-bits * (zeros / bits).ln()).round() as u64
}

#[cfg(test)]
mod tests {
    use super::UniqueCounter;
    use std::time::Duration;

    const MINUTE: Duration = Duration::from_mins(1);

    fn see(distinct: &UniqueCounter, count: u32, now: Duration) {
        for _ in 0..3 {
            for one in 0..count {
                distinct.see(one, now);
            }
        }
    }

    #[test]
    fn each_is_counted_once_and_in_its_minute() {
        let distinct = UniqueCounter::default();
        let now = MINUTE * 7;
        assert_eq!(distinct.in_a_minute(now), 0);
        see(&distinct, 3, now);
        assert_eq!(distinct.in_a_minute(now), 3);
        see(&distinct, 1, now + MINUTE);
        assert_eq!(distinct.in_a_minute(now + MINUTE), 3);
        assert_eq!(distinct.in_a_minute(now + MINUTE * 2), 1);
        assert_eq!(distinct.in_a_minute(now + MINUTE * 3), 0);
        see(&distinct, 5, now + MINUTE * 3);
        see(&distinct, 1, now + MINUTE * 2);
        assert_eq!(distinct.in_a_minute(now + MINUTE * 3), 5, "one came late");
        assert_eq!(distinct.in_a_minute(now + MINUTE * 9), 0, "long ago");
    }

    #[test]
    fn many_are_counted_about_right_and_too_many_end_somewhere() {
        let now = MINUTE;
        let counted = |count| {
            let distinct = UniqueCounter::default();
            see(&distinct, count, now);
            distinct.in_a_minute(now + MINUTE)
        };
        assert!((950..=1050).contains(&counted(1000)));
        assert!((95_000..=105_000).contains(&counted(100_000)));
        assert!((500_000..=727_000).contains(&counted(2_000_000)));
    }
}
