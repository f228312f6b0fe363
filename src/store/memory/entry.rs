//! One session in memory, and the rules of a write (docs/protocol.md, R1.19 to R1.30), in their order.
//!
//! `store/redis/lua/write.lua` says the same for Redis; the contract suite holds both to one model.

use crate::model::{Payload, Principal, SequenceToken, SubmittedToken, TxnKey};
use crate::store::{
    Progress, RECENT_TOKENS, SessionLimits, Timestamps, WithTimestamps, WriteRequest, WriteResult,
};
use std::collections::VecDeque;
use std::time::Duration;

/// The state of one session.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) data: Payload,
    pub(super) token: SequenceToken,
    pub(super) expires: Duration,
    /// When it was created.
    created: Duration,
    /// The same for people, and when it was last written.
    pub(super) dates: Timestamps,
    /// Whose shares it is counted against.
    pub(super) principals: Vec<Principal>,
    /// How often it was written.
    writes: u64,
    /// The tokens before the current one, oldest first, at most [`RECENT_TOKENS`].
    recent: VecDeque<SequenceToken>,
    /// What each txnId was answered: a token, or a conflict. At most `session.max_txn_ids`.
    txns: Vec<(TxnKey, Option<SequenceToken>)>,
}

impl Entry {
    pub(super) fn new(
        token: SequenceToken,
        data: Payload,
        (created, expires): (Duration, Duration),
        dates: Timestamps,
        principals: Vec<Principal>,
    ) -> Self {
        Self {
            data,
            token,
            created,
            expires,
            dates,
            principals,
            writes: 0,
            recent: VecDeque::new(),
            txns: Vec::new(),
        }
    }

    /// Whether it was not written since its creation.
    pub(super) fn is_unanswered(&self) -> bool {
        self.writes == 0
    }

    /// An answer about this session, with its dates where they are wanted.
    pub(super) fn dated<T>(&self, wanted: bool, answer: T) -> WithTimestamps<T> {
        WithTimestamps {
            answer,
            dates: wanted.then_some(self.dates),
        }
    }

    /// A write without txnId: the session's own memory tells a retry.
    pub(super) fn write(
        &mut self,
        write: &WriteRequest,
        limits: &SessionLimits,
        now: Duration,
    ) -> WriteResult {
        match self.swap(write, limits.max_writes) {
            Swap::Swapped(token) => return self.written(token, now),
            Swap::Full => return self.full(now),
            Swap::Stale => {}
        }
        if write.data == self.data {
            return WriteResult::Retried(self.token);
        }
        match write.presented {
            SubmittedToken::Parsed { next, .. } if self.recent.contains(&next) => {
                WriteResult::Retried(next)
            }
            SubmittedToken::Parsed { .. } | SubmittedToken::Unknown => {
                WriteResult::Conflict(self.token)
            }
        }
    }

    /// A write with txnId: its record alone tells a retry, since another txnId is another attempt,
    /// perhaps the other device's.
    pub(super) fn write_once(
        &mut self,
        write: &WriteRequest,
        txn: TxnKey,
        limits: &SessionLimits,
        now: Duration,
    ) -> WriteResult {
        if let Some((_, answer)) = self.txns.iter().find(|(key, _)| *key == txn) {
            return WriteResult::Replayed(*answer);
        }
        if self.txns.len() >= limits.max_txn_ids {
            return WriteResult::TxnsFull {
                retry_after: self.expires.saturating_sub(now),
            };
        }
        let answer = match self.swap(write, limits.max_writes) {
            Swap::Swapped(token) => Some(token),
            Swap::Full => return self.full(now),
            Swap::Stale => None,
        };
        self.txns.push((txn, answer));
        answer.map_or(WriteResult::Conflict(self.token), |token| {
            self.written(token, now)
        })
    }

    fn written(&self, token: SequenceToken, now: Duration) -> WriteResult {
        let is_first = self.writes == 1;
        let progress = Progress {
            writes: self.writes,
            contact: is_first.then(|| now.saturating_sub(self.created)),
        };
        WriteResult::Written { token, progress }
    }

    fn full(&self, now: Duration) -> WriteResult {
        WriteResult::WritesFull {
            retry_after: self.expires.saturating_sub(now),
        }
    }

    /// Stores the payload where the token is current.
    fn swap(&mut self, write: &WriteRequest, max_writes: u64) -> Swap {
        match write.presented {
            SubmittedToken::Parsed { token, .. }
                if token == self.token && self.writes >= max_writes =>
            {
                Swap::Full
            }
            SubmittedToken::Parsed { token, next } if token == self.token => {
                if self.recent.len() == RECENT_TOKENS {
                    self.recent.pop_front();
                }
                self.recent.push_back(self.token);
                self.token = next;
                self.data = write.data.clone();
                self.writes += 1;
                Swap::Swapped(next)
            }
            SubmittedToken::Parsed { .. } | SubmittedToken::Unknown => Swap::Stale,
        }
    }
}

/// What became of a comparison.
enum Swap {
    /// The payload is stored; this is the new token.
    Swapped(SequenceToken),
    /// The token was current, but the session has been written as often as may be.
    Full,
    /// The token was stale.
    Stale,
}
