//! How many requests are under way at a time: on one session, of one client, of one network.

use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU16, Ordering};

/// Counters. Keys share one by chance, by a hash whose key nobody knows: at ten thousand requests under way, six
/// counters for each, 64 never meet. Fixed, so that nobody can make it grow: 128 KiB.
const COUNTERS: usize = 1 << 16;

/// The requests under way.
pub(crate) struct InFlightLimiter {
    hasher: RandomState,
    counters: Box<[AtomicU16]>,
}

/// One request under way, until dropped.
#[derive(Debug)]
pub(crate) struct InFlightPermit<'a>(&'a AtomicU16);

impl InFlightLimiter {
    pub(crate) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            counters: (0..COUNTERS).map(|_| AtomicU16::new(0)).collect(),
        }
    }

    /// Counts a request of this key in, unless there are `most` already.
    pub(crate) fn try_acquire(&self, key: impl Hash, max: u16) -> Option<InFlightPermit<'_>> {
        #[expect(clippy::cast_possible_truncation, reason = "a remainder of COUNTERS")]
        let at = (self.hasher.hash_one(key) % COUNTERS as u64) as usize;
        let counter = &self.counters[at];
        if counter.fetch_add(1, Ordering::Relaxed) < max {
            return Some(InFlightPermit(counter));
        }
        counter.fetch_sub(1, Ordering::Relaxed);
        None
    }
}

impl Drop for InFlightPermit<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for InFlightLimiter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("InFlightLimiter").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::InFlightLimiter;
    use crate::model::SessionId;

    const MAX: u16 = 64;

    #[test]
    fn a_session_has_so_many_at_a_time_and_another_has_its_own() {
        let limiter = InFlightLimiter::new();
        let [one, other] = [(); 2].map(|()| SessionId::random());
        let mut permits: Vec<_> = (0..MAX).map(|_| limiter.try_acquire(one, MAX)).collect();
        assert!(permits.iter().all(Option::is_some));
        assert!(limiter.try_acquire(one, MAX).is_none());
        assert!(limiter.try_acquire(other, MAX).is_some());
        permits.pop();
        let last = limiter.try_acquire(one, MAX);
        assert!(last.is_some());
        assert!(
            limiter.try_acquire(one, MAX).is_none(),
            "a refusal is not counted"
        );
    }
}
