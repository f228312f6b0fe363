//! Where sessions are kept: the trait [`Store`], with one store in memory and one in Redis.
//!
//! For the use cases in `session`, which know neither store, and for `app`, which selects one. A
//! store knows no dialect, no HTTP status and no client. Everything that must be atomic happens
//! inside one call.

mod changes;
mod error;
mod identity;
mod listing;
pub mod memory;
pub mod observed;
pub mod redis;
mod session_limits;
mod state;
mod timestamps;

pub use changes::{ChangeMark, ChangeWatcher, Changes};
pub use error::StoreError;
pub use identity::StoreIdentity;
pub use listing::{ListSessions, ListedSession, SessionPage};
pub use session_limits::{CurrentShares, Sampler, SessionLimits, Share, Shares, WideShares};
pub use state::{StoreProblems, StoreState};
pub use timestamps::{Timestamps, WithTimestamps};

use crate::lifecycle::BackgroundTask;
use crate::model::{LimitExceeded, LimitSet};
use crate::model::{Owner, Payload, SequenceToken, SessionId, SubmittedToken, TxnKey};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Keeps sessions, and decides about each write in one atomic step.
///
/// Every method but `create` is idempotent: it may be called again after an error, or after its future
/// was dropped (docs/adr/0002-idempotent-writes.md).
pub trait Store: Send + Sync + 'static {
    /// Acquires a lease, then creates the session: if the connection broke, under another id. Takes
    /// each id once: after an error, what it may have created is deleted in the background.
    ///
    /// # Errors
    /// [`StoreError`] if it is unknown whether the session exists. If the deletion in the background
    /// fails, its TTL ends it.
    fn create(
        &self,
        new: &NewSession,
    ) -> impl Future<Output = Result<WithTimestamps<CreateResult>, StoreError>> + Send;

    /// Reads a session. The read is linearizable: it sees every write acknowledged before.
    ///
    /// # Errors
    /// [`StoreError`] if the session could not be read.
    fn read(
        &self,
        request: &ReadRequest,
    ) -> impl Future<Output = Result<WithTimestamps<ReadResult>, StoreError>> + Send;

    /// Compares and swaps the payload, or recognises a write that happened before.
    ///
    /// # Errors
    /// [`StoreError`] if it is unknown whether the write happened. A repeated call is harmless and
    /// returns the outcome.
    fn write(
        &self,
        write: &WriteRequest,
    ) -> impl Future<Output = Result<WithTimestamps<WriteResult>, StoreError>> + Send;

    /// Deletes a session and releases its lease.
    ///
    /// # Errors
    /// [`StoreError`] if it is unknown whether the session still exists.
    fn delete(
        &self,
        id: SessionId,
    ) -> impl Future<Output = Result<DeleteResult, StoreError>> + Send;

    /// Returns the number of live sessions, over all replicas.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    fn live(&self) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Returns where the store reports changes of its sessions, those of all replicas included.
    fn changes(&self) -> &Changes;

    /// Returns whether the store refused its last write probe, so that no session can be created.
    fn refuses_writes(&self) -> bool {
        false
    }
}

/// A session to create.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// A fresh random id. [`CreateResult::Created`] has the session's own.
    pub id: SessionId,
    /// `SequenceToken::first` of the id and the payload.
    pub token: SequenceToken,
    /// The first payload.
    pub data: Payload,
    /// The creator. Its shares count the session.
    pub owner: Owner,
    /// Whether to return the session's timestamps.
    pub timestamps: bool,
}

/// The result of [`Store::create`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateResult {
    /// The session was created, or had been created by an earlier attempt of this call.
    Created {
        /// The session's id, which may be another than the requested one.
        id: SessionId,
        /// The session's first token.
        token: SequenceToken,
        /// Time until the session expires, by the store's clock.
        expires_in: Duration,
        /// Limits in shadow mode that would have rejected the session.
        shadowed: LimitSet,
        /// Expired sessions that this call was the first to notice.
        expired: u64,
    },
    /// A limit rejected the session. Nothing was stored, and no session was evicted.
    Rejected(LimitExceeded),
}

