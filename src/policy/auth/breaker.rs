//! A circuit breaker: while nobody answers, asking is refused at once.
//!
//! The waits double up to [`MAX_WAIT`]; after each, one question is let through, and its answer decides. Ours and
//! not a crate's, since time comes in as an argument here.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Failures in a row that open it. One alone may be a connection that had just been closed.
const FAILURE_THRESHOLD: u32 = 5;

/// The first wait: what a restart of a small homeserver takes at least.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest wait: how much later than the homeserver sign-ins may come back.
const MAX_WAIT: Duration = Duration::from_secs(15);

#[derive(Debug, Default)]
pub(super) struct CircuitBreaker(Mutex<BreakerState>);

#[derive(Debug, Default)]
struct BreakerState {
    failures: u32,
    /// When the next question may be asked, while it is open.
    retry_at: Option<Duration>,
    wait: Duration,
    /// How often it was opened.
    generation: u64,
}

/// A question that was let through, to tell how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BreakerPermit {
    /// How often the breaker had been opened then.
    generation: u64,
}

/// What an operator is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transition {
    /// Questions are refused from now on.
    Opened,
    /// They are asked again.
    Closed,
}

impl CircuitBreaker {
    /// Whether a question may be asked now; if not, how long it would have to wait.
    pub(super) fn try_acquire(&self, now: Duration) -> Result<BreakerPermit, Duration> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.retry_at {
            Some(retry_at) if now < retry_at => return Err(retry_at.saturating_sub(now)),
            // This one tries; should it never tell, the next may after the same wait.
            Some(_) => state.retry_at = Some(now + state.wait),
            None => {}
        }
        Ok(BreakerPermit {
            generation: state.generation,
        })
    }

    /// How a question that was let through ended, and what that changes.
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
        // Under way when it was opened, with others: together they are one failure, and must not be one doubling
        // each.
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

    /// Calls `with` with whether it is open, under its lock: of several who tell of it at once, the last tells the
    /// truth.
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

    /// Asks, and fails.
    #[track_caller]
    fn fail(breaker: &CircuitBreaker, now: Duration) -> Option<Transition> {
        let permit = breaker.try_acquire(now).expect("let through");
        breaker.record(permit, false, now)
    }

    /// Fails until it retry_at.
    fn open(breaker: &CircuitBreaker, now: Duration) {
        for _ in 1..FAILURE_THRESHOLD {
            assert_eq!(fail(breaker, now), None);
        }
        assert_eq!(fail(breaker, now), Some(Transition::Opened));
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_one_success_closes_it() {
        let breaker = CircuitBreaker::default();
        let mut now = Duration::from_secs(5);
        for _ in 1..FAILURE_THRESHOLD {
            fail(&breaker, now);
        }
        let permit = breaker.try_acquire(now).expect("let through");
        assert_eq!(breaker.record(permit, true, now), None);
        assert!(!breaker.inspect(|is_open| is_open));
        open(&breaker, now);
        assert_eq!(breaker.try_acquire(now), Err(FIRST_WAIT));
        now += FIRST_WAIT;
        let permit = breaker.try_acquire(now).expect("one tries");
        assert_eq!(
            breaker.try_acquire(now),
            Err(FIRST_WAIT),
            "and no other meanwhile"
        );
        assert!(breaker.inspect(|is_open| is_open));
        assert_eq!(breaker.record(permit, true, now), Some(Transition::Closed));
        assert!(!breaker.inspect(|is_open| is_open));
        open(&breaker, now);
        assert_eq!(
            breaker.try_acquire(now),
            Err(FIRST_WAIT),
            "as the first time"
        );
    }

    #[test]
    fn its_waits_double_up_to_a_bound_and_a_question_that_never_ends_does_not_close_it_for_ever() {
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
        breaker.try_acquire(now).expect("this one never tells");
        let before = (now + MAX_WAIT).saturating_sub(MOMENT);
        assert_eq!(breaker.try_acquire(before), Err(MOMENT));
        assert!(breaker.try_acquire(now + MAX_WAIT).is_ok());
    }

    #[test]
    fn questions_that_were_under_way_when_it_opened_do_not_make_its_wait_longer() {
        let breaker = CircuitBreaker::default();
        let now = Duration::ZERO;
        let under_way: Vec<_> = (0..64)
            .filter_map(|_| breaker.try_acquire(now).ok())
            .collect();
        assert_eq!(under_way.len(), 64);
        for permit in &under_way {
            breaker.record(*permit, false, now);
        }
        assert_eq!(breaker.try_acquire(now), Err(FIRST_WAIT));
        // Nor does one that fails only after the next had its try.
        let probe = breaker.try_acquire(now + FIRST_WAIT).expect("one tries");
        assert_eq!(breaker.record(under_way[0], false, now + FIRST_WAIT), None);
        assert_eq!(breaker.record(probe, false, now + FIRST_WAIT), None);
        assert_eq!(breaker.try_acquire(now + FIRST_WAIT), Err(FIRST_WAIT * 2));
        // But an answer is an answer.
        let late = breaker.record(under_way[0], true, now + FIRST_WAIT);
        assert_eq!(late, Some(Transition::Closed));
    }
}
