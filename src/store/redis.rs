//! The Redis store: sessions that outlive every worker, shared by all of them.
//!
//! One hash per session under its own TTL, one script per operation, one index of live sessions in
//! another slot. What it never does: read from a replica or a cache, answer from an unfenced read,
//! or call an unknown outcome a success or a 404. The scripts are in `redis/lua/`, each with its
//! contract at its head.

mod cleanup;
mod connect;
mod fitness;
mod keys;
mod scripts;
mod server;

pub use connect::{ConnectError, RedisSettings};
pub use server::Server;

use crate::model::{Payload, Presented, SequenceToken, SessionId, TOKEN_LEN};
use crate::store::{
    Created, Deleted, NewSession, RECENT_TOKENS, Read, SessionLimits, Store, StoreError,
    StoreState, Write, Written,
};
use crate::telemetry::metrics::Metrics;
use cleanup::{Cleanup, Orphan};
use fred::types::Value;
use keys::Keys;
use scripts::{Reply, Scripts};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Ended leases that one new session sweeps: enough to outrun growth, too few to stall Redis.
const SWEEP: usize = 16;

/// Sessions in Redis. Cheap to share; holds one multiplexed connection per Redis primary.
#[derive(Debug)]
pub struct RedisStore {
    scripts: Arc<Scripts>,
    keys: Keys,
    limits: SessionLimits,
    deadline: Duration,
    cleanup: Cleanup,
}

impl RedisStore {
    /// Starts connecting, for ever and in the background, and returns at once.
    ///
    /// # Errors
    /// [`ConnectError`] where rustls refuses the TLS settings.
    pub fn start(
        settings: &RedisSettings,
        limits: SessionLimits,
        metrics: &Arc<Metrics>,
        stop: &CancellationToken,
    ) -> Result<(Self, watch::Receiver<StoreState>), ConnectError> {
        let client = connect::client(settings)?;
        let scripts = Arc::new(Scripts::new(client.clone(), Arc::clone(metrics)));
        let keys = Keys::new(&settings.prefix);
        let state = connect::supervise(client, settings, limits, &scripts, &keys, metrics, stop);
        let deadline = settings.command_timeout;
        let cleanup = Cleanup::start(&scripts, &keys, deadline, metrics, stop);
        Ok((
            Self {
                scripts,
                keys,
                limits,
                deadline,
                cleanup,
            },
            state,
        ))
    }

    /// One deadline over all round trips of one operation, so that a client never waits for two.
    async fn in_time<T>(
        &self,
        operation: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        tokio::time::timeout(self.deadline, operation)
            .await
            .unwrap_or(Err(StoreError::Timeout))
    }

    async fn take_then_create(&self, new: &NewSession) -> Result<Created, StoreError> {
        // From here until the outcome is known, whatever ends this future leaves an orphan behind.
        let orphan = Orphan::new(&self.cleanup, new.id);
        let hold = self.limits.ttl + self.deadline;
        let taken = self
            .scripts
            .take(
                self.keys.index(),
                vec![
                    keys::member(new.id),
                    millis(hold),
                    number(self.limits.max_live),
                    number(SWEEP as u64),
                ],
            )
            .await?;
        match taken.letter() {
            'T' => {}
            'N' => {
                orphan.disown();
                return Ok(Created::Full {
                    retry_after: taken.millis(0)?,
                });
            }
            _ => return Err(StoreError::BadReply),
        }
        let created = self
            .scripts
            .create(
                self.keys.session(new.id),
                vec![
                    bytes(new.token.as_bytes()),
                    Value::Bytes(new.data.to_bytes()),
                    millis(self.limits.ttl),
                ],
            )
            .await?;
        let expires_in = match created.letter() {
            'C' => created.millis(0)?,
            _ => return Err(StoreError::BadReply),
        };
        orphan.disown();
        Ok(Created::Created { expires_in })
    }

    async fn delete_then_release(
        &self,
        id: SessionId,
        deleted: &mut Option<Deleted>,
    ) -> Result<(), StoreError> {
        let orphan = Orphan::new(&self.cleanup, id);
        let reply = self.scripts.delete(self.keys.session(id), vec![]).await?;
        *deleted = match reply.letter() {
            'D' => Some(Deleted::Deleted),
            // This very call found it, perhaps, at its first try, whose reply was lost: then a 404 would
            // call a success a failure.
            'G' if reply.sent_again => Some(Deleted::Deleted),
            'G' => Some(Deleted::Gone),
            _ => return Err(StoreError::BadReply),
        };
        // A session that was not there has no lease either.
        if *deleted == Some(Deleted::Deleted) {
            let member = vec![keys::member(id)];
            self.scripts.release(self.keys.index(), member).await?;
        }
        orphan.disown();
        Ok(())
    }
}

