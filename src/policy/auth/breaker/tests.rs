//! The transitions of the circuit breaker.

use super::{CircuitBreaker, FAILURE_THRESHOLD, FIRST_WAIT, MAX_WAIT, Transition, WINDOW};
use crate::clock::Clock;
use crate::model::ClientIp;
use crate::policy::auth::outcome::AuthError;
use futures_util::FutureExt;
use hyper::StatusCode;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

const MOMENT: Duration = Duration::from_millis(1);

fn client(number: usize) -> ClientIp {
    let number = u32::try_from(number).expect("few");
    ClientIp::from(IpAddr::from(Ipv4Addr::from(number)))
}

/// A client of `2001:db8:SITE::/48`.
fn client_of_48(site: u16, subnet: u16) -> ClientIp {
    let address = Ipv6Addr::new(0x2001, 0xdb8, site, subnet, 0, 0, 0, 1);
    ClientIp::from(IpAddr::from(address))
}

/// Whether a probe is requested. Takes the request.
fn is_probe_due(breaker: &CircuitBreaker) -> bool {
    let clock = Clock::manual().0;
    let probe_due = breaker.probe_due(&clock);
    probe_due.now_or_never().is_some()
}

/// Fails from enough networks, and then the probe fails.
fn open(breaker: &CircuitBreaker, now: Duration) {
    for number in 0..FAILURE_THRESHOLD {
        assert!(!is_probe_due(breaker));
        breaker.record_failure(client(number), now);
        assert_eq!(breaker.ensure_closed(now), Ok(()));
    }
    assert!(is_probe_due(breaker));
    assert_eq!(breaker.record_probe(false, now), Some(Transition::Opened));
}

#[test]
fn failures_of_one_network_count_once() {
    let breaker = CircuitBreaker::default();
    let now = Duration::from_secs(5);
    for subnet in 0..1000 {
        breaker.record_failure(client(1), now);
        breaker.record_failure(client_of_48(1, subnet), now);
        breaker.record_failure(client_of_48(2, subnet), now);
    }
    assert!(!is_probe_due(&breaker), "three networks");
    // A probe that nothing requested changes nothing.
    assert_eq!(breaker.record_probe(false, now), None);
    breaker.record_failure(client(2), now);
    assert!(!is_probe_due(&breaker));
    breaker.record_failure(client(3), now);
    assert!(is_probe_due(&breaker));
    for number in 0..1000 {
        breaker.record_failure(client(number), now);
    }
    assert!(!is_probe_due(&breaker), "one request of a probe");
    assert!(breaker.lock().failing.len() <= FAILURE_THRESHOLD, "bounded");
}

#[test]
fn probe_decides_and_checks_pass_until_then() {
    let breaker = CircuitBreaker::default();
    let now = Duration::from_secs(5);
    for round in 0..3 {
        for number in 0..FAILURE_THRESHOLD {
            breaker.record_failure(client(number), now);
        }
        assert!(is_probe_due(&breaker), "round {round}");
        assert_eq!(breaker.ensure_closed(now), Ok(()));
        assert_eq!(breaker.record_probe(true, now), None);
    }
    open(&breaker, now);
    assert_eq!(breaker.ensure_closed(now), Err(FIRST_WAIT));
    assert!(breaker.inspect(|is_open| is_open));
    // Checks that were in flight at the opening request no further probe.
    for number in 0..FAILURE_THRESHOLD {
        breaker.record_failure(client(number), now);
    }
    assert_eq!(breaker.record_probe(true, now), Some(Transition::Closed));
    assert_eq!(breaker.ensure_closed(now), Ok(()));
    assert!(!breaker.inspect(|is_open| is_open));
    assert!(!is_probe_due(&breaker));
}

