//! A client or user as a store keeps it with a session: by its name, or by a keyed hash.

use crate::model::Principal;

/// Bytes of a principal's hash, 16 characters of base64. 96 bits distinguish ten thousand principals.
pub const PRINCIPAL_HASH_LEN: usize = 12;

/// A principal of a session in the list of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredPrincipal {
    /// The principal. The memory store keeps it.
    Named(Principal),
    /// Its hash with the pseudonym key of the session's creation. Redis holds neither addresses nor user
    /// ids.
    Hashed([u8; PRINCIPAL_HASH_LEN]),
}
