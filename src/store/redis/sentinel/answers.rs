//! What the sentinels answered: which server is the primary.

use crate::store::redis::address::Address;
use std::collections::HashMap;
use std::time::Duration;

/// How long an answer counts. A sentinel that has not answered since may be cut off.
pub(super) const ANSWER_TTL: Duration = Duration::from_secs(5);

/// The last answer of each sentinel.
#[derive(Debug, Default)]
pub(super) struct Answers {
    by_sentinel: HashMap<Address, Answer>,
    /// The highest epoch at which the current primary was named.
    epoch: u64,
}

/// What one sentinel answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// The server that it names as the primary.
    pub(super) primary: Address,
    /// The epoch of its configuration.
    pub(super) epoch: u64,
    /// When it answered, by the worker's clock.
    pub(super) at: Duration,
}

impl Answers {
    /// Replaces the last answer of this sentinel.
    pub(super) fn record(&mut self, sentinel: Address, answer: Answer) {
        self.by_sentinel.insert(sentinel, answer);
    }

    /// Records that a replica is being promoted, as the answer of an epoch above the current one: the
    /// failover will raise it.
    pub(super) fn record_promotion(&mut self, promoted: Address, now: Duration) {
        self.epoch += 1;
        let answer = Answer {
            primary: promoted.clone(),
            epoch: self.epoch,
            at: now,
        };
        self.record(promoted, answer);
    }

    /// Returns the server to switch to, if any. A lower epoch than the current primary's is that of a
    /// sentinel that was cut off, unless that primary is not reachable either (after SENTINEL RESET
    /// epochs begin anew).
    pub(super) fn next_primary(
        &mut self,
        now: Duration,
        current: Option<&Address>,
        is_connected: bool,
    ) -> Option<Address> {
        let is_recent = |answer: &Answer| now.saturating_sub(answer.at) < ANSWER_TTL;
        self.by_sentinel.retain(|_, answer| is_recent(answer));
        let is_current = |answer: &Answer| current == Some(&answer.primary);
        // At the same epoch the current primary stays.
        let newest = self
            .by_sentinel
            .values()
            .max_by_key(|answer| (answer.epoch, is_current(answer)))?;
        if newest.epoch < self.epoch && is_connected {
            return None;
        }
        self.epoch = newest.epoch;
        (!is_current(newest)).then(|| newest.primary.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::{ANSWER_TTL, Answer, Answers};
    use crate::store::redis::address::Address;
    use std::time::Duration;

    fn address(port: u16) -> Address {
        Address::Tcp("redis".to_owned(), port)
    }

    /// Sentinel `n` answered at this second.
    fn record_answer(answers: &mut Answers, n: u16, primary: u16, epoch: u64, at: u64) {
        let answer = Answer {
            primary: address(primary),
            epoch,
            at: Duration::from_secs(at),
        };
        answers.record(address(n), answer);
    }

    #[test]
    fn sentinel_that_was_cut_off_brings_back_no_old_primary() {
        let mut answers = Answers::default();
        record_answer(&mut answers, 1, 7001, 1, 0);
        assert_eq!(
            answers.next_primary(Duration::ZERO, None, false),
            Some(address(7001))
        );
        record_answer(&mut answers, 2, 7002, 2, 0);
        let (old, new) = (address(7001), address(7002));
        let next = answers.next_primary(Duration::ZERO, Some(&old), true);
        assert_eq!(next, Some(new.clone()));
        // Only the one that was cut off still answers.
        let late = 2 * ANSWER_TTL.as_secs();
        record_answer(&mut answers, 1, 7001, 1, late);
        let now = Duration::from_secs(late);
        assert_eq!(answers.next_primary(now, Some(&new), true), None);
        assert_eq!(answers.next_primary(now, Some(&new), false), Some(old));
    }

    #[test]
    fn promoted_replica_counts_until_its_failover_must_be_over() {
        let mut answers = Answers::default();
        record_answer(&mut answers, 1, 7001, 1, 0);
        let (old, new) = (address(7001), address(7002));
        assert_eq!(
            answers.next_primary(Duration::ZERO, None, false),
            Some(old.clone())
        );
        answers.record_promotion(new.clone(), Duration::ZERO);
        // The sentinels still name the old primary.
        record_answer(&mut answers, 1, 7001, 1, 0);
        assert_eq!(
            answers.next_primary(Duration::ZERO, Some(&new), false),
            None
        );
        // The replica never became the primary.
        let late = ANSWER_TTL.as_secs();
        record_answer(&mut answers, 1, 7001, 1, late);
        let now = Duration::from_secs(late);
        assert_eq!(answers.next_primary(now, Some(&new), false), Some(old));
    }
}
