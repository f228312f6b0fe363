//! The two devices of a sign-in, and their requests.

use crate::audit::Position;
use crate::redis::{Role, Topology};
use crate::scope::OperationCounts;
use crate::script::{Reply, Script, WriteId};
use crate::token::{Data, Token};

/// The index of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClientIndex {
    /// Device A, which created the session.
    A,
    /// Device B, which scanned the code.
    B,
}

impl ClientIndex {
    /// Both.
    pub const ALL: [Self; 2] = [Self::A, Self::B];
}

/// What a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Create the session.
    Create,
    /// Read it.
    Read,
    /// Overwrite it.
    Write {
        /// The write.
        id: WriteId,
        /// The token to overwrite: the newest that the client has seen.
        over: Token,
        /// The payload that the client has seen with that token.
        believed: Data,
        /// The new payload.
        data: Data,
    },
    /// Delete it.
    Delete,
}

/// A request that was sent and not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one fact of the past"
)]
pub struct Call {
    /// What the client wants.
    pub operation: Operation,
    /// The script that the worker sends.
    pub script: Script,
    /// The worker.
    pub worker: usize,
    /// The reply of Redis, once the script has run; with the role of its node and the topology then.
    pub reply: Option<(Reply, Role, Topology)>,
    /// Whether the worker sent the script before, and did not get the reply.
    pub may_have_run: bool,
    /// Whether the client sent the request before, and did not get the response.
    pub is_retry: bool,
    /// Whether a node refused the script, and the worker went on to the primary.
    pub was_refused: bool,
    /// With a write in two steps: whether the comparison succeeded.
    pub compared: bool,
    /// The newest position that any client had seen when the operation began (for the properties).
    pub floor: Position,
}

/// What a client does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Nothing.
    Idle,
    /// It waits for a response.
    Waiting(Call),
    /// It got a 503, or no response.
    Unanswered(Call),
}

/// A client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    /// The tokens and payloads that it has seen or written, in their order. The last one is what it
    /// believes to be current.
    pub seen: Vec<(Token, Data)>,
    /// Whether it got a 404, or has deleted the session.
    pub over: bool,
    /// The operations that it may still start.
    pub left: OperationCounts,
    /// What it does now.
    pub phase: Phase,
}

impl Client {
    /// Returns the token and payload that the client believes to be current.
    pub fn belief(&self) -> Option<(Token, Data)> {
        self.seen.last().copied()
    }
}
