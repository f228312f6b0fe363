//! Transaction ids of writes.

use crate::model::is_opaque_identifier;
use sha2::{Digest, Sha256};

/// Length of a [`TxnKey`], in bytes.
pub const TXN_KEY_LEN: usize = 16;

/// What a store remembers of a client's txnId: 128 bits of its SHA-256.
///
/// Hashed because a record per raw id of up to 255 bytes would make 64 of them cost more than the
/// payload they belong to. Records are scoped to one session, so a collision takes 2^64 work and
/// harms only the session of the client that found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TxnKey([u8; TXN_KEY_LEN]);

/// The text is no opaque identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the transaction id is not an opaque identifier of 1 to 255 characters")]
pub struct InvalidTxnId;

impl TxnKey {
    /// The key of the (percent-decoded) txnId `segment`.
    ///
    /// # Errors
    /// [`InvalidTxnId`] where it is not `[0-9A-Za-z._~-]{1,255}`.
    pub fn parse(segment: &[u8]) -> Result<Self, InvalidTxnId> {
        if !is_opaque_identifier(segment) {
            return Err(InvalidTxnId);
        }
        let digest = Sha256::digest(segment);
        let mut key = [0; TXN_KEY_LEN];
        key.copy_from_slice(&digest[..TXN_KEY_LEN]);
        Ok(Self(key))
    }

    /// The key's bytes.
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
    fn only_opaque_identifiers_are_transaction_ids() {
        for good in ["a", "A-Z_0.~", &"x".repeat(255)] {
            assert!(TxnKey::parse(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a/b", "a%", "é", "a\0", &"x".repeat(256)] {
            assert_eq!(TxnKey::parse(bad.as_bytes()), Err(InvalidTxnId), "{bad}");
        }
        assert_ne!(TxnKey::parse(b"a"), TxnKey::parse(b"b"));
    }
}
