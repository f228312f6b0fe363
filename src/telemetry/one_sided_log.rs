//! The log line of a session that only one device used.
//!
//! It names the session by the pseudonym of the access log, whose lines of that session show who
//! polled it and when.

use crate::clock::Clock;
use crate::model::{Api, SessionId};
use crate::telemetry::log_throttle::LogThrottle;
use crate::telemetry::pseudonym::Pseudonyms;
use std::time::Duration;

/// Writes a line for a session that one device polled to its end, while no other ever read it: at most
/// one a second. The metric counts all of them.
#[derive(Debug)]
pub struct OneSidedLog {
    replica: String,
    pseudonyms: Pseudonyms,
    clock: Clock,
    throttle: LogThrottle,
}

impl OneSidedLog {
    /// Creates the log of this `replica`.
    #[must_use]
    pub fn new(replica: String, pseudonyms: Pseudonyms, clock: Clock) -> Self {
        Self {
            replica,
            pseudonyms,
            clock,
            throttle: LogThrottle::every(Duration::from_secs(1)),
        }
    }

    /// Records one session. Not a warning: a person who shows a code and walks away causes it too.
    pub fn record(&self, api: Api, session: SessionId) {
        if self.throttle.try_acquire(self.clock.now()) {
            tracing::info!(
                api = api.label(),
                session = self.pseudonyms.session(session),
                replica = self.replica,
                "only one side polls: no other device has reached this session (sampled: one line per second)"
            );
        }
    }
}
