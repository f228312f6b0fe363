//! The names of the keys in Redis, and of the members of the sorted sets.

use crate::model::{PRINCIPAL_HASH_LEN, SessionId};
use crate::store::redis::change_channel::ChangeChannel;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fred::types::Key;
use sha2::{Digest, Sha256};
use std::iter;
use std::sync::Arc;

/// Bytes of a session id's hash in the index. 96 bits distinguish ten thousand live sessions, and a
/// leaked index does not reveal ids.
const MEMBER_BYTES: usize = 12;

/// The keys under one prefix. Braces mark the hash tag of Redis Cluster: every session has a slot
/// of its own, and all keys about leases share another slot.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefix: String,
    live_index: Key,
    pseudonym_key: Key,
    changes: Arc<ChangeChannel>,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            live_index: format!("{prefix}{{lease}}:live").into(),
            pseudonym_key: format!("{prefix}{{lease}}:secret").into(),
            changes: Arc::new(ChangeChannel::new(prefix)),
        }
    }

    /// `<prefix>s:{<id>}`: the hash of one session.
    pub(super) fn session(&self, id: SessionId) -> Key {
        let mut key = String::with_capacity(self.prefix.len() + SessionId::LEN + 4);
        key.push_str(&self.prefix);
        key.push_str("s:{");
        id.with_str(|id| key.push_str(id));
        key.push('}');
        key.into()
    }

    /// The pattern of SCAN that matches the keys of all sessions.
    pub(super) fn session_pattern(&self) -> String {
        let mut pattern = String::new();
        for letter in self.prefix.chars() {
            if "*?[]^-\\".contains(letter) {
                pattern.push('\\');
            }
            pattern.push(letter);
        }
        pattern + "s:{*}"
    }

    /// The id in the key of a session.
    pub(super) fn parse_session(&self, key: &[u8]) -> Option<SessionId> {
        let id = key
            .strip_prefix(self.prefix.as_bytes())?
            .strip_prefix(b"s:{")?
            .strip_suffix(b"}")?;
        SessionId::parse(id)
    }

    /// The channel on which changes of sessions are published.
    pub(super) fn changes(&self) -> &Arc<ChangeChannel> {
        &self.changes
    }

    /// `<prefix>{lease}:live`: the sorted set of live sessions.
    pub(super) fn live_index(&self) -> &Key {
        &self.live_index
    }

    /// `<prefix>{lease}:secret`: the key by which principals are hashed.
    pub(super) fn pseudonym_key(&self) -> &Key {
        &self.pseudonym_key
    }

    /// The index, followed by `<prefix>{lease}:<kind>:<hash>` for each principal: the sorted set of
    /// its live sessions.
    pub(super) fn lease_keys(&self, principals: &PrincipalKeys) -> Vec<Key> {
        let own = principals
            .iter()
            .map(|principal| self.principal_key(principal, ""));
        iter::once(self.live_index.clone()).chain(own).collect()
    }

    /// As [`Keys::lease_keys`], followed by the leases of `checked`, and by
    /// `<prefix>{lease}:<kind>:<hash>:r` for each of the first `rates` principals: its rate of creations.
    pub(super) fn lease_and_rate_keys(
        &self,
        principals: &PrincipalKeys,
        checked: &PrincipalKeys,
        rates: usize,
    ) -> Vec<Key> {
        let mut keys = self.lease_keys(principals);
        let checked = checked.iter();
        keys.extend(checked.map(|principal| self.principal_key(principal, "")));
        let with_rate = principals.iter().take(rates);
        keys.extend(with_rate.map(|principal| self.principal_key(principal, ":r")));
        keys
    }

    /// `<prefix>{lease}:`: what the keys of all principals begin with.
    pub(super) fn principal_prefix(&self) -> String {
        format!("{}{{lease}}:", self.prefix)
    }

    fn principal_key(&self, principal: &str, suffix: &str) -> Key {
        let (kind, hash) = principal.split_at(1);
        format!("{}{{lease}}:{kind}:{hash}{suffix}", self.prefix).into()
    }
}

/// The member of the index that stands for a session.
pub(super) fn index_member(id: SessionId) -> [u8; MEMBER_BYTES] {
    let mut member = [0; MEMBER_BYTES];
    member.copy_from_slice(&Sha256::digest(id.as_bytes())[..MEMBER_BYTES]);
    member
}

/// The name of one principal in Redis: a letter for its kind, and a hash.
#[derive(Debug)]
pub(super) struct PrincipalKey(String);

/// Principals, as one string of concatenated [`PrincipalKey`]s.
#[derive(Debug, Clone, Default)]
pub(super) struct PrincipalKeys(String);

impl PrincipalKey {
    /// Length in bytes. All of them are ASCII.
    pub(super) const LEN: usize = 1 + PRINCIPAL_HASH_LEN / 3 * 4;

    /// Builds the key from a hash of at least 12 bytes.
    pub(super) fn new(kind: char, hash: &[u8]) -> Self {
        let mut text = String::with_capacity(Self::LEN);
        text.push(kind);
        URL_SAFE_NO_PAD.encode_string(&hash[..PRINCIPAL_HASH_LEN], &mut text);
        Self(text)
    }
}

impl PrincipalKeys {
    /// Parses the form in which a session stores them.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_valid = text.is_ascii() && text.len().is_multiple_of(PrincipalKey::LEN);
        is_valid.then(|| Self(text.to_owned()))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The first `count` of them. There must be as many.
    pub(super) fn first(&self, count: usize) -> Self {
        Self(self.0[..count * PrincipalKey::LEN].to_owned())
    }

    /// [`first`](Self::first), in the form in which a session stores them.
    pub(super) fn first_bytes(&self, count: usize) -> &[u8] {
        &self.0.as_bytes()[..count * PrincipalKey::LEN]
    }

    /// The hash of the first principal of this kind.
    pub(super) fn hash_of(&self, kind: char) -> Option<[u8; PRINCIPAL_HASH_LEN]> {
        let hash = self
            .iter()
            .find_map(|principal| principal.strip_prefix(kind))?;
        URL_SAFE_NO_PAD.decode(hash).ok()?.try_into().ok()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
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

#[cfg(test)]
mod tests {
    use super::{Keys, PrincipalKey, PrincipalKeys};
    use crate::model::SessionId;

    #[test]
    fn pattern_of_sessions_quotes_the_prefix() {
        assert_eq!(Keys::new("mrv:").session_pattern(), "mrv:s:{*}");
        assert_eq!(Keys::new("a*[b]:").session_pattern(), "a\\*\\[b\\]:s:{*}");
    }

    #[test]
    fn hash_of_a_principal_is_found_by_its_kind() {
        let principals: PrincipalKeys = [('c', [1; 12]), ('u', [2; 12])]
            .iter()
            .map(|(kind, hash)| PrincipalKey::new(*kind, hash))
            .collect();
        assert_eq!(principals.hash_of('c'), Some([1; 12]));
        assert_eq!(principals.hash_of('u'), Some([2; 12]));
        assert_eq!(principals.hash_of('n'), None);
    }

    #[test]
    fn only_the_key_of_a_session_has_an_id() {
        let (keys, id) = (Keys::new("mrv:"), SessionId::random());
        let key = keys.session(id);
        assert_eq!(keys.parse_session(key.as_bytes()), Some(id));
        let other = Keys::new("other:").session(id);
        let live = keys.live_index().clone();
        for key in [other.as_bytes(), live.as_bytes(), b"", b"mrv:s:{x}"] {
            assert_eq!(keys.parse_session(key), None, "{key:?}");
        }
    }
}
