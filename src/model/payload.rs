//! The payload of a session.

use bytes::Bytes;
use bytes_utils::Str;
use std::fmt;

/// Upper bound of a payload, in bytes of UTF-8 (MSC4388: the server may reject more than 4 KiB).
pub const MAX_PAYLOAD_BYTES: usize = 4096;

/// A payload: UTF-8 of at most [`MAX_PAYLOAD_BYTES`] bytes. Clones share the bytes.
///
/// The content is encrypted by the two devices. It is never logged, and `Debug` shows only its
/// length.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(Str);

/// The error of a text that is longer than [`MAX_PAYLOAD_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("data is longer than {MAX_PAYLOAD_BYTES} bytes")]
pub struct PayloadTooLarge;

impl Payload {
    /// Copies `text` into a payload.
    ///
    /// # Errors
    /// [`PayloadTooLarge`] if `text` is longer than [`MAX_PAYLOAD_BYTES`].
    pub fn new(text: &str) -> Result<Self, PayloadTooLarge> {
        if text.len() > MAX_PAYLOAD_BYTES {
            return Err(PayloadTooLarge);
        }
        Ok(Self(Str::from(text)))
    }

    /// Returns the payload that a store has kept, or `None` if the text is too long to be one.
    #[must_use]
    pub fn from_stored(text: Str) -> Option<Self> {
        (text.len() <= MAX_PAYLOAD_BYTES).then_some(Self(text))
    }

    /// Returns the payload as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the bytes of the payload, which are UTF-8.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Returns the bytes of the payload without copying them.
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
    fn payload_limit_counts_bytes() {
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
    fn stored_text_above_the_limit_is_rejected() {
        let stored = |length| Payload::from_stored("x".repeat(length).into());
        assert!(stored(MAX_PAYLOAD_BYTES).is_some());
        assert_eq!(stored(MAX_PAYLOAD_BYTES + 1), None);
    }
}
