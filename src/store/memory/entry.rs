//! One session in memory, and the rules of a write in their order (docs/protocol.md, R1.19 to
//! R1.30).
//!
//! `store/redis/lua/write.lua` implements the same rules for Redis. The contract suite tests both
//! against one model.

use crate::model::{Payload, Principal, SequenceToken, SubmittedToken, TxnKey};
use crate::store::{
    LAST_POLLS, Progress, RECENT_TOKENS, SessionLimits, Timestamps, WithTimestamps, WriteRequest,
    WriteResult,
};
use std::collections::VecDeque;
use std::time::Duration;

/// The state of one session.
#[derive(Debug)]
pub(super) struct SessionEntry {
    pub(super) data: Payload,
    pub(super) token: SequenceToken,
    pub(super) expires_at: Duration,
    /// The last write and the expiry, in wall-clock time.
    pub(super) timestamps: Timestamps,
    /// The principals with shares that count this session.
    pub(super) principals: Vec<Principal>,
    /// Number of writes since the creation.
    writes: u64,
    /// Whether the other device has read the session, or a poll has reported that it did not. For
    /// the reads of a session that was never written.
    pub(super) is_peer_settled: bool,
    /// The tokens before the current one, oldest first, at most [`RECENT_TOKENS`].
    recent_tokens: VecDeque<SequenceToken>,
    /// The recorded response to each txnId: a token, or `None` for a conflict. At most
    /// `session.max_txn_ids`.
    txns: Vec<(TxnKey, Option<SequenceToken>)>,
}

impl SessionEntry {
    pub(super) fn new(
        token: SequenceToken,
        data: Payload,
        expires_at: Duration,
        timestamps: Timestamps,
        principals: Vec<Principal>,
    ) -> Self {
        Self {
            data,
            token,
            expires_at,
            timestamps,
            principals,
            writes: 0,
            is_peer_settled: false,
            recent_tokens: VecDeque::new(),
            txns: Vec::new(),
        }
    }

    /// Whether the session was never written since its creation.
    pub(super) fn is_never_written(&self) -> bool {
        self.writes == 0
    }

    /// Returns whether this poll is the first one that shows that only one device uses the session.
    pub(super) fn track_poll(&mut self, expires_in: Duration) -> bool {
        let is_one_sided =
            self.is_never_written() && !self.is_peer_settled && expires_in < LAST_POLLS;
        self.is_peer_settled |= is_one_sided;
        is_one_sided
    }

    /// Wraps a result, with this session's timestamps if they were requested.
    pub(super) fn with_timestamps<T>(&self, requested: bool, result: T) -> WithTimestamps<T> {
        WithTimestamps {
            result,
            timestamps: requested.then_some(self.timestamps),
        }
    }

    /// Applies a write without txnId. The session's recent tokens identify a retry.
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

    /// Applies a write with txnId. The txnId's record alone identifies a retry: another txnId is
    /// another attempt, perhaps by the other device.
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

    /// The timestamps are still those before this write.
    fn written_result(&self, token: SequenceToken, now: Duration) -> WriteResult {
        let expires_in = self.expires_at.saturating_sub(now);
        let progress = Progress {
            writes: self.writes,
            step: self.timestamps.since_write(expires_in),
        };
        WriteResult::Written { token, progress }
    }

    fn writes_full(&self, now: Duration) -> WriteResult {
        WriteResult::WritesFull {
            retry_after: self.expires_at.saturating_sub(now),
        }
    }

    /// Stores the payload if the submitted token is current.
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

/// The result of a compare-and-swap.
enum SwapResult {
    /// The payload was stored. This is the new token.
    Swapped(SequenceToken),
    /// The token was current, but the session has reached its maximum number of writes.
    WritesFull,
    /// The token was stale.
    Stale,
}
