//! A circuit breaker: while a token verifier does not answer, token checks fail at once.
//!
//! While the breaker is open, it lets one check through after each wait. That check's outcome
//! closes the breaker, or opens it for a wait twice as long, up to [`MAX_WAIT`]. No crate is used,
//! since time is an argument here.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Consecutive failures that open the breaker. A single failure may be a connection that was just
/// closed.
const FAILURE_THRESHOLD: u32 = 5;

/// The first wait: the least that a small homeserver needs to restart.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest wait: how much later than the homeserver sign-ins may recover.
const MAX_WAIT: Duration = Duration::from_secs(15);

/// A circuit breaker around one token verifier.
#[derive(Debug, Default)]
pub(super) struct CircuitBreaker(Mutex<BreakerState>);

#[derive(Debug, Default)]
struct BreakerState {
    failures: u32,
    /// When the next check may be sent. `None` while the breaker is closed.
    retry_at: Option<Duration>,
    wait: Duration,
    /// How often the breaker has opened.
    generation: u64,
}

/// Permission to send one check. Its outcome is to be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BreakerPermit {
    /// The breaker's generation when the permit was given.
    generation: u64,
}

/// A change of the breaker's state, to be logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transition {
    /// From now on checks are rejected.
    Opened,
    /// From now on checks are sent again.
    Closed,
}

impl CircuitBreaker {
    /// Returns a permit to send a check.
    ///
    /// # Errors
    /// The time until the next attempt, if the breaker is open.
    pub(super) fn try_acquire(&self, now: Duration) -> Result<BreakerPermit, Duration> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.retry_at {
            Some(retry_at) if now < retry_at => return Err(retry_at.saturating_sub(now)),
            // This check probes the verifier. If its outcome is never recorded, the next probe may
            // run after the same wait.
            Some(_) => state.retry_at = Some(now + state.wait),
            None => {}
        }
        Ok(BreakerPermit {
            generation: state.generation,
        })
    }

    /// Records the outcome of a check. Returns the transition that it caused, if any.
    pub(super) fn record(
        &self,
        permit: BreakerPermit,
        success: bool,
        now: Duration,
    ) -> Option<Transition> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if success {
            let was_open = state.retry_at.is_some();
            *state = BreakerState {
                generation: state.generation,
                ..BreakerState::default()
            };
            return was_open.then_some(Transition::Closed);
        }
        // The check was in flight when the breaker opened, with others. Together they are one
        // failure, and must not double the wait once each.
        if permit.generation != state.generation {
            return None;
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures < FAILURE_THRESHOLD {
            return None;
        }
        let was_open = state.retry_at.is_some();
        state.wait = (state.wait * 2).clamp(FIRST_WAIT, MAX_WAIT);
        state.retry_at = Some(now + state.wait);
        state.generation += 1;
        (!was_open).then_some(Transition::Opened)
    }

    /// Calls `with` with whether the breaker is open, under the breaker's lock. If several tasks
    /// publish the state at the same time, the last one publishes the current state.
    pub(super) fn inspect<T>(&self, with: impl FnOnce(bool) -> T) -> T {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        with(state.retry_at.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::{CircuitBreaker, FAILURE_THRESHOLD, FIRST_WAIT, MAX_WAIT, Transition};
    use std::time::Duration;

    const MOMENT: Duration = Duration::from_millis(1);

    /// Sends a check that fails.
    #[track_caller]
    fn fail(breaker: &CircuitBreaker, now: Duration) -> Option<Transition> {
        let permit = breaker.try_acquire(now).expect("a permit");
        breaker.record(permit, false, now)
    }

    /// Fails until the breaker opens.
    fn open(breaker: &CircuitBreaker, now: Duration) {
        for _ in 1..FAILURE_THRESHOLD {
            assert_eq!(fail(breaker, now), None);
        }
        assert_eq!(fail(breaker, now), Some(Transition::Opened));
    }

    #[test]
    fn failures_in_a_row_open_and_one_success_closes() {
        let breaker = CircuitBreaker::default();
        let mut now = Duration::from_secs(5);
        for _ in 1..FAILURE_THRESHOLD {
            fail(&breaker, now);
        }
        let permit = breaker.try_acquire(now).expect("a permit");
        assert_eq!(breaker.record(permit, true, now), None);
        assert!(!breaker.inspect(|is_open| is_open));
        open(&breaker, now);
        assert_eq!(breaker.try_acquire(now), Err(FIRST_WAIT));
        now += FIRST_WAIT;
        let permit = breaker.try_acquire(now).expect("a probe");
        assert_eq!(
            breaker.try_acquire(now),
            Err(FIRST_WAIT),
            "one probe at a time"
        );
        assert!(breaker.inspect(|is_open| is_open));
        assert_eq!(breaker.record(permit, true, now), Some(Transition::Closed));
        assert!(!breaker.inspect(|is_open| is_open));
        open(&breaker, now);
        assert_eq!(
            breaker.try_acquire(now),
            Err(FIRST_WAIT),
            "the first wait again"
        );
    }

    #[test]
    fn waits_double_up_to_a_bound_and_a_lost_probe_is_replaced() {
        let breaker = CircuitBreaker::default();
        let mut now = Duration::ZERO;
        open(&breaker, now);
        let mut expected = FIRST_WAIT;
        for _ in 0..8 {
            assert_eq!(breaker.try_acquire(now), Err(expected));
            now += expected;
            assert_eq!(fail(&breaker, now), None, "it stays open");
            expected = (expected * 2).min(MAX_WAIT);
        }
        assert_eq!(breaker.try_acquire(now), Err(MAX_WAIT));
        now += MAX_WAIT;
        breaker.try_acquire(now).expect("a probe without outcome");
        let before = (now + MAX_WAIT).saturating_sub(MOMENT);
        assert_eq!(breaker.try_acquire(before), Err(MOMENT));
        assert!(breaker.try_acquire(now + MAX_WAIT).is_ok());
    }

    #[test]
    fn checks_in_flight_at_opening_do_not_prolong_the_wait() {
        let breaker = CircuitBreaker::default();
        let now = Duration::ZERO;
        let in_flight: Vec<_> = (0..64)
            .filter_map(|_| breaker.try_acquire(now).ok())
            .collect();
        assert_eq!(in_flight.len(), 64);
        for permit in &in_flight {
            breaker.record(*permit, false, now);
        }
        assert_eq!(breaker.try_acquire(now), Err(FIRST_WAIT));
        // A check that fails only after the next probe was sent does not prolong it either.
        let probe = breaker.try_acquire(now + FIRST_WAIT).expect("a probe");
        assert_eq!(breaker.record(in_flight[0], false, now + FIRST_WAIT), None);
        assert_eq!(breaker.record(probe, false, now + FIRST_WAIT), None);
        assert_eq!(breaker.try_acquire(now + FIRST_WAIT), Err(FIRST_WAIT * 2));
        // A late success still closes the breaker.
        let late = breaker.record(in_flight[0], true, now + FIRST_WAIT);
        assert_eq!(late, Some(Transition::Closed));
    }
}
