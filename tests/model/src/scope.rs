//! The bounds of an exploration: what clients do, and what may fail.

use crate::protocol::Protocol;

/// Number of operations that one client starts, by kind. Tries do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct OperationCounts {
    /// Writes.
    pub writes: u8,
    /// Reads.
    pub reads: u8,
    /// Deletions.
    pub deletes: u8,
}

/// The kind of failover that may happen once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failover {
    /// No failover.
    None,
    /// The old primary stops, the replica catches up, then it is promoted: `CLUSTER FAILOVER`.
    Lossless,
    /// The replica is promoted as it is. The old primary may still accept scripts until it is
    /// demoted: a crash, a pause or a partition, and `SENTINEL FAILOVER`.
    Lossy,
}

/// A protocol within a scope: what stateright explores.
#[derive(Clone, Copy, Debug)]
pub struct Rendezvous {
    /// The rules.
    pub protocol: Protocol,
    /// The bounds.
    pub scope: Scope,
}

/// What an exploration contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one switch of the exploration"
)]
pub struct Scope {
    /// What each client starts.
    pub clients: [OperationCounts; 2],
    /// Whether the run begins with the creation. Otherwise the session exists, and both clients have
    /// read it.
    pub begins_with_creation: bool,
    /// Number of workers. Without a failover, all workers behave alike, so one is enough.
    pub workers: usize,
    /// Number of lost requests, replies and responses, and of broken connections.
    pub faults: u8,
    /// Whether a script whose connection was given up may still run later.
    pub late_scripts: bool,
    /// The failover.
    pub failover: Failover,
    /// Whether the replica may lack the session at the start (for a lost creation).
    pub replica_may_be_empty: bool,
    /// Whether the session may expire.
    pub expiry: bool,
    /// Whether writes carry a txnId.
    pub txns: bool,
    /// Whether all writes have the same payload. Otherwise all are different.
    pub equal_data: bool,
}

impl Scope {
    /// Returns a scope without failover, expiry and late scripts: only requests and replies are
    /// lost.
    pub const fn stable(clients: [OperationCounts; 2], faults: u8) -> Self {
        Self {
            clients,
            begins_with_creation: false,
            workers: 1,
            faults,
            late_scripts: false,
            failover: Failover::None,
            replica_may_be_empty: false,
            expiry: false,
            txns: false,
            equal_data: false,
        }
    }

    /// Returns a scope with a failover and two workers.
    pub const fn failover(failover: Failover, clients: [OperationCounts; 2], faults: u8) -> Self {
        Self {
            workers: 2,
            failover,
            ..Self::stable(clients, faults)
        }
    }
}
