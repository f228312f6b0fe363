//! Transaction ids of writes.

use crate::model::is_opaque_identifier;
use sha2::{Digest, Sha256};

/// Length of a [`TxnKey`], in bytes.
pub const TXN_KEY_LEN: usize = 16;

/// The key under which a store records a client's txnId: 128 bits of its SHA-256.
///
/// The id is hashed because it may have 255 bytes, and 64 records of that length would cost more
/// than the payload. Records belong to one session, so a collision takes 2^64 work and affects only
/// the session of the client that found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TxnKey([u8; TXN_KEY_LEN]);

/// The error of a text that is not an opaque identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the transaction id is not an opaque identifier of 1 to 255 characters")]
pub struct InvalidTxnId;

impl TxnKey {
    /// Returns the key of a txnId, which is a percent-decoded path segment.
    ///
    /// # Errors
    /// [`InvalidTxnId`] if the segment does not match `[0-9A-Za-z._~-]{1,255}`.
    pub fn parse(segment: &[u8]) -> Result<Self, InvalidTxnId> {
        if !is_opaque_identifier(segment) {
            return Err(InvalidTxnId);
        }
        let digest = Sha256::digest(segment);
        let mut key = [0; TXN_KEY_LEN];
        key.copy_from_slice(&digest[..TXN_KEY_LEN]);
        Ok(Self(key))
    }

    /// Returns the bytes of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; TXN_KEY_LEN] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{InvalidTxnId, TxnKey};

    // R0.20
    #[test]
    fn txn_id_must_be_an_opaque_identifier() {
        for good in ["a", "A-Z_0.~", &"x".repeat(255)] {
            assert!(TxnKey::parse(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a/b", "a%", "é", "a\0", &"x".repeat(256)] {
            assert_eq!(TxnKey::parse(bad.as_bytes()), Err(InvalidTxnId), "{bad}");
        }
        assert_ne!(TxnKey::parse(b"a"), TxnKey::parse(b"b"));
    }
}