#[test]
fn answered_check_removes_the_failures() {
    let breaker = CircuitBreaker::default();
    let now = Duration::from_secs(5);
    for number in 1..FAILURE_THRESHOLD {
        breaker.record_failure(client(number), now);
    }
    assert_eq!(breaker.record_success(), None);
    open(&breaker, now);
    // A late success closes the breaker.
    assert_eq!(breaker.record_success(), Some(Transition::Closed));
    // A check succeeds while the probe is in flight.
    for number in 0..FAILURE_THRESHOLD {
        breaker.record_failure(client(number), now);
    }
    assert!(is_probe_due(&breaker));
    assert_eq!(breaker.record_success(), None);
    assert_eq!(breaker.record_probe(false, now), None);
    assert_eq!(breaker.ensure_closed(now), Ok(()));
}

/// An invalid response may be about one made-up token, and a 429 about the rate of one client.
#[test]
fn only_an_outage_counts_as_a_failure() {
    let now = Duration::from_secs(5);
    let unavailable = AuthError::Unavailable;
    for (error, is_outage) in [
        (AuthError::Unreachable("closed".into()), true),
        (AuthError::Timeout, true),
        (unavailable(StatusCode::BAD_GATEWAY), true),
        (unavailable(StatusCode::TOO_MANY_REQUESTS), false),
        (AuthError::BadReply, false),
        (AuthError::Busy, false),
        (AuthError::CircuitOpen(FIRST_WAIT), false),
    ] {
        let breaker = CircuitBreaker::default();
        let fail_from = |numbers: std::ops::Range<usize>| {
            for number in numbers {
                let failed = breaker.record_check(Err::<(), _>(&error), client(number), now);
                assert_eq!(failed, None);
            }
        };
        fail_from(1..FAILURE_THRESHOLD);
        // A check that the verifier answered removes the failures.
        assert_eq!(breaker.record_check(Ok(()), client(100), now), None);
        fail_from(0..1);
        assert!(!is_probe_due(&breaker), "{error}");
        fail_from(1..FAILURE_THRESHOLD);
        assert_eq!(is_probe_due(&breaker), is_outage, "{error}");
    }
}

#[test]
fn failures_count_within_one_window() {
    let breaker = CircuitBreaker::default();
    let start = Duration::from_secs(5);
    let mut last = start;
    for number in 1..FAILURE_THRESHOLD {
        breaker.record_failure(client(number), last);
        last += Duration::from_secs(1);
    }
    // The first failure begins the window. Later ones do not prolong it.
    let end = start + WINDOW;
    breaker.record_failure(client(100), end);
    assert!(!is_probe_due(&breaker), "the first window has ended");
    for number in 1..FAILURE_THRESHOLD {
        breaker.record_failure(client(number), (end + WINDOW).saturating_sub(MOMENT));
    }
    assert!(is_probe_due(&breaker));
}

#[test]
fn waits_double_up_to_a_bound_and_start_again() {
    let breaker = CircuitBreaker::default();
    let mut now = Duration::ZERO;
    open(&breaker, now);
    let mut expected = FIRST_WAIT;
    for _ in 0..8 {
        assert_eq!(breaker.ensure_closed(now), Err(expected));
        now += expected;
        assert_eq!(breaker.ensure_closed(now), Err(Duration::ZERO));
        // Checks that were in flight at the opening do not prolong the wait.
        breaker.record_failure(client(1), now);
        assert_eq!(breaker.record_probe(false, now), None, "it stays open");
        expected = (expected * 2).min(MAX_WAIT);
    }
    assert_eq!(expected, MAX_WAIT);
    assert_eq!(breaker.record_probe(true, now), Some(Transition::Closed));
    open(&breaker, now);
    assert_eq!(breaker.ensure_closed(now), Err(FIRST_WAIT));
}

#[tokio::test(start_paused = true)]
async fn open_breaker_is_probed_after_its_wait() {
    let (breaker, clock) = (CircuitBreaker::default(), Clock::system());
    // The wait begins at the opening, not at the start of the clock.
    tokio::time::advance(WINDOW).await;
    let opened_at = clock.now();
    open(&breaker, opened_at);
    breaker.probe_due(&clock).await;
    let waited = clock.now().saturating_sub(opened_at);
    assert!((FIRST_WAIT..FIRST_WAIT * 2).contains(&waited), "{waited:?}");
}