/// A read of one session.
#[derive(Debug, Clone, Copy)]
pub struct ReadRequest {
    /// The session.
    pub id: SessionId,
    /// If the session's current token equals this one, the payload is not returned.
    pub if_none_match: Option<SequenceToken>,
    /// Whether to return the session's timestamps.
    pub timestamps: bool,
    /// Whether to find out if the other device reads the session: a read without `if_none_match` is
    /// that device, one with it a poll. It holds only for a dialect in which polls name a token.
    pub track_peer: bool,
}

/// The result of [`Store::read`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadResult {
    /// The session's state.
    Found {
        /// The payload.
        data: Payload,
        /// The token of this state.
        token: SequenceToken,
        /// Time until the session expires, by the store's clock.
        expires_in: Duration,
        /// Whether the session was never written since its creation.
        never_written: bool,
    },
    /// The current token equals the request's `if_none_match`.
    Unchanged {
        /// Time until the session expires, by the store's clock.
        expires_in: Duration,
        /// Whether the session was never written since its creation.
        never_written: bool,
        /// Whether this is the first of the session's [`LAST_POLLS`], and the other device has
        /// neither read nor written it. False unless the request has `track_peer`.
        is_one_sided: bool,
    },
    /// The session does not exist, or no longer.
    Gone,
}

/// A write to one session.
#[derive(Debug, Clone)]
pub struct WriteRequest {
    /// The session.
    pub id: SessionId,
    /// The token that the client submitted, and the token that the write results in.
    pub token: SubmittedToken,
    /// The new payload.
    pub data: Payload,
    /// The txnId, if the client sent one. Its record alone then decides whether this is a repeated
    /// write.
    pub txn: Option<TxnKey>,
    /// Whether to return the session's timestamps.
    pub timestamps: bool,
}

/// The result of [`Store::write`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteResult {
    /// The payload is stored.
    Written {
        /// The session's new token.
        token: SequenceToken,
        /// The progress of the session after this write.
        progress: Progress,
    },
    /// The write happened before, or changes nothing. The response to it is this token.
    Retried(SequenceToken),
    /// The txnId has a recorded response, which is repeated: a token, or `None` for a conflict.
    Replayed(Option<SequenceToken>),
    /// The submitted token is stale; this one is current. Nothing changed, but the record of a
    /// txnId.
    Conflict(SequenceToken),
    /// The session has recorded `session.max_txn_ids` txnIds. Nothing changed.
    TxnsFull {
        /// Time until the session expires. Until then it accepts no new txnId.
        retry_after: Duration,
    },
    /// The session has been written `session.max_writes` times. Nothing changed.
    WritesFull {
        /// Time until the session expires. Until then it accepts no write.
        retry_after: Duration,
    },
    /// The session does not exist, or no longer.
    Gone,
}

/// The progress of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Number of writes since the creation.
    pub writes: u64,
    /// Time from the write before this one, or from the creation, to this one, by the store's clock.
    pub step: Duration,
}

/// The result of [`Store::delete`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteResult {
    /// The session was deleted. If the call was sent to Redis twice, it may have been gone before.
    Deleted,
    /// The session did not exist.
    Gone,
}

/// A store, its state, and the tasks that it needs.
#[derive(Debug)]
pub struct StoreParts<S> {
    /// The store.
    pub store: S,
    /// Whether the store is fit to serve requests.
    pub state: watch::Receiver<StoreState>,
    /// What is wrong with the store now, beside its state.
    pub problems: Arc<StoreProblems>,
    /// Which store it is, for a comparison of replicas.
    pub identity: Arc<StoreIdentity>,
    /// The tasks that the store needs until the process ends. Without them it may not work.
    pub tasks: Vec<BackgroundTask>,
}

/// Number of earlier tokens that a session remembers, to recognise the retry of a write that the
/// peer has answered since (docs/protocol.md, R1.23).
///
/// A device that waits for an answer writes nothing else. A peer that writes twice before its first
/// message was read overwrites its own message. So one write lies between the write and its retry,
/// and four are remembered.
pub const RECENT_TOKENS: usize = 4;

/// Time before a session's expiry in which a poll shows that a device waited to the end. Both released
/// SDKs poll once a second, plus a round trip.
pub const LAST_POLLS: Duration = Duration::from_secs(3);
