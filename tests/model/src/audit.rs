//! What the properties need to know of the past. No rule of the protocol reads it.

use crate::client::ClientIndex;
use crate::script::{Snapshot, Version, WriteId};
use crate::token::{Data, Token};

/// Number of writes between the creation and a state, or [`SESSION_ENDED`].
pub type Position = u8;

/// The position behind every state: the session has ended.
pub const SESSION_ENDED: Position = Position::MAX;

/// How the session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// It expired.
    Expired,
    /// This client's DELETE ended it.
    DeletedBy(ClientIndex),
}

/// Facts about the run so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Audit {
    /// The newest position in any response so far. A later request must not get an older one.
    pub floor: Position,
    /// The states that a write was acknowledged with: token and payload of the client.
    pub acknowledged: Vec<(Token, Data)>,
    /// Every state that the session had on any node.
    pub existed: Vec<Version>,
    /// Tokens that were current on the primary and were replaced or deleted.
    pub retired: Vec<Token>,
    /// The writes with a txnId whose recorded response is a conflict.
    pub conflicts: Vec<WriteId>,
    /// Whether the session was created.
    pub created: bool,
    /// How it ended.
    pub ended: Option<End>,
    /// Whether a failover lost something: the new primary lacked a change, or the old one accepted
    /// another after that.
    pub lossy: bool,
}

impl Audit {
    /// Records that a state came into being.
    pub fn exists(&mut self, version: Version) {
        insert(&mut self.existed, version);
    }

    /// Records that a token was replaced.
    pub fn retire(&mut self, token: Token) {
        insert(&mut self.retired, token);
    }

    /// Records that a client's write of `data` was acknowledged with this state.
    pub fn acknowledge(&mut self, state: Snapshot, data: Data) {
        insert(&mut self.acknowledged, (state.token, data));
    }

    /// The tokens that a write was applied with.
    pub fn tokens_of(&self, write: WriteId) -> impl Iterator<Item = Token> {
        let of_write = self.existed.iter().filter(move |of| of.write == write);
        of_write.map(|version| version.token)
    }
}

/// Inserts into a sorted list without duplicates, so that equal pasts are equal states.
fn insert<T: Ord>(list: &mut Vec<T>, item: T) {
    if let Err(at) = list.binary_search(&item) {
        list.insert(at, item);
    }
}
