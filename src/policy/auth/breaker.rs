//! A circuit breaker: while nobody answers, asking is refused at once.
//!
//! The waits double up to [`LONGEST`]; after each, one question is let through, and its answer decides. Ours and
//! not a crate's, since time comes in as an argument here.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Failures in a row that open it. One alone may be a connection that had just been closed.
const FAILURES: u32 = 5;

/// The first wait: what a restart of a small homeserver takes at least.
const FIRST: Duration = Duration::from_secs(1);

/// The longest wait: how much later than the homeserver sign-ins may come back.
const LONGEST: Duration = Duration::from_secs(15);

#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// When the next question may be asked, while it is open.
    opens: Option<Duration>,
    wait: Duration,
}

impl Breaker {
    /// Whether a question may be asked now; if not, how long it would have to wait.
    pub(super) fn pass(&self, now: Duration) -> Result<(), Duration> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.opens {
            Some(opens) if now < opens => Err(opens.saturating_sub(now)),
            Some(_) => {
                // This one tries; should it never tell, the next may after the same wait.
                state.opens = Some(now + state.wait);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// How a question that was let through ended.
    pub(super) fn tell(&self, answered: bool, now: Duration) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answered {
            *state = State::default();
            return;
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            state.wait = (state.wait * 2).clamp(FIRST, LONGEST);
            state.opens = Some(now + state.wait);
        }
    }

    /// Whether questions are refused.
    pub(super) fn is_open(&self) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.opens.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::{Breaker, FAILURES, FIRST, LONGEST};
    use std::time::Duration;

    const MOMENT: Duration = Duration::from_millis(1);

    #[test]
    fn it_opens_after_failures_in_a_row_and_one_success_closes_it() {
        let breaker = Breaker::default();
        let mut now = Duration::from_secs(5);
        for _ in 1..FAILURES {
            breaker.tell(false, now);
        }
        breaker.tell(true, now);
        for _ in 1..FAILURES {
            breaker.tell(false, now);
            assert_eq!(breaker.pass(now), Ok(()));
        }
        breaker.tell(false, now);
        assert!(breaker.is_open());
        assert_eq!(breaker.pass(now), Err(FIRST));
        now += FIRST;
        assert_eq!(breaker.pass(now), Ok(()), "one tries");
        assert_eq!(breaker.pass(now), Err(FIRST), "and no other meanwhile");
        breaker.tell(true, now);
        assert!(!breaker.is_open());
        assert_eq!(breaker.pass(now), Ok(()));
    }

    #[test]
    fn its_waits_double_up_to_a_bound_and_a_question_that_never_ends_does_not_close_it_for_ever() {
        let breaker = Breaker::default();
        let mut now = Duration::ZERO;
        for _ in 1..FAILURES {
            breaker.tell(false, now);
        }
        let mut expected = FIRST;
        for _ in 0..8 {
            breaker.tell(false, now);
            assert_eq!(breaker.pass(now), Err(expected));
            now += expected;
            assert_eq!(breaker.pass(now), Ok(()), "after {expected:?}");
            expected = (expected * 2).min(LONGEST);
        }
        assert_eq!(breaker.pass(now), Err(LONGEST));
        assert_eq!(
            breaker.pass(now + LONGEST.saturating_sub(MOMENT)),
            Err(MOMENT)
        );
        assert_eq!(breaker.pass(now + LONGEST), Ok(()));
    }
}
