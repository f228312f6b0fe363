//! Which lines a node logs about its connection: each new reason once, however many attempts fail.

use crate::store::redis::address::Address;
use std::time::Duration;

/// Time after which a reason that was logged is logged again. A demoted primary accepts connections
/// and rejects the first command, several times a second.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Maximum number of reasons to remember.
const MAX_REASONS: usize = 8;

/// What was logged about the connection to one server.
#[derive(Debug, Default)]
pub(super) struct OutageLog {
    /// The reasons that were logged lately, and when.
    reasons: Vec<(String, Duration)>,
    /// Whether a failure was logged since the last connection was.
    failure_logged: bool,
    connected_once: bool,
}

impl OutageLog {
    /// Logs a new connection, if it is the first or a failure was logged before. Returns whether
    /// there was an earlier one.
    pub(super) fn connected(&mut self, address: &Address) -> bool {
        if self.failure_logged || !self.connected_once {
            tracing::info!(server = %address, "Redis connected");
        }
        self.failure_logged = false;
        std::mem::replace(&mut self.connected_once, true)
    }

    /// Logs a lost connection or a failed attempt, unless the same was logged within 10 s.
    pub(super) fn failed(&mut self, address: &Address, error: &str, now: Duration) {
        self.reasons
            .retain(|(_, at)| now.saturating_sub(*at) < LOG_INTERVAL);
        // A script's error ends in the line.
        let reason = error.split(": in line ").next().unwrap_or(error);
        let is_known = self.reasons.iter().any(|(known, _)| known == reason);
        if is_known || self.reasons.len() == MAX_REASONS {
            tracing::debug!(error, server = %address, "Redis is still unreachable");
            return;
        }
        self.reasons.push((reason.to_owned(), now));
        let event = match (self.connected_once, self.failure_logged) {
            (true, false) => "Redis connection lost",
            _ => "Redis is unreachable",
        };
        self.failure_logged = true;
        tracing::warn!(error, server = %address, "{event}, retrying");
    }
}
