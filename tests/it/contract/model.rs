//! A plain model of the store: the text of PROTOCOL, section 1, over lists that forget nothing.

use super::rig::{MAX_LIVE, MAX_TXN_IDS, TTL};
use matrix_rendezvous::model::{Payload, Presented, SequenceToken, SessionId, TxnKey};
use matrix_rendezvous::store::{RECENT_TOKENS, Write, Written};
use std::time::Duration;

#[derive(Default)]
pub struct Model {
    pub now: Duration,
    pub sessions: Vec<Session>,
}

pub struct Session {
    pub id: SessionId,
    ends: Duration,
    deleted: bool,
    /// Every token that the session had, the current one last.
    pub tokens: Vec<SequenceToken>,
    /// What was written to come from each token to the next.
    written: Vec<Payload>,
    pub data: Payload,
    txns: Vec<(TxnKey, Option<SequenceToken>)>,
}

impl Model {
    pub fn is_full(&self) -> bool {
        self.live() >= MAX_LIVE
    }

    pub fn live(&self) -> u64 {
        self.sessions
            .iter()
            .filter(|session| session.lives(self.now))
            .count() as u64
    }

    pub fn create(&mut self, id: SessionId, token: SequenceToken, data: Payload) {
        self.sessions.push(Session {
            id,
            ends: self.now + TTL,
            deleted: false,
            tokens: vec![token],
            written: Vec::new(),
            data,
            txns: Vec::new(),
        });
    }

    /// What a write answers, but for the time in `TxnsFull`.
    pub fn write(&mut self, index: usize, write: &Write) -> Written {
        let now = self.now;
        let session = &mut self.sessions[index];
        if !session.lives(now) {
            return Written::Gone;
        }
        let Some(txn) = write.txn else {
            return session.write(write);
        };
        if let Some((_, answer)) = session.txns.iter().find(|(known, _)| *known == txn) {
            return Written::Replayed(*answer);
        }
        if session.txns.len() == MAX_TXN_IDS {
            return Written::TxnsFull {
                retry_after: session.ends.saturating_sub(now),
            };
        }
        let answer = session.swap(write);
        session.txns.push((txn, answer));
        answer.map_or(Written::Conflict(session.token()), Written::Written)
    }

    /// Whether there was something to delete.
    pub fn delete(&mut self, index: usize) -> bool {
        let lived = self.sessions[index].lives(self.now);
        self.sessions[index].deleted = true;
        lived
    }
}

impl Session {
    pub fn lives(&self, now: Duration) -> bool {
        !self.deleted && now < self.ends
    }

    pub fn left(&self, now: Duration) -> Duration {
        self.ends.saturating_sub(now)
    }

    pub fn token(&self) -> SequenceToken {
        *self.tokens.last().expect("the first one")
    }

    fn write(&mut self, write: &Write) -> Written {
        if let Some(token) = self.swap(write) {
            return Written::Written(token);
        }
        if write.data == self.data {
            return Written::Retried(self.token());
        }
        // The session remembers this many tokens before its current one.
        let current = self.tokens.len() - 1;
        let remembered = current.saturating_sub(RECENT_TOKENS)..current;
        let before = (0..current).find(|&step| {
            remembered.contains(&(step + 1))
                && self.written[step] == write.data
                && matches!(write.presented, Presented::Ours { token, .. } if token == self.tokens[step])
        });
        before.map_or(Written::Conflict(self.token()), |step| {
            Written::Retried(self.tokens[step + 1])
        })
    }

    fn swap(&mut self, write: &Write) -> Option<SequenceToken> {
        let Presented::Ours { token, .. } = write.presented else {
            return None;
        };
        if token != self.token() {
            return None;
        }
        let next = token.next(self.id, &write.data);
        assert!(!self.tokens.contains(&next), "a token came back");
        self.tokens.push(next);
        self.written.push(write.data.clone());
        self.data = write.data.clone();
        Some(next)
    }
}
