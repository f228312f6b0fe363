//! The names of things in Redis.

use crate::model::SessionId;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fred::types::Key;
use sha2::{Digest, Sha256};
use std::iter;

/// Bytes of an id's hash in the index: 96 bits tell ten thousand live sessions apart, and an index
/// that leaks does not leak ids.
const MEMBER_BYTES: usize = 12;

/// Bytes of a principal's hash, of which base64 makes 16: what is true of ids is true of them.
const PRINCIPAL_HASH_BYTES: usize = 12;

/// Keys under one prefix. Braces mark the Redis Cluster hash tag: every session has a slot of its
/// own, and whatever is about leases another.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefix: String,
    live_index: Key,
    pseudonym_key: Key,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            live_index: format!("{prefix}{{lease}}:live").into(),
            pseudonym_key: format!("{prefix}{{lease}}:secret").into(),
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
    pub(super) fn live_index(&self) -> &Key {
        &self.live_index
    }

    /// `<prefix>{lease}:secret`: what principals are hashed by.
    pub(super) fn pseudonym_key(&self) -> &Key {
        &self.pseudonym_key
    }

    /// The index, and then `<prefix>{lease}:<kind>:<hash>` of each principal: the sorted set of its live
    /// sessions.
    pub(super) fn lease_keys(&self, principals: &PrincipalKeys) -> Vec<Key> {
        let own = principals
            .iter()
            .map(|principal| self.principal_key(principal, ""));
        iter::once(self.live_index.clone()).chain(own).collect()
    }

    /// The same, and behind each principal's `<prefix>{lease}:<kind>:<hash>:r`: its rate of creations.
    pub(super) fn lease_and_rate_keys(&self, principals: &PrincipalKeys) -> Vec<Key> {
        let own = principals.iter().flat_map(|principal| {
            [
                self.principal_key(principal, ""),
                self.principal_key(principal, ":r"),
            ]
        });
        iter::once(self.live_index.clone()).chain(own).collect()
    }

    fn principal_key(&self, principal: &str, suffix: &str) -> Key {
        let (kind, hash) = principal.split_at(1);
        format!("{}{{lease}}:{kind}:{hash}{suffix}", self.prefix).into()
    }
}

/// A session's name in the index.
pub(super) fn index_member(id: SessionId) -> [u8; MEMBER_BYTES] {
    let mut member = [0; MEMBER_BYTES];
    member.copy_from_slice(&Sha256::digest(id.as_bytes())[..MEMBER_BYTES]);
    member
}

/// What stands for one principal: a letter for its kind, and a hash.
#[derive(Debug)]
pub(super) struct PrincipalKey(String);

/// Whose shares a session's place is counted against, one after the other.
#[derive(Debug, Clone, Default)]
pub(super) struct PrincipalKeys(String);

impl PrincipalKey {
    /// Its length in bytes, ASCII all of them.
    const LEN: usize = 1 + PRINCIPAL_HASH_BYTES / 3 * 4;

    /// `hash` has at least 12 bytes.
    pub(super) fn new(kind: char, hash: &[u8]) -> Self {
        let mut text = String::with_capacity(Self::LEN);
        text.push(kind);
        URL_SAFE_NO_PAD.encode_string(&hash[..PRINCIPAL_HASH_BYTES], &mut text);
        Self(text)
    }
}

impl PrincipalKeys {
    /// As a session keeps them.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let whole = text.is_ascii() && text.len().is_multiple_of(PrincipalKey::LEN);
        whole.then(|| Self(text.to_owned()))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = (0..self.0.len()).step_by(PrincipalKey::LEN);
        starts.map(|start| &self.0[start..start + PrincipalKey::LEN])
    }
}

impl FromIterator<PrincipalKey> for PrincipalKeys {
    fn from_iter<I: IntoIterator<Item = PrincipalKey>>(principals: I) -> Self {
        Self(
            principals
                .into_iter()
                .map(|principal| principal.0)
                .collect(),
        )
    }
}
