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
pub(super) struct SessionEntry {
    pub(super) data: Payload,
    pub(super) token: SequenceToken,
    pub(super) expires_at: Duration,
    /// When it was created.
    created_at: Duration,
    /// The same for people, and when it was last written.
    pub(super) timestamps: Timestamps,
    /// Whose shares it is counted against.
    pub(super) principals: Vec<Principal>,
    /// How often it was written.
    writes: u64,
    /// The tokens before the current one, oldest first, at most [`RECENT_TOKENS`].
    recent_tokens: VecDeque<SequenceToken>,
    /// What each txnId was answered: a token, or a conflict. At most `session.max_txn_ids`.
    txns: Vec<(TxnKey, Option<SequenceToken>)>,
}

impl SessionEntry {
    pub(super) fn new(
        token: SequenceToken,
        data: Payload,
        (created_at, expires_at): (Duration, Duration),
        timestamps: Timestamps,
        principals: Vec<Principal>,
    ) -> Self {
        Self {
            data,
            token,
            created_at,
            expires_at,
            timestamps,
            principals,
            writes: 0,
            recent_tokens: VecDeque::new(),
            txns: Vec::new(),
        }
    }

    /// Whether it was not written since its creation.
    pub(super) fn is_never_written(&self) -> bool {
        self.writes == 0
    }

    /// An answer about this session, with its dates where they are wanted.
    pub(super) fn with_timestamps<T>(&self, wanted: bool, result: T) -> WithTimestamps<T> {
        WithTimestamps {
            result,
            timestamps: wanted.then_some(self.timestamps),
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
            SwapResult::Swapped(token) => return self.written_result(token, now),
            SwapResult::WritesFull => return self.writes_full(now),
            SwapResult::Stale => {}
        }
        if write.data == self.data {
            return WriteResult::Retried(self.token);
        }
        match write.token {
            SubmittedToken::Parsed { next, .. } if self.recent_tokens.contains(&next) => {
                WriteResult::Retried(next)
            }
            SubmittedToken::Parsed { .. } | SubmittedToken::Unknown => {
                WriteResult::Conflict(self.token)
            }
        }
    }

    /// A write with txnId: its record alone tells a retry, since another txnId is another attempt,
    /// perhaps the other device's.
    pub(super) fn write_with_txn(
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
                retry_after: self.expires_at.saturating_sub(now),
            };
        }
        let result = match self.swap(write, limits.max_writes) {
            SwapResult::Swapped(token) => Some(token),
            SwapResult::WritesFull => return self.writes_full(now),
            SwapResult::Stale => None,
        };
        self.txns.push((txn, result));
        result.map_or(WriteResult::Conflict(self.token), |token| {
            self.written_result(token, now)
        })
    }

    fn written_result(&self, token: SequenceToken, now: Duration) -> WriteResult {
        let is_first = self.writes == 1;
        let progress = Progress {
            writes: self.writes,
            time_to_first_write: is_first.then(|| now.saturating_sub(self.created_at)),
        };
        WriteResult::Written { token, progress }
    }

    fn writes_full(&self, now: Duration) -> WriteResult {
        WriteResult::WritesFull {
            retry_after: self.expires_at.saturating_sub(now),
        }
    }

    /// Stores the payload where the token is current.
    fn swap(&mut self, write: &WriteRequest, max_writes: u64) -> SwapResult {
        match write.token {
            SubmittedToken::Parsed { token, .. }
                if token == self.token && self.writes >= max_writes =>
            {
                SwapResult::WritesFull
            }
            SubmittedToken::Parsed { token, next } if token == self.token => {
                if self.recent_tokens.len() == RECENT_TOKENS {
                    self.recent_tokens.pop_front();
                }
                self.recent_tokens.push_back(self.token);
                self.token = next;
                self.data = write.data.clone();
                self.writes += 1;
                SwapResult::Swapped(next)
            }
            SubmittedToken::Parsed { .. } | SubmittedToken::Unknown => SwapResult::Stale,
        }
    }
}

/// What became of a comparison.
enum SwapResult {
    /// The payload is stored; this is the new token.
    Swapped(SequenceToken),
    /// The token was current, but the session has been written as often as may be.
    WritesFull,
    /// The token was stale.
    Stale,
}
