//! A circuit breaker: while a token verifier does not answer, token checks fail at once.
//!
//! Clients choose the tokens, and with them what the verifier answers: one that makes up tokens may
//! get a 502 of a firewall for each. So failed checks do not open the breaker. Enough of them from
//! different networks request a probe, which is a request of this server without a token. The probe
//! decides: if it fails, the breaker opens, and a later probe closes it. No crate is used, since
//! time is an argument here.

use crate::clock::Clock;
use crate::model::ClientIp;
use crate::policy::auth::outcome::AuthError;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Networks (IPv4 addresses, IPv6 /48) with a failed check that request a probe. A single failure
/// may be a connection that was just closed, and one customer has few networks.
const FAILURE_THRESHOLD: usize = 5;

/// The time in which the failures of different networks count together. In an outage, five sign-ins
/// within it find the homeserver down; with fewer sign-ins, each may wait for its own timeout.
const WINDOW: Duration = Duration::from_secs(30);

/// The first wait: the least that a small homeserver needs to restart.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest wait: how much later than the homeserver sign-ins may recover.
const MAX_WAIT: Duration = Duration::from_secs(15);

/// A circuit breaker around one token verifier.
#[derive(Debug, Default)]
pub(super) struct CircuitBreaker {
    state: Mutex<BreakerState>,
    probe_requested: Notify,
}

#[derive(Debug, Default)]
struct BreakerState {
    /// The networks with a failed check since `window_start`, at most [`FAILURE_THRESHOLD`]. Empty
    /// while the breaker is open.
    failing: Vec<ClientIp>,
    window_start: Duration,
    /// When the next probe is sent. `None` while the breaker is closed.
    retry_at: Option<Duration>,
    wait: Duration,
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
    /// Returns whether checks may be sent.
    ///
    /// # Errors
    /// The time until the next probe, if the breaker is open. Zero while the probe is in flight.
    pub(super) fn ensure_closed(&self, now: Duration) -> Result<(), Duration> {
        match self.lock().retry_at {
            Some(retry_at) => Err(retry_at.saturating_sub(now)),
            None => Ok(()),
        }
    }

    /// Records the result of a check. Returns the transition that it caused, if any.
    ///
    /// An error that is no outage changes nothing: neither is the verifier down, nor does it answer
    /// every token.
    pub(super) fn record_check<T>(
        &self,
        result: Result<T, &AuthError>,
        client: ClientIp,
        now: Duration,
    ) -> Option<Transition> {
        match result.map_err(AuthError::is_outage) {
            Ok(_) => self.record_success(),
            Err(true) => {
                self.record_failure(client, now);
                None
            }
            Err(false) => None,
        }
    }

    /// Records a check that the verifier did not answer. Failures of one network count once.
    fn record_failure(&self, client: ClientIp, now: Duration) {
        let mut state = self.lock();
        // The check was in flight when the breaker opened.
        if state.retry_at.is_some() {
            return;
        }
        if now.saturating_sub(state.window_start) >= WINDOW {
            state.failing.clear();
        }
        if state.failing.is_empty() {
            state.window_start = now;
        }
        let network = client.network().unwrap_or(client);
        if state.is_suspected() || state.failing.contains(&network) {
            return;
        }
        state.failing.push(network);
        if state.is_suspected() {
            self.probe_requested.notify_one();
        }
    }

    /// Records a check that the verifier answered. Returns the transition that it caused, if any.
    fn record_success(&self) -> Option<Transition> {
        self.lock().close()
    }

    /// Waits until a probe is due. While the breaker is closed, that may be never.
    pub(super) async fn probe_due(&self, clock: &Clock) {
        let retry_at = self.lock().retry_at;
        match retry_at {
            Some(retry_at) => tokio::time::sleep(retry_at.saturating_sub(clock.now())).await,
            None => self.probe_requested.notified().await,
        }
    }

    /// Records the outcome of a probe. Returns the transition that it caused, if any.
    pub(super) fn record_probe(&self, success: bool, now: Duration) -> Option<Transition> {
        let mut state = self.lock();
        if success {
            return state.close();
        }
        let was_open = state.retry_at.is_some();
        // A check that succeeded while the probe was in flight refutes it.
        if !was_open && !state.is_suspected() {
            return None;
        }
        state.failing.clear();
        state.wait = (state.wait * 2).clamp(FIRST_WAIT, MAX_WAIT);
        state.retry_at = Some(now + state.wait);
        (!was_open).then_some(Transition::Opened)
    }

    /// Calls `with` with whether the breaker is open, under the breaker's lock. If several tasks
    /// publish the state at the same time, the last one publishes the current state.
    pub(super) fn inspect<T>(&self, with: impl FnOnce(bool) -> T) -> T {
        with(self.lock().retry_at.is_some())
    }

    fn lock(&self) -> MutexGuard<'_, BreakerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BreakerState {
    /// Whether enough networks failed for a probe.
    const fn is_suspected(&self) -> bool {
        self.failing.len() >= FAILURE_THRESHOLD
    }

    /// Removes all failures. Keeps the allocation of `failing`.
    fn close(&mut self) -> Option<Transition> {
        self.failing.clear();
        self.wait = Duration::ZERO;
        self.retry_at.take().map(|_| Transition::Closed)
    }
}

#[cfg(test)]
mod tests;
