//! The Redis store: sessions that outlive every worker, shared by all of them.
//!
//! One hash per session under its own TTL, one script per operation, one index of live sessions in
//! another slot. What it never does: read from a replica or a cache, answer from an unfenced read,
//! or call an unknown outcome a success or a 404. The scripts are in `redis/lua/`, each with its
//! contract at its head.

mod connection;
mod endpoint;
mod keys;
mod lease;
mod pseudonym_key_cache;
mod reply;
mod rollback;
mod scripts;
mod startup_check;

pub use connection::{ConnectError, RedisSettings};
pub use endpoint::RedisEndpoint;
pub use pseudonym_key_cache::LIFE as KEY_ROTATION;

use crate::clock::Clock;
use crate::model::{SequenceToken, SessionId, SharedPseudonymKey, SubmittedToken};
use crate::store::{
    Created, Deleted, NewSession, ReadRequest, ReadResult, SessionLimits, Store, StoreError,
    StoreState, WithTimestamps, WriteRequest, WriteResult,
};
use crate::telemetry::metrics::Metrics;
use keys::Keys;
use lease::{Leases, Taken};
use reply::ScriptReply;
use rollback::{Cleanup, RollbackGuard};
use scripts::{Argument, Scripts};
use std::pin::{Pin, pin};
use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Sessions in Redis. Cheap to share; holds one multiplexed connection per Redis primary.
#[derive(Debug)]
pub struct RedisStore {
    scripts: Arc<Scripts>,
    keys: Keys,
    limits: SessionLimits,
    deadline: Duration,
    leases: Arc<Leases>,
    cleanup: Cleanup,
}

impl RedisStore {
    /// Starts connecting, for ever and in the background, and returns at once. `secret` becomes the fleet's.
    ///
    /// # Errors
    /// [`ConnectError`] where rustls refuses the TLS settings.
    pub fn start(
        settings: &RedisSettings,
        limits: SessionLimits,
        clock: Clock,
        metrics: &Arc<Metrics>,
        secret: Arc<SharedPseudonymKey>,
        stop: &CancellationToken,
    ) -> Result<(Self, watch::Receiver<StoreState>), ConnectError> {
        let client = connection::client(settings)?;
        let deadline = settings.command_timeout;
        let scripts = Scripts::new(client.clone(), clock, deadline, Arc::clone(metrics));
        let scripts = Arc::new(scripts);
        let keys = Keys::new(&settings.prefix);
        let leases = Leases::new(&scripts, &keys, limits.clone(), deadline, secret);
        let leases = Arc::new(leases);
        let kept = Arc::clone(&leases);
        let keeping = async move { kept.keep_secret().await };
        tokio::spawn(stop.clone().run_until_cancelled_owned(keeping));
        let state = connection::supervise(client, settings, &leases, metrics, stop);
        let cleanup = Cleanup::start(&leases, deadline, metrics, stop);
        Ok((
            Self {
                scripts,
                keys,
                limits,
                deadline,
                leases,
                cleanup,
            },
            state,
        ))
    }

    /// One deadline over both calls of one operation, so that a client never waits for two.
    async fn in_time<T>(
        &self,
        operation: Pin<&mut impl Future<Output = Result<T, StoreError>>>,
    ) -> Result<T, StoreError> {
        tokio::time::timeout(self.deadline, operation)
            .await
            .unwrap_or(Err(StoreError::Timeout))
    }

    async fn take_then_create(
        &self,
        new: &NewSession,
    ) -> Result<WithTimestamps<Created>, StoreError> {
        let request = self.leases.request(&new.owner).await?;
        // From here until the outcome is known, whatever ends this future leaves an orphan behind.
        let orphan = RollbackGuard::new(&self.cleanup, new.id, request.holders.clone());
        let (shadowed, ran_out) = match self.leases.take(new.id, &request).await? {
            Taken::Taken { shadowed, ended } => (shadowed, ended),
            Taken::Refused(exceeded) => {
                orphan.disown();
                return Ok(WithTimestamps::without(Created::Refused(exceeded)));
            }
        };
        let session = [
            Argument::Bytes(new.token.as_bytes()),
            Argument::Payload(&new.data),
            millis(self.limits.ttl),
            Argument::Bytes(request.holders.as_bytes()),
            DATES,
        ];
        let key = self.keys.session(new.id);
        let asked = session.len() - usize::from(!new.dates);
        let created = |reply: ScriptReply| {
            let dates = reply.dates(new.dates)?;
            let expires_in = match reply.letter {
                'C' => reply.millis()?,
                _ => return Err(StoreError::BadReply),
            };
            let answer = Created::Created {
                expires_in,
                shadowed,
                ran_out,
            };
            Ok(WithTimestamps { answer, dates })
        };
        let created = self
            .scripts
            .create(from_ref(&key), &session[..asked], created)
            .await?;
        orphan.disown();
        Ok(created)
    }

