//! Sequence tokens: a hash chain over the payloads of a session.
//!
//! `t0 = H(id, data)` and `t(n+1) = H(id, t(n), data)`. A retried write therefore has the same
//! token, and no token of a session occurs twice, even after a Redis failover that lost the last
//! write (docs/adr/0001-hash-chain-tokens.md).

use crate::model::{Payload, SessionId};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

/// Length of the digest in a token, in bytes. The 144 bits are above the 128 that collision-free
/// chains within one session require, and a multiple of three bytes has no padding in base64.
const DIGEST_BYTES: usize = 18;

/// Length of a token as text, in bytes.
pub const TOKEN_LEN: usize = DIGEST_BYTES / 3 * 4;

/// The token of one state of one session: 24 characters of base64url (RFC 4648 §5, no padding).
///
/// Clients bind the bytes of the token into their messages, so every response has exactly these
/// bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SequenceToken([u8; TOKEN_LEN]);

impl SequenceToken {
    /// Returns the token of a session that was created with `data`.
    #[must_use]
    pub fn first(id: SessionId, data: &Payload) -> Self {
        Self::digest(b"mrv1-first", id, b"", data)
    }

    /// Returns the token of the session after `data` was written over the state of this token.
    #[must_use]
    pub fn next(&self, id: SessionId, data: &Payload) -> Self {
        Self::digest(b"mrv1-next", id, &self.0, data)
    }

    fn digest(domain: &[u8], id: SessionId, previous: &[u8], data: &Payload) -> Self {
        let mut hash = Sha256::new();
        for field in [domain, id.as_bytes().as_slice(), previous, data.as_bytes()] {
            // The length goes first; otherwise two different splits into fields could have one
            // hash.
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field);
        }
        let digest = hash.finalize();
        let mut text = [0; TOKEN_LEN];
        let written = URL_SAFE_NO_PAD.encode_slice(&digest[..DIGEST_BYTES], &mut text);
        debug_assert_eq!(written, Ok(TOKEN_LEN));
        Self(text)
    }

    /// Parses a token. Returns `None` for text that this server never generates.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text: [u8; TOKEN_LEN] = bytes.try_into().ok()?;
        text.iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            .then_some(Self(text))
    }

    /// Returns the text of the token.
    ///
    /// # Panics
    /// Never: every constructor accepts only ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("ASCII")
    }

    /// Returns the text of the token as bytes, which are ASCII.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; TOKEN_LEN] {
        &self.0
    }
}

/// The token that a client submits with a write.
///
/// A client can submit any string. The store compares it with the current token of the session. A
/// string that this server never generates is treated as a stale token (MSC4388, "Update the
/// payload").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubmittedToken {
    /// A well-formed token.
    Parsed {
        /// The submitted token.
        token: SequenceToken,
        /// The token of the session after this write, if `token` is the current one.
        next: SequenceToken,
    },
    /// A string that is not the token of any session.
    Unknown,
}

impl SubmittedToken {
    /// Parses the token `text` of a write of `data` to session `id`.
    #[must_use]
    pub fn parse(text: &str, id: SessionId, data: &Payload) -> Self {
        Self::new(SequenceToken::parse(text.as_bytes()), id, data)
    }

    /// Returns the token of a write of `data` to session `id`; [`SubmittedToken::Unknown`] if
    /// `token` is `None`.
    #[must_use]
    pub fn new(token: Option<SequenceToken>, id: SessionId, data: &Payload) -> Self {
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
    fn token_depends_on_session_history_and_data() {
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
    fn malformed_token_is_unknown() {
        let id = SessionId::random();
        let data = payload("a");
        let token = SequenceToken::first(id, &data);
        let text = std::str::from_utf8(token.as_bytes()).expect("ASCII");
        assert_eq!(
            SubmittedToken::parse(text, id, &data),
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
            // Of the right length, with one wrong byte.
            &format!("{}=", &text[1..]),
            &format!("{}é", &text[2..]),
        ] {
            assert_eq!(
                SubmittedToken::parse(odd, id, &data),
                SubmittedToken::Unknown,
                "{odd}"
            );
        }
    }
}
