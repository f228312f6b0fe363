//! Where sessions live: one trait, two stores.
//!
//! For the use cases in `session`, which know neither store, and for `app`, which picks one. A store
//! knows no dialect, no HTTP status and no client; whatever must be atomic happens inside one call.

pub mod memory;
pub mod observed;
mod quotas;
pub mod redis;

pub use quotas::{CurrentShares, SessionLimits, Share, Shares};

use crate::lifecycle::BackgroundTask;
use crate::model::{LimitExceeded, LimitSet};
use crate::model::{Owner, Payload, SequenceToken, SessionId, SubmittedToken, TxnKey};
use std::future::Future;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;

/// Keeps sessions, and decides about each write in one atomic step.
///
/// Every method may be called again after an error or after its future was dropped: running any of
/// them twice leaves what running it once leaves (docs/adr/0002-idempotent-writes.md).
pub trait Store: Send + Sync + 'static {
    /// Takes a place among the live sessions, then creates one.
    ///
    /// # Errors
    /// [`StoreError`]: whether the session exists is unknown; the store removes it in the background,
    /// and its TTL is the backstop.
    fn create(
        &self,
        new: &NewSession,
    ) -> impl Future<Output = Result<WithTimestamps<CreateResult>, StoreError>> + Send;

    /// Reads a session, as it is after every write acknowledged so far (linearizable).
    ///
    /// # Errors
    /// [`StoreError`]: nothing is known of the session.
    fn read(
        &self,
        look: &ReadRequest,
    ) -> impl Future<Output = Result<WithTimestamps<ReadResult>, StoreError>> + Send;

    /// Compares and swaps, or recognises a write that happened before.
    ///
    /// # Errors
    /// [`StoreError`]: the write may or may not have happened; sending it again is harmless and tells.
    fn write(
        &self,
        write: &WriteRequest,
    ) -> impl Future<Output = Result<WithTimestamps<WriteResult>, StoreError>> + Send;

    /// Ends a session and gives its place back.
    ///
    /// # Errors
    /// [`StoreError`]: the session may or may not be gone.
    fn delete(
        &self,
        id: SessionId,
    ) -> impl Future<Output = Result<DeleteResult, StoreError>> + Send;

    /// How many sessions are live, over all replicas.
    ///
    /// # Errors
    /// [`StoreError`]: the store could not be asked.
    fn live(&self) -> impl Future<Output = Result<u64, StoreError>> + Send;
}

/// When a session was last written and when it ends, in time of day by the store's clock, which is one
/// for all replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamps {
    /// The creation, or the last write.
    pub modified: SystemTime,
    /// Fixed at creation.
    pub expires: SystemTime,
}

/// What a call answers, and the dates of the session, where they were asked for and it lives. (They are
/// told on demand, since most calls do without, and they are a tenth of what Redis does for one.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WithTimestamps<T> {
    /// The answer.
    pub result: T,
    /// The dates.
    pub timestamps: Option<Timestamps>,
}

impl<T> WithTimestamps<T> {
    /// An answer without dates.
    pub fn without_timestamps(result: T) -> Self {
        Self {
            result,
            timestamps: None,
        }
    }
}

/// A session to create.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// A fresh random id.
    pub id: SessionId,
    /// `SequenceToken::first` of the id and the payload.
    pub token: SequenceToken,
    /// The first payload.
    pub data: Payload,
    /// Whose it is.
    pub owner: Owner,
    /// Whether its dates are wanted.
    pub timestamps: bool,
}

/// What became of a [`NewSession`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateResult {
    /// It lives.
    Created {
        /// Time until it ends, by the store's clock.
        expires_in: Duration,
        /// Limits in shadow mode that would have refused it.
        shadowed: LimitSet,
        /// Sessions that had run out, and that this call was the first to notice.
        expired: u64,
    },
    /// A limit refuses it. Nothing was stored, and nobody was evicted.
    Rejected(LimitExceeded),
}

