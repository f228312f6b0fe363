//! Two Redis nodes with asynchronous replication, and scripts that are under way to them.

use crate::client::ClientIndex;
use crate::script::{Script, Session};

/// The index of a node.
pub type NodeIndex = usize;

/// What a node believes to be, which decides if it accepts writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The primary.
    Primary,
    /// A primary that was replaced and does not know yet. It accepts reads and writes; what it
    /// accepts is lost.
    Deposed,
    /// A replica, also one that was a primary. It refuses writes.
    Replica,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    /// Its role.
    pub role: Role,
    /// Its copy of the session.
    pub session: Option<Session>,
}

/// How far the failover has come. There is at most one in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topology {
    /// None yet.
    Initial,
    /// The other node was promoted. Workers do not know.
    Promoted,
    /// The new primary was announced, and workers have left the old one.
    Announced,
    /// The old primary has become a replica of the new one.
    Demoted,
}

/// A script that is still under way to a node although no worker waits for its reply: its connection
/// was given up. It may run at any time, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StrayScript {
    /// The node that it was sent to.
    pub node: NodeIndex,
    /// The client whose request it belongs to.
    pub client: ClientIndex,
    /// The script.
    pub script: Script,
}
