//! Why a call of a store has no result.

/// The store did not answer; the outcome of a write is unknown. Clients get a 503, never a 404:
/// they take a 404 as the end of the sign-in (docs/protocol.md, R0.3).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store has no connection, or rejects commands for now (loading, read-only, no quorum). The
    /// text may name hosts, so it goes to the log only.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The connection broke before the reply. The call may have run, or run later. For the log only.
    #[error("the connection to the store broke: {0}")]
    ConnectionLost(String),
    /// The store rejects the call until an operator changes something (out of memory, no
    /// permission, an error in a script). The text goes to the log only.
    #[error("the store rejects the call: {0}")]
    Rejected(String),
    /// The call has run, but too few replicas have what it changed (`store.redis.wait_for_replicas`).
    #[error("too few replicas have the change: {0}")]
    NotReplicated(String),
    /// No reply arrived within the command's deadline.
    #[error("the store did not answer in time")]
    Timeout,
    /// A reply belongs to another call, or is not of the expected form.
    #[error("the store sent an invalid reply")]
    BadReply,
}

impl StoreError {
    /// Whether the call may succeed later without an operator: after a failover, a restart or a
    /// reconnect.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_)
            | Self::ConnectionLost(_)
            | Self::NotReplicated(_)
            | Self::Timeout
            | Self::BadReply => true,
            Self::Rejected(_) => false,
        }
    }
}
