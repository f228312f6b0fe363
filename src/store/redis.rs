//! The Redis store: sessions shared by all replicas, which outlive every one of them.
//!
//! One hash per session with its own TTL, one script per operation, and one index of live sessions
//! in another slot. This store never reads from a Redis replica or a cache, never returns an
//! unfenced read, and never reports an unknown outcome as a success or a 404. The scripts are in
//! `redis/lua/`, each with its contract at its head.

mod address;
mod argument;
mod build;
mod call_permits;
mod change_channel;
mod change_feed;
mod check_report;
mod checks;
mod cluster;
mod connection;
mod create_delete;
mod dial;
mod endpoint;
mod error_kind;
mod error_text;
#[cfg(fuzzing)]
pub mod fuzzing;
mod keys;
mod lease;
mod listing;
mod node;
mod outage_log;
mod pseudonym_key_cache;
mod reconnect_pause;
mod replication;
mod reply;
mod retry;
mod rollback;
mod script;
mod script_check;
mod scripts;
mod sentinel;
mod server_info;
mod slot_map;
mod source;
mod startup_check;
mod supervisor;
mod survey;
mod topology;
mod url;

pub use address::Address;
pub use build::RedisSettings;
pub use endpoint::{ConnectError, RedisEndpoint};
pub use source::RedisSource;
pub use survey::{RedisSurvey, SurveyedServer, WriteProbe};
pub use url::{Layout, RedisUrlError};

use crate::model::{SequenceToken, SessionId, SubmittedToken};
use crate::store::{
    Changes, CreateResult, DeleteResult, NewSession, ReadRequest, ReadResult, SessionLimits, Store,
    StoreError, StoreProblems, WithTimestamps, WriteRequest, WriteResult,
};
use argument::Argument;
use keys::Keys;
use lease::Leases;
use reply::ScriptReply;
use rollback::RollbackQueue;
use scripts::Scripts;
use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;

/// The sessions in Redis. Cheap to share. It holds one multiplexed connection per Redis primary,
/// a second one if it waits for replicas, and one more to a single primary for the changes that other
/// workers make.
#[derive(Debug)]
pub struct RedisStore {
    scripts: Arc<Scripts>,
    keys: Keys,
    limits: SessionLimits,
    deadline: Duration,
    leases: Arc<Leases>,
    rollback: RollbackQueue,
    problems: Arc<StoreProblems>,
    changes: Arc<Changes>,
}

impl Store for RedisStore {
    async fn create(&self, new: &NewSession) -> Result<WithTimestamps<CreateResult>, StoreError> {
        self.create_session(new).await
    }

    async fn read(&self, request: &ReadRequest) -> Result<WithTimestamps<ReadResult>, StoreError> {
        let key = self.keys.session(request.id);
        let arguments = [
            token_or_empty(request.if_none_match.as_ref()),
            Argument::timestamps(request.timestamps),
            Argument::Bytes(b"peer"),
        ];
        let arguments = match (request.if_none_match, request.timestamps) {
            _ if request.track_peer => &arguments[..],
            (None, false) => &arguments[..0],
            (Some(_), false) => &arguments[..1],
            (_, true) => &arguments[..2],
        };
        let parse = |reply: ScriptReply| {
            let timestamps = reply.timestamps(request.timestamps && reply.status != 'G')?;
            let result = match reply.status {
                'F' | 'N' => {
                    let never_written = reply.status == 'N';
                    let (token, expires_in, data) = reply.session_state()?;
                    ReadResult::Found {
                        data,
                        token,
                        expires_in,
                        never_written,
                    }
                }
                'U' | 'V' | 'O' if request.if_none_match.is_some() => ReadResult::Unchanged {
                    expires_in: reply.ttl()?,
                    never_written: reply.status != 'U',
                    is_one_sided: reply.status == 'O',
                },
                'G' => reply.expect_empty(ReadResult::Gone)?,
                _ => return Err(StoreError::BadReply),
            };
            Ok(WithTimestamps { result, timestamps })
        };
        self.scripts.read(from_ref(&key), arguments, parse).await
    }

    async fn write(&self, write: &WriteRequest) -> Result<WithTimestamps<WriteResult>, StoreError> {
        let (named, next) = match write.token {
            SubmittedToken::Parsed { token, next } => (Some(token), Some(next)),
            SubmittedToken::Unknown => (None, None),
        };
        let arguments = [
            token_or_empty(named.as_ref()),
            token_or_empty(next.as_ref()),
            Argument::Payload(&write.data),
            Argument::Number(self.limits.max_writes),
            self.keys.changes().argument(),
            Argument::Bytes(write.txn.as_ref().map_or(b"", |txn| txn.as_bytes())),
            Argument::Number(self.limits.max_txn_ids as u64),
            Argument::TIMESTAMPS,
        ];
        let arguments = match (write.txn, write.timestamps) {
            (None, false) => &arguments[..5],
            (Some(_), false) => &arguments[..7],
            (_, true) => &arguments[..],
        };
        let key = self.keys.session(write.id);
        let parse = |reply: ScriptReply| {
            let timestamps = reply.timestamps(write.timestamps && reply.status != 'G')?;
            let result = match (reply.status, next) {
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
                ('G', _) => reply.expect_empty(WriteResult::Gone)?,
                _ => return Err(StoreError::BadReply),
            };
            Ok(WithTimestamps { result, timestamps })
        };
        let written = self.scripts.write(from_ref(&key), arguments, parse).await;
        // A retry too: its first try may have written, and its reply was lost.
        if matches!(
            &written,
            Ok(WithTimestamps {
                result: WriteResult::Written { .. } | WriteResult::Retried(_),
                ..
            })
        ) {
            self.changes.report(write.id);
        }
        written
    }

    async fn delete(&self, id: SessionId) -> Result<DeleteResult, StoreError> {
        let deleted = self.delete_session(id).await;
        if deleted.is_ok() {
            self.changes.report(id);
        }
        deleted
    }

    async fn live(&self) -> Result<u64, StoreError> {
        let parse_count = |reply: ScriptReply| match reply.status {
            'L' => reply.number(),
            _ => Err(StoreError::BadReply),
        };
        let index = from_ref(self.keys.live_index());
        self.scripts.count_live(index, &[], parse_count).await
    }

    fn changes(&self) -> &Changes {
        &self.changes
    }

    fn refuses_writes(&self) -> bool {
        self.problems.write_refusal().is_some()
    }
}

fn token_or_empty(token: Option<&SequenceToken>) -> Argument<'_> {
    Argument::Bytes(token.map_or(b"", |token| token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::keys::PrincipalKey;
    use crate::model::TOKEN_LEN;
    use crate::store::{LAST_POLLS, RECENT_TOKENS};

    #[test]
    fn scripts_use_the_numbers_of_the_model() {
        let kept = format!(
            "TOKEN, TOKENS = {TOKEN_LEN}, {TOKEN_LEN} * {}\n",
            RECENT_TOKENS + 1
        );
        assert!(include_str!("redis/lua/write.lua").contains(&kept));
        let current = format!("string.sub(tokens, 1, {TOKEN_LEN})");
        assert!(include_str!("redis/lua/read.lua").contains(&current));
        let last_polls = format!("ttl < {} ", LAST_POLLS.as_millis());
        assert!(include_str!("redis/lua/read.lua").contains(&last_polls));
        let principal = format!("'(.)({})'", ".".repeat(PrincipalKey::LEN - 1));
        assert!(include_str!("redis/lua/delete_with_lease.lua").contains(&principal));
    }
}
