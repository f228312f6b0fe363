//! The pause before the next attempt to connect.

use std::time::Duration;

/// The first pause, in milliseconds. It is short, since most failures are a single dropped connection.
const FIRST_MS: u64 = 20;

/// Maximum jitter, in milliseconds, so that replicas do not reconnect in step.
pub(super) const JITTER_MS: u64 = 50;

/// A connection that lasted this long was of use: the next pause is the first again. A demoted
/// primary accepts connections and rejects the first command.
const USEFUL_AFTER: Duration = Duration::from_secs(1);

/// Pauses that double, up to a longest one.
#[derive(Debug)]
pub(super) struct ReconnectPause {
    next_ms: u64,
    longest_ms: u64,
}

impl ReconnectPause {
    /// `longest_ms` is in milliseconds, without the jitter.
    pub(super) const fn new(longest_ms: u64) -> Self {
        Self {
            next_ms: FIRST_MS,
            longest_ms,
        }
    }

    /// Takes note of how long a connection lasted.
    pub(super) fn record_connection(&mut self, lasted: Duration) {
        if lasted > USEFUL_AFTER {
            self.next_ms = FIRST_MS;
        }
    }

    /// Returns the pause before the next attempt.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.next_ms + uuid::Uuid::new_v4().as_u64_pair().0 % JITTER_MS;
        self.next_ms = (self.next_ms * 2).min(self.longest_ms);
        Duration::from_millis(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::{FIRST_MS, JITTER_MS, ReconnectPause};
    use std::time::Duration;

    #[test]
    fn pause_doubles_until_a_connection_lasted() {
        let mut pauses = ReconnectPause::new(100);
        let assert_next = |pauses: &mut ReconnectPause, ms| {
            let expected = Duration::from_millis(ms)..Duration::from_millis(ms + JITTER_MS);
            let next = pauses.next();
            assert!(expected.contains(&next), "{next:?} for {ms}");
        };
        for ms in [FIRST_MS, 2 * FIRST_MS, 4 * FIRST_MS, 100, 100] {
            assert_next(&mut pauses, ms);
        }
        pauses.record_connection(Duration::from_secs(1));
        assert_next(&mut pauses, 100);
        pauses.record_connection(Duration::from_secs(2));
        assert_next(&mut pauses, FIRST_MS);
    }
}