    /// Until the first call is answered nothing has happened; from then on whatever ends this future leaves an
    /// orphan behind.
    async fn delete_then_release(
        &self,
        id: SessionId,
        deleted: &mut Option<Deleted>,
    ) -> Result<(), StoreError> {
        let holders = self.leases.holders(id).await?;
        let orphan = RollbackGuard::new(&self.cleanup, id, holders.clone());
        let outcome = self.leases.end(id).await?;
        *deleted = Some(outcome);
        // A session that was not there has no lease either.
        if outcome == Deleted::Deleted {
            self.leases.release(id, &holders).await?;
        }
        orphan.disown();
        Ok(())
    }
}

impl Store for RedisStore {
    async fn create(&self, new: &NewSession) -> Result<WithTimestamps<Created>, StoreError> {
        self.in_time(pin!(self.take_then_create(new))).await
    }

    async fn read(&self, look: &ReadRequest) -> Result<WithTimestamps<ReadResult>, StoreError> {
        let key = self.keys.session(look.id);
        let asked = [optional(look.unless.as_ref()), DATES];
        let asked = match (look.unless, look.dates) {
            (None, false) => &asked[..0],
            (Some(_), false) => &asked[..1],
            (_, true) => &asked[..],
        };
        let read = |reply: ScriptReply| {
            let dates = reply.dates(look.dates && reply.letter != 'G')?;
            let answer = match reply.letter {
                'F' | 'N' => {
                    let unanswered = reply.letter == 'N';
                    let (token, expires_in, data) = reply.state()?;
                    ReadResult::Found {
                        data,
                        token,
                        expires_in,
                        unanswered,
                    }
                }
                'U' if look.unless.is_some() => ReadResult::Unchanged {
                    expires_in: reply.left()?,
                },
                'G' => reply.bare(ReadResult::Gone)?,
                _ => return Err(StoreError::BadReply),
            };
            Ok(WithTimestamps { answer, dates })
        };
        self.scripts.read(from_ref(&key), asked, read).await
    }

    async fn write(&self, write: &WriteRequest) -> Result<WithTimestamps<WriteResult>, StoreError> {
        let (named, next) = match write.presented {
            SubmittedToken::Parsed { token, next } => (Some(token), Some(next)),
            SubmittedToken::Unknown => (None, None),
        };
        let asked = [
            optional(named.as_ref()),
            optional(next.as_ref()),
            Argument::Payload(&write.data),
            Argument::Number(self.limits.max_writes),
            Argument::Bytes(write.txn.as_ref().map_or(b"", |txn| txn.as_bytes())),
            Argument::Number(self.limits.max_txn_ids as u64),
            DATES,
        ];
        let asked = match (write.txn, write.dates) {
            (None, false) => &asked[..4],
            (Some(_), false) => &asked[..6],
            (_, true) => &asked[..],
        };
        let key = self.keys.session(write.id);
        let read = |reply: ScriptReply| {
            let dates = reply.dates(write.dates && reply.letter != 'G')?;
            let answer = match (reply.letter, next) {
                ('W', Some(token)) => WriteResult::Written {
                    token,
                    progress: reply.progress()?,
                },
                ('R', _) => WriteResult::Retried(reply.token()?),
                ('P', _) => WriteResult::Replayed(reply.optional_token()?),
                ('C', _) => WriteResult::Conflict(reply.token()?),
                ('T', _) => WriteResult::TxnsFull {
                    retry_after: reply.millis()?,
                },
                ('F', _) => WriteResult::WritesFull {
                    retry_after: reply.millis()?,
                },
                ('G', _) => reply.bare(WriteResult::Gone)?,
                _ => return Err(StoreError::BadReply),
            };
            Ok(WithTimestamps { answer, dates })
        };
        self.scripts.write(from_ref(&key), asked, read).await
    }

    async fn delete(&self, id: SessionId) -> Result<Deleted, StoreError> {
        // The session is gone whatever becomes of its lease, so the client is told so either way.
        let mut deleted = None;
        let outcome = {
            let both = pin!(self.delete_then_release(id, &mut deleted));
            self.in_time(both).await
        };
        deleted.map_or(outcome.and(Err(StoreError::BadReply)), Ok)
    }

    async fn live(&self) -> Result<u64, StoreError> {
        let counted = |reply: ScriptReply| match reply.letter {
            'L' => reply.number(),
            _ => Err(StoreError::BadReply),
        };
        let index = from_ref(self.keys.index());
        self.scripts.live(index, &[], counted).await
    }
}

/// Asks for a session's dates.
const DATES: Argument<'static> = Argument::Bytes(b"dates");

fn optional(token: Option<&SequenceToken>) -> Argument<'_> {
    Argument::Bytes(token.map_or(b"", |token| token.as_bytes()))
}

fn millis(duration: Duration) -> Argument<'static> {
    Argument::Number(duration.as_millis().try_into().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use crate::model::TOKEN_LEN;
    use crate::store::RECENT_TOKENS;

    #[test]
    fn the_scripts_and_the_model_agree_about_tokens() {
        let kept = format!(
            "TOKEN, TOKENS = {TOKEN_LEN}, {TOKEN_LEN} * {}\n",
            RECENT_TOKENS + 1
        );
        assert!(include_str!("redis/lua/write.lua").contains(&kept));
        let current = format!("string.sub(tokens, 1, {TOKEN_LEN})");
        assert!(include_str!("redis/lua/read.lua").contains(&current));
    }
}
