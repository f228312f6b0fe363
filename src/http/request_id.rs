//! What a request is called in the log and in its reply: `X-Request-Id`.
//!
//! A proxy's own name for it, where it has one, so that its log and ours can be laid side by side.

use hyper::header::{HeaderName, HeaderValue};
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::Uuid;

/// The header.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest name that is taken, in bytes: a UUID with a prefix, and no flood of the log.
const MAX_LEN: usize = 64;

/// Characters of what tells this process's names from those of others.
const PREFIX_LEN: usize = 8;

/// Hexadecimal digits of a request's number: those of 32 bits would begin anew after a day at full speed.
const COUNTER_DIGITS: usize = 10;

/// The names of one process's requests.
#[derive(Debug)]
pub struct RequestIdGenerator {
    prefix: [u8; PREFIX_LEN],
    next: AtomicU64,
}

impl RequestIdGenerator {
    /// Names that no other process gives, but for one time in 4 billion.
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

    /// The name that a request brings, if it is one word of `[A-Za-z0-9._-]`, at most 64 of them; else a new one.
    ///
    /// # Panics
    /// Never: hexadecimal digits and a hyphen may stand in a header.
    #[must_use]
    pub fn choose(&self, incoming: Option<&HeaderValue>) -> HeaderValue {
        if let Some(incoming) = incoming.filter(|value| is_valid(value.as_bytes())) {
            return incoming.clone();
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        // By hand: formatting costs as much as all else that is done here, and every poll has this done.
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