impl Store for RedisStore {
    async fn create(&self, new: &NewSession) -> Result<Created, StoreError> {
        self.in_time(self.take_then_create(new)).await
    }

    async fn read(&self, id: SessionId, unless: Option<SequenceToken>) -> Result<Read, StoreError> {
        let named = unless.is_some();
        let unless = unless.map_or(Value::from_static_str(""), |token| bytes(token.as_bytes()));
        let reply = self
            .in_time(self.scripts.read(self.keys.session(id), vec![unless]))
            .await?;
        match reply.letter() {
            'F' => Ok(Read::Found {
                token: reply.token(0)?,
                data: reply.payload(1)?,
                expires_in: reply.millis(2)?,
            }),
            'U' if named => Ok(Read::Unchanged {
                expires_in: reply.millis(2)?,
            }),
            'G' => Ok(Read::Gone),
            _ => Err(StoreError::BadReply),
        }
    }

    async fn write(&self, write: &Write) -> Result<Written, StoreError> {
        let (named, next) = match &write.presented {
            Presented::Ours { token, next } => (bytes(token.as_bytes()), bytes(next.as_bytes())),
            Presented::Foreign => (Value::from_static_str(""), Value::from_static_str("")),
        };
        let arguments = vec![
            named,
            next,
            Value::Bytes(write.data.to_bytes()),
            write
                .txn
                .map_or(Value::from_static_str(""), |txn| bytes(txn.as_bytes())),
            number(self.limits.max_txn_ids as u64),
            number((RECENT_TOKENS * TOKEN_LEN) as u64),
        ];
        let reply = self
            .in_time(self.scripts.write(self.keys.session(write.id), arguments))
            .await?;
        match reply.letter() {
            'W' => Ok(Written::Written(reply.token(0)?)),
            'R' => Ok(Written::Retried(reply.token(0)?)),
            'P' if reply.is_empty(0) => Ok(Written::Replayed(None)),
            'P' => Ok(Written::Replayed(Some(reply.token(0)?))),
            'C' => Ok(Written::Conflict),
            'T' => Ok(Written::TxnsFull {
                retry_after: reply.millis(0)?,
            }),
            'G' => Ok(Written::Gone),
            _ => Err(StoreError::BadReply),
        }
    }

    async fn delete(&self, id: SessionId) -> Result<Deleted, StoreError> {
        // The session is gone whatever becomes of its lease, so the client is told so either way.
        let mut deleted = None;
        let outcome = self
            .in_time(self.delete_then_release(id, &mut deleted))
            .await;
        deleted.map_or(outcome.and(Err(StoreError::BadReply)), Ok)
    }

    async fn live(&self) -> Result<u64, StoreError> {
        let reply = self
            .in_time(self.scripts.live(self.keys.index(), vec![]))
            .await?;
        match reply.letter() {
            'L' => reply.number(0),
            _ => Err(StoreError::BadReply),
        }
    }
}

fn bytes(bytes: &[u8]) -> Value {
    Value::Bytes(bytes::Bytes::copy_from_slice(bytes))
}

fn number(number: u64) -> Value {
    Value::String(number.to_string().into())
}

fn millis(duration: Duration) -> Value {
    Value::String(duration.as_millis().to_string().into())
}

/// What the fields of a reply must spell; anything else is a reply that is not ours.
impl Reply {
    fn token(&self, field: usize) -> Result<SequenceToken, StoreError> {
        SequenceToken::parse(self.field(field)).ok_or(StoreError::BadReply)
    }

    fn payload(&self, field: usize) -> Result<Payload, StoreError> {
        Payload::from_stored(self.field(field).clone()).ok_or(StoreError::BadReply)
    }

    fn number(&self, field: usize) -> Result<u64, StoreError> {
        std::str::from_utf8(self.field(field))
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or(StoreError::BadReply)
    }

    fn millis(&self, field: usize) -> Result<Duration, StoreError> {
        self.number(field).map(Duration::from_millis)
    }

    fn is_empty(&self, field: usize) -> bool {
        self.field(field).is_empty()
    }
}
