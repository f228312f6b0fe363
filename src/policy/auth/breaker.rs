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
pub(super) struct CircuitBreaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// When the next question may be asked, while it is open.
    opens: Option<Duration>,
    wait: Duration,
    /// How often it was opened.
    opened: u64,
}

/// A question that was let through, to tell how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pass {
    /// How often the breaker had been opened then.
    opened: u64,
}

/// What an operator is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Questions are refused from now on.
    Opened,
    /// They are asked again.
    Closed,
}

impl CircuitBreaker {
    /// Whether a question may be asked now; if not, how long it would have to wait.
    pub(super) fn pass(&self, now: Duration) -> Result<Pass, Duration> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.opens {
            Some(opens) if now < opens => return Err(opens.saturating_sub(now)),
            // This one tries; should it never tell, the next may after the same wait.
            Some(_) => state.opens = Some(now + state.wait),
            None => {}
        }
        Ok(Pass {
            opened: state.opened,
        })
    }

    /// How a question that was let through ended, and what that changes.
    pub(super) fn tell(&self, pass: Pass, answered: bool, now: Duration) -> Option<Turn> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answered {
            let was_open = state.opens.is_some();
            *state = State {
                opened: state.opened,
                ..State::default()
            };
            return was_open.then_some(Turn::Closed);
        }
        // Under way when it was opened, with others: together they are one failure, and must not be one doubling
        // each.
        if pass.opened != state.opened {
            return None;
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures < FAILURES {
            return None;
        }
        let was_open = state.opens.is_some();
        state.wait = (state.wait * 2).clamp(FIRST, LONGEST);
        state.opens = Some(now + state.wait);
        state.opened += 1;
        (!was_open).then_some(Turn::Opened)
    }

    /// Calls `with` with whether it is open, under its lock: of several who tell of it at once, the last tells the
    /// truth.
    pub(super) fn told<T>(&self, with: impl FnOnce(bool) -> T) -> T {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        with(state.opens.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::{CircuitBreaker, FAILURES, FIRST, LONGEST, Turn};
    use std::time::Duration;

    const MOMENT: Duration = Duration::from_millis(1);

    /// Asks, and fails.
    #[track_caller]
    fn fail(breaker: &CircuitBreaker, now: Duration) -> Option<Turn> {
        let pass = breaker.pass(now).expect("let through");
        breaker.tell(pass, false, now)
    }

    /// Fails until it opens.
    fn open(breaker: &CircuitBreaker, now: Duration) {
        for _ in 1..FAILURES {
            assert_eq!(fail(breaker, now), None);
        }
        assert_eq!(fail(breaker, now), Some(Turn::Opened));
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_one_success_closes_it() {
        let breaker = CircuitBreaker::default();
        let mut now = Duration::from_secs(5);
        for _ in 1..FAILURES {
            fail(&breaker, now);
        }
        let pass = breaker.pass(now).expect("let through");
        assert_eq!(breaker.tell(pass, true, now), None);
        assert!(!breaker.told(|is_open| is_open));
        open(&breaker, now);
        assert_eq!(breaker.pass(now), Err(FIRST));
        now += FIRST;
        let pass = breaker.pass(now).expect("one tries");
        assert_eq!(breaker.pass(now), Err(FIRST), "and no other meanwhile");
        assert!(breaker.told(|is_open| is_open));
        assert_eq!(breaker.tell(pass, true, now), Some(Turn::Closed));
        assert!(!breaker.told(|is_open| is_open));
        open(&breaker, now);
        assert_eq!(breaker.pass(now), Err(FIRST), "as the first time");
    }

    #[test]
    fn its_waits_double_up_to_a_bound_and_a_question_that_never_ends_does_not_close_it_for_ever() {
        let breaker = CircuitBreaker::default();
        let mut now = Duration::ZERO;
        open(&breaker, now);
        let mut expected = FIRST;
        for _ in 0..8 {
            assert_eq!(breaker.pass(now), Err(expected));
            now += expected;
            assert_eq!(fail(&breaker, now), None, "it stays open");
            expected = (expected * 2).min(LONGEST);
        }
        assert_eq!(breaker.pass(now), Err(LONGEST));
        now += LONGEST;
        breaker.pass(now).expect("this one never tells");
        let before = (now + LONGEST).saturating_sub(MOMENT);
        assert_eq!(breaker.pass(before), Err(MOMENT));
        assert!(breaker.pass(now + LONGEST).is_ok());
    }

    #[test]
    fn questions_that_were_under_way_when_it_opened_do_not_make_its_wait_longer() {
        let breaker = CircuitBreaker::default();
        let now = Duration::ZERO;
        let under_way: Vec<_> = (0..64).filter_map(|_| breaker.pass(now).ok()).collect();
        assert_eq!(under_way.len(), 64);
        for pass in &under_way {
            breaker.tell(*pass, false, now);
        }
        assert_eq!(breaker.pass(now), Err(FIRST));
        // Nor does one that fails only after the next had its try.
        let tries = breaker.pass(now + FIRST).expect("one tries");
        assert_eq!(breaker.tell(under_way[0], false, now + FIRST), None);
        assert_eq!(breaker.tell(tries, false, now + FIRST), None);
        assert_eq!(breaker.pass(now + FIRST), Err(FIRST * 2));
        // But an answer is an answer.
        let late = breaker.tell(under_way[0], true, now + FIRST);
        assert_eq!(late, Some(Turn::Closed));
    }
}
