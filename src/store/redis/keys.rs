//! The names of things in Redis.

use crate::model::SessionId;
use fred::types::Key;
use sha2::{Digest, Sha256};

/// Bytes of an id's hash in the index: 96 bits tell ten thousand live sessions apart, and an index
/// that leaks does not leak ids.
const MEMBER_BYTES: usize = 12;

/// Keys under one prefix. Braces mark the Redis Cluster hash tag: every session has a slot of its
/// own, and the index another.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefix: String,
    index: Key,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            index: format!("{prefix}{{lease}}:live").into(),
        }
    }

    /// `<prefix>s:{<id>}`: the hash that is one session.
    pub(super) fn session(&self, id: SessionId) -> Key {
        let mut key = String::with_capacity(self.prefix.len() + SessionId::LEN + 4);
        key.push_str(&self.prefix);
        key.push_str("s:{");
        id.with_str(|id| key.push_str(id));
        key.push('}');
        key.into()
    }

    /// `<prefix>{lease}:live`: the sorted set of live sessions.
    pub(super) fn index(&self) -> &Key {
        &self.index
    }
}

/// A session's name in the index.
pub(super) fn member(id: SessionId) -> [u8; MEMBER_BYTES] {
    let mut member = [0; MEMBER_BYTES];
    member.copy_from_slice(&Sha256::digest(id.as_bytes())[..MEMBER_BYTES]);
    member
}
