//! Waits until replicas have what a script wrote (`store.redis.wait_for_replicas`).
//!
//! `WAIT` refers to the last write of its own connection, and blocks that connection: a read behind it
//! would wait too. So each server has a second connection for it. After a script has answered, a
//! marker is written there, and WAIT for the marker is WAIT for everything written before it, also if
//! the script was a retry that wrote nothing. One WAIT covers all scripts that answered before its
//! marker was sent, and only one is under way, so the wait does not become slower under load.

use crate::store::StoreError;
use crate::store::redis::error_kind::{ErrorClass, classify};
use crate::store::redis::error_text::describe;
use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::ClientLike;
use fred::types::{ClusterHash, CustomCommand, Key, Value};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// Writes the marker, which expires at once. The DEL is first because Redis refuses no write of a
/// script that has written: on a full Redis, a SET alone would be refused.
const MARK: &str = "redis.call('DEL', KEYS[1]) return redis.call('SET', KEYS[1], '1', 'PX', '1')";

/// How many replicas to wait for, and how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReplicationConfig {
    pub(super) replicas: NonZeroU32,
    pub(super) timeout: Duration,
}

/// Waits for the replicas of one server.
#[derive(Debug)]
pub(super) struct ReplicationWait {
    second: Second,
    rounds: Mutex<Rounds>,
}

/// The second connection.
#[derive(Debug, Clone)]
struct Second {
    client: Client,
    task: AbortHandle,
    config: ReplicationConfig,
}

#[derive(Debug, Default)]
struct Rounds {
    /// Number of scripts that have waited or wait.
    tickets: u64,
    last: Option<Round>,
}

/// One marker and its WAIT. Everyone who waits for it drives it, so it goes on if one of them gives up.
#[derive(Debug, Clone)]
struct Round {
    /// The last ticket that it covers.
    covers: u64,
    outcome: Shared<BoxFuture<'static, Result<(), RoundError>>>,
}

#[derive(Debug, Clone)]
struct RoundError {
    error: StoreError,
    /// Whether it concerns the slot of the marker only, and so says nothing about other scripts.
    is_redirection: bool,
}

impl ReplicationWait {
    /// `client` has a connection to the same process as the connection of the scripts, opened before
    /// the first script, and `task` ends it. It must not outlive the other connection: after a
    /// restart, WAIT says nothing about scripts before it.
    pub(super) fn new(client: Client, task: AbortHandle, config: ReplicationConfig) -> Self {
        Self {
            second: Second {
                client,
                task,
                config,
            },
            rounds: Mutex::default(),
        }
    }

    /// Waits until the replicas have everything that scripts whose replies have arrived wrote. `key` is
    /// one of the script's; the marker is in its slot. The caller bounds the wait.
    ///
    /// # Errors
    /// [`StoreError::NotReplicated`] if too few replicas acknowledge it in time, and other errors if
    /// that is unknown. The script has run.
    pub(super) async fn wait(&self, key: &Key) -> Result<(), StoreError> {
        let mut ticket = self.next_ticket();
        loop {
            let (round, is_own) = self.round(ticket, key);
            let outcome = round.outcome.await;
            if round.covers < ticket {
                continue;
            }
            match outcome {
                Err(failed) if failed.is_redirection && !is_own => ticket = self.next_ticket(),
                Err(failed) => return Err(failed.error),
                Ok(()) => return Ok(()),
            }
        }
    }

    fn next_ticket(&self) -> u64 {
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        rounds.tickets += 1;
        rounds.tickets
    }

    /// Returns the round that covers the ticket, or the one under way, after which that one can begin.
    /// Also returns whether it was begun here.
    fn round(&self, ticket: u64, key: &Key) -> (Round, bool) {
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        match &rounds.last {
            Some(last) if last.covers >= ticket || last.outcome.peek().is_none() => {
                (last.clone(), false)
            }
            _ => {
                let (second, key) = (self.second.clone(), key.clone());
                let round = Round {
                    covers: rounds.tickets,
                    outcome: async move { second.mark_and_wait(&key).await }
                        .boxed()
                        .shared(),
                };
                rounds.last = Some(round.clone());
                (round, true)
            }
        }
    }
}

impl Second {
    /// Ends the connection if it is silent: WAIT answers within its own time limit.
    async fn mark_and_wait(&self, key: &Key) -> Result<(), RoundError> {
        let limit = self.config.timeout.mul_f32(1.75);
        let replied = timeout(limit, self.run(key)).await;
        let replied = replied.unwrap_or_else(|_| Err(Error::new(ErrorKind::Timeout, "")));
        let acknowledged = replied.map_err(|error| {
            let class = classify(&error);
            if class == ErrorClass::NoReply {
                tracing::error!("dropping the connection to Redis: no reply to WAIT arrived");
                self.task.abort();
            }
            let error = match class {
                // Not the connection of the script, which has run.
                ErrorClass::ConnectionLost => StoreError::Unavailable(describe(&error)),
                _ => class.into_store_error(&error),
            };
            RoundError {
                error,
                is_redirection: class == ErrorClass::Redirected,
            }
        })?;
        let expected = self.config.replicas.get();
        if acknowledged < u64::from(expected) {
            let reason = format!("{acknowledged} of {expected}");
            return Err(RoundError {
                error: StoreError::NotReplicated(reason),
                is_redirection: false,
            });
        }
        Ok(())
    }

    async fn run(&self, key: &Key) -> Result<u64, Error> {
        let mut marker = key.as_bytes().to_vec();
        marker.extend_from_slice(b":w");
        let pipeline = self.client.pipeline();
        let eval = CustomCommand::new_static("EVAL", ClusterHash::Random, false);
        let words = vec![MARK.into(), 1.into(), Value::Bytes(marker.into())];
        let _: () = pipeline.custom(eval, words).await?;
        let wait = CustomCommand::new_static("WAIT", ClusterHash::Random, false);
        let millis = i64::try_from(self.config.timeout.as_millis()).unwrap_or(i64::MAX);
        let words = vec![
            Value::from(i64::from(self.config.replicas.get())),
            millis.into(),
        ];
        let _: () = pipeline.custom(wait, words).await?;
        let (_, acknowledged): (Value, u64) = pipeline.all().await?;
        Ok(acknowledged)
    }
}
