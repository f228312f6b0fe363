//! The id of a request in the log and in its response: `X-Request-Id` (R0.37).
//!
//! The id of a trusted proxy is kept, so that its log and ours can be correlated.

use hyper::header::{HeaderName, HeaderValue};
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::Uuid;

/// The header.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is accepted, in bytes: a UUID with a prefix fits, and it cannot flood the
/// log.
const MAX_LEN: usize = 64;

/// The number of characters that distinguish this process's ids from those of others.
const PREFIX_LEN: usize = 8;

/// The number of hexadecimal digits of a request's number. 32 bits would wrap after a day at full
/// load.
const COUNTER_DIGITS: usize = 10;

/// Generates the request ids of one process.
#[derive(Debug)]
pub struct RequestIdGenerator {
    prefix: [u8; PREFIX_LEN],
    next: AtomicU64,
}

impl RequestIdGenerator {
    /// Creates a generator whose ids no other process uses, except with probability 1 in 4 billion.
    ///
    /// # Panics
    /// Never: 32 bits are 8 hexadecimal digits.
    #[must_use]
    pub fn new() -> Self {
        let (random, ..) = Uuid::new_v4().as_fields();
        let mut prefix = [0; PREFIX_LEN];
        write!(&mut prefix[..], "{random:08x}").expect("room for any u32");
        Self {
            prefix,
            next: AtomicU64::new(0),
        }
    }

    /// Returns the request's own id, if it is one word of at most 64 characters `[A-Za-z0-9._-]`;
    /// otherwise a new id.
    ///
    /// # Panics
    /// Never: hexadecimal digits and a hyphen are valid in a header.
    #[must_use]
    pub fn choose(&self, incoming: Option<&HeaderValue>) -> HeaderValue {
        if let Some(incoming) = incoming.filter(|value| is_valid(value.as_bytes())) {
            return incoming.clone();
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        // By hand: formatting costs as much as everything else in this function, and every poll
        // runs it.
        let mut text = [b'-'; PREFIX_LEN + 1 + COUNTER_DIGITS];
        text[..PREFIX_LEN].copy_from_slice(&self.prefix);
        for (position, digit) in text[PREFIX_LEN + 1..].iter_mut().enumerate() {
            let nibble = number >> (4 * (COUNTER_DIGITS - 1 - position)) & 0xf;
            *digit = b"0123456789abcdef"[nibble as usize];
        }
        HeaderValue::from_bytes(&text).expect("hexadecimal digits")
    }
}

impl Default for RequestIdGenerator {
    fn default() -> Self {
        Self::new()
    }
}

fn is_valid(text: &[u8]) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    (1..=MAX_LEN).contains(&text.len()) && text.iter().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::RequestIdGenerator;
    use hyper::header::HeaderValue;
    use std::sync::atomic::Ordering;

    // R0.37
    #[test]
    fn valid_incoming_id_is_kept_and_others_are_replaced() {
        let generator = RequestIdGenerator::new();
        let with = |value: &[u8]| {
            let value = HeaderValue::from_bytes(value).expect("a header");
            generator.choose(Some(&value))
        };
        let longest = [b'a'; 64];
        for good in [&b"x"[..], b"7f3-A_.9", &longest] {
            assert_eq!(with(good), good);
        }
        for bad in [&b""[..], b"two words", b"\xc3\xa9", b"a,b", &[b'a'; 65]] {
            assert_ne!(with(bad), bad);
        }
    }

    #[test]
    fn request_ids_are_unique_and_ordered() {
        let generator = RequestIdGenerator::new();
        let next = || generator.choose(None);
        assert_ne!(next(), next());
        assert_ne!(next(), RequestIdGenerator::new().choose(None));
        let before = next();
        generator.next.fetch_add(0xf_ffff_ffff, Ordering::Relaxed);
        let after = next();
        assert_eq!(before.len(), after.len());
        assert!(before < after && after.as_bytes().ends_with(b"-1000000003"));
    }
}
