//! A session in Redis, and the scripts of `src/store/redis/lua` as pure functions.
//!
//! A script is atomic, so each is one function from a session to a session and a reply. Limits,
//! timestamps and formats are left out.

use crate::protocol::{Flaw, Protocol};
use crate::token::{Data, FIRST_DATA, Token};

/// The identity of a write, whatever its number of tries. The script does not know it, unless it is
/// also the txnId. 0 is the creation.
pub type WriteId = u8;

/// One state of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version {
    /// The token.
    pub token: Token,
    /// The payload.
    pub data: Data,
    /// The write that led to this state.
    pub write: WriteId,
}

/// The hash of one session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Session {
    /// Every state so far; the last one is current. The scripts look at the payload of the current
    /// state and at the tokens of the newest five. The properties look at all of it.
    pub versions: Vec<Version>,
    /// The responses to txnIds: a token, or `None` for a conflict.
    pub records: Vec<(WriteId, Option<Token>)>,
}

impl Session {
    /// Returns a session as it is created.
    pub fn new(protocol: Protocol) -> Self {
        let first = Version {
            token: protocol.scheme.first(FIRST_DATA),
            data: FIRST_DATA,
            write: 0,
        };
        Self {
            versions: vec![first],
            records: Vec::new(),
        }
    }

    /// Returns the current state.
    pub fn current(&self) -> Version {
        *self.versions.last().expect("the creation")
    }

    /// Returns the current state with its position.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot_at(self.versions.len() - 1)
    }

    fn snapshot_at(&self, index: usize) -> Snapshot {
        let Version { token, data, .. } = self.versions[index];
        let position = u8::try_from(index).expect("few writes");
        Snapshot {
            position,
            token,
            data,
        }
    }
}

/// A state of a session in a reply. The position, and the payload of replies that have none on the
/// wire, are for the properties only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Snapshot {
    /// Number of writes between the creation and this state.
    pub position: u8,
    /// The token.
    pub token: Token,
    /// The payload.
    pub data: Data,
}

/// A script with its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Script {
    /// `create.lua`.
    Create,
    /// `read.lua`.
    Read {
        /// The token for which the payload is left out.
        known: Option<Token>,
    },
    /// `write.lua`.
    Write {
        /// The write.
        id: WriteId,
        /// The token that the client submitted.
        submitted: Token,
        /// The payload.
        data: Data,
        /// Whether the write carries a txnId.
        has_txn: bool,
    },
    /// `delete.lua`.
    Delete,
}

/// The reply of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// The session was created, now or before.
    Created(Snapshot),
    /// The current state.
    Found(Snapshot),
    /// The client's token is current.
    Unchanged(Snapshot),
    /// Written.
    Written {
        /// The new state.
        new: Snapshot,
        /// The payload that was overwritten.
        overwritten: Data,
    },
    /// The write happened before, or its payload is the current one.
    Retried(Snapshot),
    /// The submitted token is stale. The current state, unless the reply repeats a record.
    Conflict(Option<Snapshot>),
    /// The session existed, and was deleted.
    Deleted,
    /// The session does not exist.
    Gone,
    /// The node refuses writes: READONLY.
    Refused,
}

/// Runs a script on a node's copy of the session. A node that refuses writes is `read_only`.
pub fn run_script(
    protocol: Protocol,
    script: Script,
    session: &mut Option<Session>,
    read_only: bool,
) -> Reply {
    match script {
        // DEL is a write, even if the key does not exist.
        Script::Delete | Script::Create if read_only => Reply::Refused,
        Script::Delete => session.take().map_or(Reply::Gone, |_| Reply::Deleted),
        Script::Create => Reply::Created(session.insert(Session::new(protocol)).snapshot()),
        Script::Read { .. } if read_only && !protocol.has(Flaw::UnfencedRead) => Reply::Refused,
        Script::Read { known } => session.as_ref().map_or(Reply::Gone, |session| {
            let current = session.snapshot();
            if known == Some(current.token) {
                Reply::Unchanged(current)
            } else {
                Reply::Found(current)
            }
        }),
        Script::Write {
            id,
            submitted,
            data,
            has_txn,
        } => {
            let mut copy = session.clone();
            let reply = copy.as_mut().map_or(Reply::Gone, |session| {
                write(protocol, session, id, submitted, data, has_txn)
            });
            let is_fenced = copy != *session || !protocol.has(Flaw::UnfencedWriteReply);
            if read_only && is_fenced {
                return Reply::Refused;
            }
            *session = copy;
            reply
        }
    }
}

/// The part of `write.lua` behind the fence.
fn write(
    protocol: Protocol,
    session: &mut Session,
    id: WriteId,
    submitted: Token,
    data: Data,
    has_txn: bool,
) -> Reply {
    let current = session.snapshot();
    let records_txn = has_txn && !protocol.has(Flaw::TxnNotRecorded);
    if records_txn && let Some((_, response)) = session.records.iter().find(|of| of.0 == id) {
        if response.is_none() {
            return Reply::Conflict(None);
        }
        let by_this = |version: &Version| version.write == id;
        let index = session.versions.iter().position(by_this);
        return Reply::Retried(session.snapshot_at(index.expect("a recorded write")));
    }
    let next = protocol.scheme.next(submitted, data);
    if submitted == current.token || protocol.has(Flaw::BlindWrite) {
        return apply(session, id, next, data, records_txn);
    }
    if has_txn {
        if records_txn {
            session.records.push((id, None));
        }
        return Reply::Conflict(Some(current));
    }
    if data == current.data {
        return Reply::Retried(current);
    }
    // The current token and the remembered ones. Newest first, as in the Lua script.
    let known = session.versions.iter().enumerate().rev();
    let token_only = protocol.matches_retry_by_token_only();
    let mut newest = known.take(protocol.remembered_tokens() + 1);
    let same = newest.find(|(_, known)| known.token == next && (token_only || known.data == data));
    match same {
        Some((index, _)) => Reply::Retried(session.snapshot_at(index)),
        None => Reply::Conflict(Some(current)),
    }
}

/// Makes `data` the current payload. `TwoStepWrite` calls it without a comparison.
pub(crate) fn apply(
    session: &mut Session,
    id: WriteId,
    token: Token,
    data: Data,
    record: bool,
) -> Reply {
    let overwritten = session.current().data;
    session.versions.push(Version {
        token,
        data,
        write: id,
    });
    if record {
        session.records.push((id, Some(token)));
    }
    let new = session.snapshot();
    Reply::Written { new, overwritten }
}
