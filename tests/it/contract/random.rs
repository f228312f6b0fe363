//! Random interleavings of all calls; each result is compared with the model's.

use super::fixture::{MemoryFixture, RedisFixture, StoreFixture, TTL};
use super::model::Model;
use super::strategies::{Step, Token, steps};
use super::{new_session, owner, payload, read_request, txn, unwrap_result};
use matrix_rendezvous::model::{LimitExceeded, Owner, SequenceToken, SubmittedToken};
use matrix_rendezvous::store::{
    CreateResult, DeleteResult, ReadResult, Store, WriteRequest, WriteResult,
};
use proptest::test_runner::{Config, TestRunner};
use std::time::Duration;

/// Few clients in few networks, and few users, so that quotas are used up.
fn one_of_few(number: u8) -> Owner {
    let addresses = ["192.0.2.1", "2001:db8:1:1::1", "2001:db8:1:2::1"];
    let users = [
        None,
        None,
        Some("@anna:example.org"),
        Some("@berta:example.org"),
    ];
    owner(
        addresses[usize::from(number % 3)],
        users[usize::from(number / 3)],
    )
}

/// The model, and every write so far with its session.
#[derive(Default)]
struct Run {
    model: Model,
    writes: Vec<(usize, WriteRequest)>,
}

impl Run {
    async fn step<R: StoreFixture>(&mut self, fixture: &mut R, step: &Step) {
        match step {
            Step::Create { data, owner } => self.create(fixture, *data, *owner).await,
            Step::Pass { milliseconds } => {
                let by = Duration::from_millis(*milliseconds);
                self.model.now += by;
                fixture.advance(by).await;
            }
            _ if self.model.sessions.is_empty() => {}
            Step::Read {
                session,
                if_none_match,
            } => {
                let index = session % self.model.sessions.len();
                self.read(fixture, index, self.token(index, *if_none_match))
                    .await;
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
        let mut new = new_session(&data.to_string());
        new.owner = one_of_few(owner);
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

    async fn read<R: StoreFixture>(
        &self,
        fixture: &R,
        index: usize,
        if_none_match: Option<SequenceToken>,
    ) {
        let session = &self.model.sessions[index];
        let read = unwrap_result(
            fixture
                .store()
                .read(&read_request(session.id, if_none_match)),
        )
        .await
        .expect("a store");
        if !session.lives(self.model.now) {
            assert_eq!(read, ReadResult::Gone);
            return;
        }
        let left = session.left(self.model.now);
        match read {
            ReadResult::Unchanged { expires_in } => {
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
                assert_eq!(
                    progress.time_to_first_write.is_some(),
                    far.time_to_first_write.is_some()
                );
                assert!(
                    progress
                        .time_to_first_write
                        .is_none_or(|contact| contact <= TTL)
                );
            }
            (outcome, expected) => assert_eq!(outcome, expected),
        }
    }
}

fn interleave<R: StoreFixture>(cases: u32, runtime: &tokio::runtime::Runtime, fixture: R) {
    let fixture = std::cell::RefCell::new(fixture);
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let checked = TestRunner::new(config).run(&steps(), |steps| {
        let mut fixture = fixture.borrow_mut();
        fixture.clear();
        runtime.block_on(async {
            let mut run = Run::default();
            for step in &steps {
                run.step(&mut *fixture, step).await;
            }
        });
        Ok(())
    });
    checked.unwrap_or_else(|failure| panic!("{failure}"));
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
}

#[test]
fn memory_store_matches_the_model() {
    interleave(512, &runtime(), MemoryFixture::new());
}

mod redis_store_matches_the_model {
    use super::{RedisFixture, interleave, runtime};
    use crate::deployments::{Deployment, on_each_redis};

    fn on_redis(deployment: &Deployment) {
        let runtime = runtime();
        let fixture = runtime.block_on(RedisFixture::on(deployment));
        interleave(64, &runtime, fixture);
    }

    on_each_redis!(on_redis);
}
