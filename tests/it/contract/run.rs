//! Runs steps on a store and on the model, and compares each result with the model's. The fuzz
//! target `store_model` (tests/fuzz) includes this file.

use super::fixture::{StoreFixture, TTL};
use super::model::Model;
use super::requests::{owner, payload, read_request, session, txn, unwrap_result};
use matrix_rendezvous::model::{LimitExceeded, Owner, SequenceToken, SessionId, SubmittedToken};
use matrix_rendezvous::store::{
    CreateResult, DeleteResult, ReadRequest, ReadResult, Store, WriteRequest, WriteResult,
};
use std::time::Duration;

/// The time that a session has left in a read at its end: less than `LAST_POLLS`, and enough for the
/// read on a busy machine.
const NEAR_END: Duration = Duration::from_millis(2900);

/// One step. Numbers select among what exists at that point, so that every step is meaningful.
#[derive(Debug, Clone)]
pub enum Step {
    Create {
        data: u8,
        owner: u8,
    },
    Read {
        session: usize,
        /// A foreign one for a read without a token.
        if_none_match: Token,
        track_peer: bool,
        /// Whether the session is about to expire.
        at_end: bool,
    },
    Write {
        session: usize,
        token: Token,
        data: u8,
        txn: Option<u8>,
    },
    /// An earlier write again, unchanged.
    Retry {
        write: usize,
    },
    Delete {
        session: usize,
    },
    Pass {
        milliseconds: u64,
    },
}

/// The token that a step uses.
#[derive(Debug, Clone, Copy)]
pub enum Token {
    Current,
    Past(usize),
    Elsewhere(usize),
    Foreign,
}

/// The number of owners.
pub const OWNERS: u8 = 28;

/// Few clients in few networks, and few users, so that quotas are used up.
fn one_of_few(number: u8) -> Owner {
    let addresses = [
        "192.0.2.1",
        "192.0.2.2",
        "192.0.3.1",
        "2001:db8:1:1::1",
        "2001:db8:1:2::1",
        "2001:db8:2:1::1",
        "2001:db8:100:1::1",
    ];
    let users = [
        None,
        None,
        Some("@anna:example.org"),
        Some("@berta:example.org"),
    ];
    owner(
        addresses[usize::from(number % 7)],
        users[usize::from(number / 7)],
    )
}

/// The model, and every write so far with its session.
pub struct Run {
    model: Model,
    writes: Vec<(usize, WriteRequest)>,
    /// Returns the id of the session that is the n-th created one.
    new_id: fn(usize) -> SessionId,
}

impl Run {
    /// Begins without sessions.
    pub fn new(new_id: fn(usize) -> SessionId) -> Self {
        Self {
            model: Model::default(),
            writes: Vec::new(),
            new_id,
        }
    }

    /// Runs one step.
    pub async fn step<R: StoreFixture>(&mut self, fixture: &mut R, step: &Step) {
        match step {
            Step::Create { data, owner } => self.create(fixture, *data, *owner).await,
            Step::Pass { milliseconds } => {
                self.pass(fixture, Duration::from_millis(*milliseconds))
                    .await;
            }
            _ if self.model.sessions.is_empty() => {}
            Step::Read {
                session,
                if_none_match,
                track_peer,
                at_end,
            } => {
                let index = session % self.model.sessions.len();
                let token = self.token(index, *if_none_match);
                let id = self.model.sessions[index].id;
                let request = ReadRequest {
                    track_peer: *track_peer,
                    ..read_request(id, token)
                };
                if *at_end {
                    let left = self.model.sessions[index].left(self.model.now);
                    self.pass(fixture, left.saturating_sub(NEAR_END)).await;
                    fixture.set_ttl(id, NEAR_END);
                }
                self.read(fixture, index, &request).await;
                if *at_end {
                    fixture.set_ttl(id, TTL);
                }
            }
            Step::Write {
                session,
                token,
                data,
                txn: name,
            } => {
                let index = session % self.model.sessions.len();
                // Odd payload numbers request the session's timestamps.
                let timestamps = data % 2 == 1;
                let (id, data) = (self.model.sessions[index].id, payload(&data.to_string()));
                let submitted =
                    self.token(index, *token)
                        .map_or(SubmittedToken::Unknown, |token| SubmittedToken::Parsed {
                            token,
                            next: token.next(id, &data),
                        });
                let txn = name.map(|name| txn(&format!("t{name}")));
                self.writes.push((
                    index,
                    WriteRequest {
                        id,
                        token: submitted,
                        data,
                        txn,
                        timestamps,
                    },
                ));
                self.write(fixture, self.writes.len() - 1).await;
            }
            Step::Retry { write } if !self.writes.is_empty() => {
                self.write(fixture, write % self.writes.len()).await;
            }
            Step::Retry { .. } => {}
            Step::Delete { session } => {
                let index = session % self.model.sessions.len();
                let id = self.model.sessions[index].id;
                let expected = if self.model.delete(index) {
                    DeleteResult::Deleted
                } else {
                    DeleteResult::Gone
                };
                assert_eq!(fixture.store().delete(id).await, Ok(expected));
            }
        }
        assert_eq!(fixture.store().live().await, Ok(self.model.live()));
    }

