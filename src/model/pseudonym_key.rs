//! The key of the pseudonyms that stand for clients, users and sessions in the store, logs and
//! traces.

use crate::model::{PRINCIPAL_HASH_LEN, StoredPrincipal};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;
use uuid::Uuid;

/// Length of a key as text, in bytes: 256 bits in base64url (RFC 4648 §5).
const LEN: usize = 43;

/// How long a key is used before a new one replaces it. Pseudonyms are stable for this time.
pub const KEY_ROTATION: Duration = Duration::from_hours(24);

/// A key for pseudonyms (keyed hashes). A pseudonym identifies a client or user without naming it.
#[derive(Clone)]
pub struct PseudonymKey([u8; LEN]);

impl PseudonymKey {
    /// Generates a key from the system's random source, with 244 random bits.
    #[must_use]
    pub fn random() -> Self {
        let halves = [Uuid::new_v4(), Uuid::new_v4()].map(Uuid::into_bytes);
        let mut text = [0; LEN];
        // 32 bytes encode to 43 characters.
        let encoded = URL_SAFE_NO_PAD.encode_slice(halves.concat(), &mut text);
        debug_assert_eq!(encoded, Ok(LEN));
        Self(text)
    }

    /// Parses the text of a key. Returns `None` if it has the wrong length.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.as_bytes().try_into().ok().map(Self)
    }

    /// Returns the text of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the pseudonym of `name` in the hash domain `kind` (HMAC-SHA-256, RFC 2104).
    ///
    /// # Panics
    /// Never: HMAC takes keys of any length.
    #[must_use]
    pub fn hash(&self, kind: char, name: &[u8]) -> [u8; 32] {
        let mut hash = Hmac::<Sha256>::new_from_slice(&self.0).expect("any length");
        hash.update(kind.encode_utf8(&mut [0; 4]).as_bytes());
        hash.update(name);
        hash.finalize().into_bytes().into()
    }

    /// Returns the hash by which the Redis store knows a principal. The key is the one with which that
    /// store hashed it, unless it was replaced since.
    #[must_use]
    pub fn principal_hash(&self, principal: &StoredPrincipal) -> [u8; PRINCIPAL_HASH_LEN] {
        match principal {
            StoredPrincipal::Named(principal) => {
                let (kind, name) = principal.name();
                let mut hash = [0; PRINCIPAL_HASH_LEN];
                hash.copy_from_slice(&self.hash(kind, &name)[..PRINCIPAL_HASH_LEN]);
                hash
            }
            StoredPrincipal::Hashed(hash) => *hash,
        }
    }
}

impl fmt::Debug for PseudonymKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PseudonymKey(***)")
    }
}

/// The current key, shared by all parts of the process. It is replaced after [`KEY_ROTATION`].
#[derive(Debug)]
pub struct SharedPseudonymKey(RwLock<PseudonymKey>);

impl Default for SharedPseudonymKey {
    /// A random key of this process.
    fn default() -> Self {
        Self(RwLock::new(PseudonymKey::random()))
    }
}

impl SharedPseudonymKey {
    /// Returns the current key.
    #[must_use]
    pub fn get(&self) -> PseudonymKey {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Replaces the current key.
    pub fn set(&self, key: PseudonymKey) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = key;
    }
}
