//! A plain model of the store: docs/protocol.md, R1.13 to R1.30, over lists that forget nothing.
//! The fuzz target `store_model` (tests/fuzz) includes this file.

use super::fixture::{MAX_LIVE, MAX_TXN_IDS, MAX_WRITES, SHARES, TTL};
use super::fixture::{SMALL_NETWORK_SHARE, WIDE_NETWORK_SHARE};
use matrix_rendezvous::model::Limit;
use matrix_rendezvous::model::{Owner, Payload, SequenceToken, SubmittedToken, TxnKey};
use matrix_rendezvous::model::{SessionId, WideNetwork};
use matrix_rendezvous::store::{
    LAST_POLLS, NewSession, Progress, RECENT_TOKENS, Share, WriteRequest, WriteResult,
};
use std::time::Duration;

#[derive(Default)]
pub struct Model {
    pub now: Duration,
    pub sessions: Vec<Session>,
}

pub struct Session {
    pub id: SessionId,
    owner: Owner,
    ends: Duration,
    deleted: bool,
    /// Every token that the session ever had; the current one is the last.
    pub tokens: Vec<SequenceToken>,
    /// The data that led from each token to the next.
    written: Vec<Payload>,
    pub data: Payload,
    /// Whether the other device has read the session, or a poll has reported that it did not.
    pub is_peer_settled: bool,
    txns: Vec<(TxnKey, Option<SequenceToken>)>,
}

impl Model {
    /// The limit that rejects a session of this owner, if any. Once the store is half full, shares
    /// shrink by the square of the rest.
    pub fn full(&self, owner: &Owner) -> Option<Limit> {
        let network = owner.client.network();
        let wide = owner.client.wide_networks();
        let live_in = |at: usize| self.live_of(|of| of.client.wide_networks()[at] == wide[at]);
        let [small_limit, wide_limit] = match wide[0].0 {
            WideNetwork::Ipv4Slash24 => [Limit::LiveIpv4Slash24, Limit::LiveIpv4Slash16],
            _ => [Limit::LiveIpv6Slash40, Limit::LiveIpv6Slash32],
        };
        let left = (MAX_LIVE - self.live()).min(MAX_LIVE / 2);
        let reduced = |whole: u64| (whole * left.pow(2) / (MAX_LIVE / 2).pow(2)).max(1);
        let share = |whole: Share| reduced(whole.live);
        [
            (self.live() >= MAX_LIVE, Limit::LiveTotal),
            (
                self.live_of(|of| of.client == owner.client) >= share(SHARES.client),
                Limit::LiveClient,
            ),
            (
                network.is_some()
                    && self.live_of(|of| of.client.network() == network) >= share(SHARES.network),
                Limit::LiveNetwork,
            ),
            (
                owner.user.is_some()
                    && self.live_of(|of| of.user == owner.user) >= share(SHARES.user),
                Limit::LiveUser,
            ),
            (live_in(0) >= reduced(SMALL_NETWORK_SHARE), small_limit),
            (live_in(1) >= reduced(WIDE_NETWORK_SHARE), wide_limit),
        ]
        .into_iter()
        .find_map(|(full, belongs)| full.then_some(belongs))
    }

    pub fn live(&self) -> u64 {
        self.live_of(|_| true)
    }

    fn live_of(&self, belongs: impl Fn(&Owner) -> bool) -> u64 {
        self.sessions
            .iter()
            .filter(|session| session.lives(self.now) && belongs(&session.owner))
            .count() as u64
    }

    pub fn create(&mut self, new: NewSession) {
        let NewSession {
            id,
            token,
            data,
            owner,
            ..
        } = new;
        self.sessions.push(Session {
            id,
            owner,
            ends: self.now + TTL,
            deleted: false,
            tokens: vec![token],
            written: Vec::new(),
            data,
            is_peer_settled: false,
            txns: Vec::new(),
        });
    }

    /// The result of a write, without times: until the session ends, and since its creation.
    pub fn write(&mut self, index: usize, write: &WriteRequest) -> WriteResult {
        let now = self.now;
        let session = &mut self.sessions[index];
        if !session.lives(now) {
            return WriteResult::Gone;
        }
        let Some(txn) = write.txn else {
            return if session.is_full(write) {
                session.full(now)
            } else {
                session.write(write)
            };
        };
        if let Some((_, answer)) = session.txns.iter().find(|(known, _)| *known == txn) {
            return WriteResult::Replayed(*answer);
        }
        if session.txns.len() == MAX_TXN_IDS {
            return WriteResult::TxnsFull {
                retry_after: session.ends.saturating_sub(now),
            };
        }
        if session.is_full(write) {
            return session.full(now);
        }
        let answer = session.swap(write);
        session.txns.push((txn, answer));
        answer.map_or(WriteResult::Conflict(session.token()), |token| {
            session.stored(token)
        })
    }

    /// Whether the session existed.
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

    /// Whether a poll that tracks the other device reports the session as one-sided. `left` is the
    /// store's own measure.
    pub fn poll(&mut self, left: Duration) -> bool {
        let is_never_written = self.written.is_empty();
        let is_one_sided = is_never_written && !self.is_peer_settled && left < LAST_POLLS;
        self.is_peer_settled |= is_one_sided;
        is_one_sided
    }

    pub fn token(&self) -> SequenceToken {
        *self.tokens.last().expect("the first one")
    }

    /// Whether this write exceeds the write limit.
    fn is_full(&self, write: &WriteRequest) -> bool {
        let current =
            matches!(write.token, SubmittedToken::Parsed { token, .. } if token == self.token());
        current && self.written.len() as u64 >= MAX_WRITES
    }

    fn full(&self, now: Duration) -> WriteResult {
        WriteResult::WritesFull {
            retry_after: self.left(now),
        }
    }

    fn stored(&self, token: SequenceToken) -> WriteResult {
        let writes = self.written.len() as u64;
        let progress = Progress {
            writes,
            step: Duration::ZERO,
        };
        WriteResult::Written { token, progress }
    }

    fn write(&mut self, write: &WriteRequest) -> WriteResult {
        if let Some(token) = self.swap(write) {
            return self.stored(token);
        }
        if write.data == self.data {
            return WriteResult::Retried(self.token());
        }
        // The session remembers this number of tokens before its current one.
        let current = self.tokens.len() - 1;
        let remembered = current.saturating_sub(RECENT_TOKENS)..current;
        let before = (0..current).find(|&step| {
            remembered.contains(&(step + 1))
                && self.written[step] == write.data
                && matches!(write.token, SubmittedToken::Parsed { token, .. } if token == self.tokens[step])
        });
        before.map_or(WriteResult::Conflict(self.token()), |step| {
            WriteResult::Retried(self.tokens[step + 1])
        })
    }

    fn swap(&mut self, write: &WriteRequest) -> Option<SequenceToken> {
        let SubmittedToken::Parsed { token, .. } = write.token else {
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
