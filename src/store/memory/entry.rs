//! One session in memory, and the rules of a write (PROTOCOL, section 1), in the order of the text.
//!
//! `store/redis/lua/write.lua` says the same for Redis; the contract suite holds both to one model.

use crate::model::{Payload, Presented, Principal, SequenceToken, TxnKey};
use crate::store::{Dated, Dates, RECENT_TOKENS, Write, Written};
use std::collections::VecDeque;
use std::time::Duration;

/// The state of one session.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) data: Payload,
    pub(super) token: SequenceToken,
    pub(super) expires: Duration,
    /// The same for people, and when it was last written.
    pub(super) dates: Dates,
    /// Whose shares it is counted against.
    pub(super) principals: Vec<Principal>,
    /// The tokens before the current one, oldest first, at most [`RECENT_TOKENS`].
    recent: VecDeque<SequenceToken>,
    /// What each txnId was answered: a token, or a conflict. At most `session.max_txn_ids`.
    txns: Vec<(TxnKey, Option<SequenceToken>)>,
}

impl Entry {
    pub(super) fn new(
        token: SequenceToken,
        data: Payload,
        expires: Duration,
        dates: Dates,
        principals: Vec<Principal>,
    ) -> Self {
        Self {
            data,
            token,
            expires,
            dates,
            principals,
            recent: VecDeque::new(),
            txns: Vec::new(),
        }
    }

    /// An answer about this session, with its dates where they are wanted.
    pub(super) fn dated<T>(&self, wanted: bool, answer: T) -> Dated<T> {
        Dated {
            answer,
            dates: wanted.then_some(self.dates),
        }
    }

    /// A write without txnId: the session's own memory tells a retry.
    pub(super) fn write(&mut self, write: &Write) -> Written {
        if let Some(token) = self.swap(write) {
            return Written::Written(token);
        }
        if write.data == self.data {
            return Written::Retried(self.token);
        }
        match write.presented {
            Presented::Ours { next, .. } if self.recent.contains(&next) => Written::Retried(next),
            Presented::Ours { .. } | Presented::Foreign => Written::Conflict(self.token),
        }
    }

    /// A write with txnId: its record alone tells a retry, since another txnId is another attempt,
    /// perhaps the other device's.
    pub(super) fn write_once(
        &mut self,
        write: &Write,
        txn: TxnKey,
        max_txn_ids: usize,
        now: Duration,
    ) -> Written {
        if let Some((_, answer)) = self.txns.iter().find(|(key, _)| *key == txn) {
            return Written::Replayed(*answer);
        }
        if self.txns.len() >= max_txn_ids {
            return Written::TxnsFull {
                retry_after: self.expires.saturating_sub(now),
            };
        }
        let answer = self.swap(write);
        self.txns.push((txn, answer));
        answer.map_or(Written::Conflict(self.token), Written::Written)
    }

    /// Stores the payload where the token is current, and returns the new token.
    fn swap(&mut self, write: &Write) -> Option<SequenceToken> {
        match write.presented {
            Presented::Ours { token, next } if token == self.token => {
                if self.recent.len() == RECENT_TOKENS {
                    self.recent.pop_front();
                }
                self.recent.push_back(self.token);
                self.token = next;
                self.data = write.data.clone();
                Some(next)
            }
            Presented::Ours { .. } | Presented::Foreign => None,
        }
    }
}
