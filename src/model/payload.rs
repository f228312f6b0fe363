//! What a session holds.

use bytes::Bytes;
use bytes_utils::Str;
use std::fmt;

/// The largest payload, in bytes of UTF-8 (MSC4388: the server may refuse more than 4 KiB).
pub const MAX_PAYLOAD_BYTES: usize = 4096;

/// One payload: UTF-8 of at most [`MAX_PAYLOAD_BYTES`] bytes. Cloning shares the bytes.
///
/// The content is ciphertext of two devices; it is never logged, and `Debug` shows its length only.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(Str);

/// The text is longer than [`MAX_PAYLOAD_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("data is longer than {MAX_PAYLOAD_BYTES} bytes")]
pub struct PayloadTooLarge;

impl Payload {
    /// Copies `text` into a payload.
    ///
    /// # Errors
    /// [`PayloadTooLarge`] past [`MAX_PAYLOAD_BYTES`].
    pub fn new(text: &str) -> Result<Self, PayloadTooLarge> {
        if text.len() > MAX_PAYLOAD_BYTES {
            return Err(PayloadTooLarge);
        }
        Ok(Self(Str::from(text)))
    }

    /// A payload from text that a store kept, or `None` where it cannot have been one.
    #[must_use]
    pub fn from_stored(text: Str) -> Option<Self> {
        (text.len() <= MAX_PAYLOAD_BYTES).then_some(Self(text))
    }

    /// The payload as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The payload's bytes, which are UTF-8.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The payload's bytes, shared.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        self.0.inner().clone()
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Payload({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_PAYLOAD_BYTES, Payload, PayloadTooLarge};

    #[test]
    fn the_limit_counts_bytes_not_characters() {
        assert!(Payload::new(&"x".repeat(MAX_PAYLOAD_BYTES)).is_ok());
        assert_eq!(
            Payload::new(&"x".repeat(MAX_PAYLOAD_BYTES + 1)),
            Err(PayloadTooLarge)
        );
        assert_eq!(
            Payload::new(&"é".repeat(MAX_PAYLOAD_BYTES / 2 + 1)),
            Err(PayloadTooLarge)
        );
    }

    #[test]
    fn a_stored_text_that_no_payload_can_be_is_refused() {
        let stored = |length| Payload::from_stored("x".repeat(length).into());
        assert!(stored(MAX_PAYLOAD_BYTES).is_some());
        assert_eq!(stored(MAX_PAYLOAD_BYTES + 1), None);
    }
}
