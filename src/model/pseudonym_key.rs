//! The secret by which clients and users are hashed, wherever they would else be named.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use std::sync::{PoisonError, RwLock};
use uuid::Uuid;

/// Length of a secret as text, in bytes: 256 bits in base64url (RFC 4648 §5).
const LEN: usize = 43;

/// A key for hashes of clients and users, so that they can be told apart and not told.
#[derive(Clone)]
pub struct PseudonymKey([u8; LEN]);

impl PseudonymKey {
    /// Draws a new one from the system's random source: 244 random bits.
    #[must_use]
    pub fn random() -> Self {
        let halves = [Uuid::new_v4(), Uuid::new_v4()].map(Uuid::into_bytes);
        let mut text = [0; LEN];
        // 32 bytes are 43 characters.
        let encoded = URL_SAFE_NO_PAD.encode_slice(halves.concat(), &mut text);
        debug_assert_eq!(encoded, Ok(LEN));
        Self(text)
    }

    /// The one that a text spells, if it spells one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.as_bytes().try_into().ok().map(Self)
    }

    /// As it is written.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What stands for `name` among names of this `kind` (HMAC-SHA-256, RFC 2104).
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
}

impl fmt::Debug for PseudonymKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PseudonymKey(***)")
    }
}

/// A secret that is replaced now and then.
#[derive(Debug)]
pub struct SharedPseudonymKey(RwLock<PseudonymKey>);

impl Default for SharedPseudonymKey {
    /// One of this process's own, until another comes.
    fn default() -> Self {
        Self(RwLock::new(PseudonymKey::random()))
    }
}

impl SharedPseudonymKey {
    /// The one to go by.
    #[must_use]
    pub fn get(&self) -> PseudonymKey {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// From now on it is this one.
    pub fn set(&self, secret: PseudonymKey) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = secret;
    }
}