/// A look at one session.
#[derive(Debug, Clone, Copy)]
pub struct ReadRequest {
    /// The session.
    pub id: SessionId,
    /// Where the token is still this one, the payload is spared.
    pub if_none_match: Option<SequenceToken>,
    /// Whether its dates are wanted.
    pub timestamps: bool,
}

/// What a read saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadResult {
    /// The session's state.
    Found {
        /// The payload.
        data: Payload,
        /// The token of this state.
        token: SequenceToken,
        /// Time until the session ends, by the store's clock.
        expires_in: Duration,
        /// Whether it was not written since its creation.
        never_written: bool,
    },
    /// The token is still the one that the caller named.
    Unchanged {
        /// Time until the session ends, by the store's clock.
        expires_in: Duration,
    },
    /// No such session lives.
    Gone,
}

/// One write to one session.
#[derive(Debug, Clone)]
pub struct WriteRequest {
    /// The session.
    pub id: SessionId,
    /// The token that the client named, and the one that the write yields.
    pub token: SubmittedToken,
    /// The new payload.
    pub data: Payload,
    /// Where given, the record of this txnId alone decides about a repeated write.
    pub txn: Option<TxnKey>,
    /// Whether the session's dates are wanted.
    pub timestamps: bool,
}

/// What became of a [`WriteRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteResult {
    /// The payload is stored.
    Written {
        /// The session's new token.
        token: SequenceToken,
        /// How far the session is with that.
        progress: Progress,
    },
    /// The write had happened before, or changes nothing: this token answers it.
    Retried(SequenceToken),
    /// The txnId was answered before, and is answered alike: with a token, or a conflict.
    Replayed(Option<SequenceToken>),
    /// The token was stale; this one is current. Nothing changed (but for the record of a txnId).
    Conflict(SequenceToken),
    /// The session has recorded as many txnIds as it may. Nothing changed.
    TxnsFull {
        /// Time until the session ends: until then no new txnId is taken.
        retry_after: Duration,
    },
    /// The session has been written as often as it may be. Nothing changed.
    WritesFull {
        /// Time until the session ends: until then nothing more is taken.
        retry_after: Duration,
    },
    /// No such session lives.
    Gone,
}

/// How far a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// How often it was written.
    pub writes: u64,
    /// With the first write the time since its creation, by the store's clock.
    pub time_to_first_write: Option<Duration>,
}

/// What became of a delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteResult {
    /// The session lived, and is gone now. Where the call had to be sent twice, it may have been gone
    /// before the first.
    Deleted,
    /// No such session lived.
    Gone,
}

/// The store could not answer; a write's outcome is unknown. To a client this is a 503, never a 404:
/// it would take a 404 for the end of its sign-in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no connection to the store, or it refuses commands (loading, read-only, no quorum,
    /// out of memory). The text is the store's own and may name hosts: for the log only.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// No answer came within the command's deadline.
    #[error("the store did not answer in time")]
    Timeout,
    /// An answer came that is not ours, or not of the expected form.
    #[error("the store's reply made no sense")]
    BadReply,
}

/// A store, and what runs and reports beside it.
#[derive(Debug)]
pub struct StoreParts<S> {
    /// The store.
    pub store: S,
    /// Whether the store may be served from.
    pub state: watch::Receiver<StoreState>,
    /// The tasks that the store needs until the process ends. Without them it may not work.
    pub tasks: Vec<BackgroundTask>,
}

/// Whether the store may be served from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreState {
    /// The first connection is still being made; why it is not there yet, where that is known.
    Connecting(Option<String>),
    /// Reached, but configured so that sign-ins would be lost; one line per reason.
    Unfit(Vec<String>),
    /// Reached once and found fit. An outage later does not take this back: every replica would
    /// leave the load balancer at once, and the error bodies with them.
    Ready,
}

/// How many past tokens a session remembers, to recognise the retry of a write that its peer has
/// answered since. Whoever waits for an answer writes nothing else, and a peer that writes again before
/// it is read overwrites its own message: one write lies between, and four are remembered.
pub const RECENT_TOKENS: usize = 4;