    async fn pass<R: StoreFixture>(&mut self, fixture: &mut R, by: Duration) {
        self.model.now += by;
        fixture.advance(by).await;
    }

    fn token(&self, index: usize, token: Token) -> Option<SequenceToken> {
        let sessions = &self.model.sessions;
        match token {
            Token::Current => Some(sessions[index].token()),
            Token::Past(back) => {
                let tokens = &sessions[index].tokens;
                Some(tokens[tokens.len().saturating_sub(1 + back)])
            }
            Token::Elsewhere(other) => Some(sessions[other % sessions.len()].token()),
            Token::Foreign => None,
        }
    }

    async fn create<R: StoreFixture>(&mut self, fixture: &mut R, data: u8, owner: u8) {
        let id = (self.new_id)(self.model.sessions.len());
        let new = session(id, one_of_few(owner), &data.to_string());
        let outcome = unwrap_result(fixture.store().create(&new))
            .await
            .expect("a store");
        if let Some(expected) = self.model.full(&new.owner) {
            match outcome {
                CreateResult::Rejected(LimitExceeded { limit, .. }) => assert_eq!(limit, expected),
                CreateResult::Created { .. } => panic!("{expected:?} are taken"),
            }
            return;
        }
        let CreateResult::Created { expires_in, .. } = outcome else {
            panic!("{outcome:?}")
        };
        assert!(fixture.is_time_left(expires_in, TTL), "{expires_in:?}");
        fixture.created(new.id);
        self.model.create(new);
    }

    async fn read<R: StoreFixture>(&mut self, fixture: &R, index: usize, request: &ReadRequest) {
        let if_none_match = request.if_none_match;
        let read = unwrap_result(fixture.store().read(request))
            .await
            .expect("a store");
        let session = &mut self.model.sessions[index];
        if !session.lives(self.model.now) {
            assert_eq!(read, ReadResult::Gone);
            return;
        }
        let left = session.left(self.model.now);
        match read {
            ReadResult::Unchanged {
                expires_in,
                never_written,
                is_one_sided,
            } => {
                let expected = request.track_peer && session.poll(expires_in);
                assert_eq!(is_one_sided, expected);
                assert_eq!(never_written, session.tokens.len() == 1);
                assert_eq!(if_none_match, Some(session.token()));
                assert!(
                    fixture.is_time_left(expires_in, left),
                    "{expires_in:?}, not {left:?}"
                );
            }
            ReadResult::Found {
                data,
                token,
                expires_in,
                never_written,
            } => {
                if request.track_peer && if_none_match.is_none() {
                    session.is_peer_settled = true;
                }
                assert_eq!(never_written, session.tokens.len() == 1);
                assert_ne!(if_none_match, Some(session.token()));
                assert_eq!((&data, token), (&session.data, session.token()));
                assert!(
                    fixture.is_time_left(expires_in, left),
                    "{expires_in:?}, not {left:?}"
                );
            }
            ReadResult::Gone => panic!("gone while it lives"),
        }
    }

    async fn write<R: StoreFixture>(&mut self, fixture: &R, write: usize) {
        let (index, write) = &self.writes[write];
        let written = fixture.store().write(write).await.expect("a store");
        let outcome = written.result;
        assert_eq!(
            written.timestamps.is_some(),
            write.timestamps && outcome != WriteResult::Gone,
            "{written:?}"
        );
        match (outcome, self.model.write(*index, write)) {
            (
                WriteResult::TxnsFull { retry_after },
                WriteResult::TxnsFull {
                    retry_after: expected,
                },
            )
            | (
                WriteResult::WritesFull { retry_after },
                WriteResult::WritesFull {
                    retry_after: expected,
                },
            ) => {
                assert!(
                    fixture.is_time_left(retry_after, expected),
                    "{retry_after:?}"
                );
            }
            (
                WriteResult::Written { token, progress },
                WriteResult::Written {
                    token: expected,
                    progress: far,
                },
            ) => {
                assert_eq!((token, progress.writes), (expected, far.writes));
                assert!(progress.step <= TTL, "{:?}", progress.step);
            }
            (outcome, expected) => assert_eq!(outcome, expected),
        }
    }
}
