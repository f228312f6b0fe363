//! Sequence tokens: a hash chain over what was written.
//!
//! `t0 = H(id, data)` and `t(n+1) = H(id, t(n), data)`, so that a re-sent write names the same token
//! again, and no token of a session ever comes back, not even after a Redis failover that forgot the
//! last write (docs/adr/0001-hash-chain-tokens.md).

use crate::model::{Payload, SessionId};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

/// Bytes of the digest that a token keeps: 144 bits, above the 128 that collision-free chains within
/// one session ask for, and a multiple of three, so that base64 has no remainder.
const DIGEST_BYTES: usize = 18;

/// Length of a token as text, in bytes.
pub const TOKEN_LEN: usize = DIGEST_BYTES / 3 * 4;

/// The token of one state of one session: 24 characters of base64url (RFC 4648 §5, no padding).
///
/// Clients seal its bytes into their messages, so every reply gives exactly the same ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SequenceToken([u8; TOKEN_LEN]);

impl SequenceToken {
    /// The token of a session just created with `data`.
    #[must_use]
    pub fn first(id: SessionId, data: &Payload) -> Self {
        Self::digest(b"mrv1-first", id, b"", data)
    }

    /// The token that writing `data` over `self` gives.
    #[must_use]
    pub fn next(&self, id: SessionId, data: &Payload) -> Self {
        Self::digest(b"mrv1-next", id, &self.0, data)
    }

    fn digest(domain: &[u8], id: SessionId, previous: &[u8], data: &Payload) -> Self {
        let mut hash = Sha256::new();
        for field in [domain, id.as_bytes().as_slice(), previous, data.as_bytes()] {
            // The length goes first, or two different splits into fields could hash alike.
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field);
        }
        let digest = hash.finalize();
        let mut text = [0; TOKEN_LEN];
        let written = URL_SAFE_NO_PAD.encode_slice(&digest[..DIGEST_BYTES], &mut text);
        debug_assert_eq!(written, Ok(TOKEN_LEN));
        Self(text)
    }

    /// The token that `bytes` spell, or `None` where they cannot be one of ours.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text: [u8; TOKEN_LEN] = bytes.try_into().ok()?;
        text.iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            .then_some(Self(text))
    }

    /// The token's text.
    ///
    /// # Panics
    /// Never: every constructor lets only ASCII in.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("ASCII")
    }

    /// The token's text as bytes; always ASCII.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; TOKEN_LEN] {
        &self.0
    }
}

/// The token that a write names, and what follows from it.
///
/// A client's token is any string: it is compared, never believed. One that cannot be ours is simply
/// stale (MSC4388, "Update the payload").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubmittedToken {
    /// A token of our form; `next` is what the write yields, if `token` is the session's current one.
    Parsed {
        /// The token that the client believes to be current.
        token: SequenceToken,
        /// The token of the session after this write.
        next: SequenceToken,
    },
    /// A string that no session of ours ever had for a token.
    Unknown,
}

impl SubmittedToken {
    /// Reads the token `text` of a write of `data` to session `id`.
    #[must_use]
    pub fn new(text: &str, id: SessionId, data: &Payload) -> Self {
        Self::of(SequenceToken::parse(text.as_bytes()), id, data)
    }

    /// A write of `data` to session `id` over this token; over none of ours, where there is none.
    #[must_use]
    pub fn of(token: Option<SequenceToken>, id: SessionId, data: &Payload) -> Self {
        token.map_or(Self::Unknown, |token| Self::Parsed {
            token,
            next: token.next(id, data),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{SequenceToken, SubmittedToken};
    use crate::model::{Payload, SessionId};

    fn payload(text: &str) -> Payload {
        Payload::new(text).expect("short")
    }

    // R1.15, R1.16
    #[test]
    fn a_token_depends_on_session_history_and_data() {
        let (one, two) = (SessionId::random(), SessionId::random());
        let first = SequenceToken::first(one, &payload("a"));
        assert_eq!(first, SequenceToken::first(one, &payload("a")));
        assert_ne!(first, SequenceToken::first(two, &payload("a")));
        assert_ne!(first, SequenceToken::first(one, &payload("b")));
        let second = first.next(one, &payload("a"));
        assert_ne!(second, first, "equal data must still advance the token");
        assert_ne!(second.next(one, &payload("a")), second);
    }

    // R1.18
    #[test]
    fn what_cannot_be_ours_is_foreign() {
        let id = SessionId::random();
        let data = payload("a");
        let token = SequenceToken::first(id, &data);
        let text = std::str::from_utf8(token.as_bytes()).expect("ASCII");
        assert_eq!(
            SubmittedToken::new(text, id, &data),
            SubmittedToken::Parsed {
                token,
                next: token.next(id, &data)
            }
        );
        for odd in [
            "",
            "short",
            &format!("{text}="),
            &text.replace(&text[..1], "é"),
        ] {
            assert_eq!(
                SubmittedToken::new(odd, id, &data),
                SubmittedToken::Unknown,
                "{odd}"
            );
        }
    }
}
