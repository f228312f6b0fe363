//! The id of a rendezvous session.

use std::fmt;
use uuid::Uuid;

/// A session's id: 122 random bits from the system's source, as 32 lowercase hexadecimal digits.
///
/// The id is a secret, since a client with the id can read, overwrite and delete the session. It
/// contains no time and no counter (MSC4388 requires at least 120 bits of entropy), it is never
/// logged, and `Debug` shows only a prefix.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(Uuid);

impl SessionId {
    /// Length of an id as text, in bytes.
    pub const LEN: usize = 32;

    /// Generates an id from the system's random source.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// Parses a percent-decoded path segment.
    ///
    /// Returns `None` for text that `random` never generates; for the client such a session does
    /// not exist. Uppercase digits are not accepted: clients bind the bytes of the id into their
    /// messages (HPKE additional data), so an uppercase spelling is another id.
    #[must_use]
    pub fn parse(segment: &[u8]) -> Option<Self> {
        // Branch-free, since every poll runs this.
        let is_upper = |found, byte: &u8| found | byte.is_ascii_uppercase();
        if segment.len() != Self::LEN || segment.iter().fold(false, is_upper) {
            return None;
        }
        Uuid::try_parse_ascii(segment).ok().map(Self)
    }

    /// Calls `with` with the id's text. Does not allocate.
    pub fn with_str<T>(self, with: impl FnOnce(&str) -> T) -> T {
        with(self.0.simple().encode_lower(&mut [0; Self::LEN]))
    }

    /// Returns the 16 bytes of the id, for hashing.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_str(|text| out.write_str(text))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_str(|text| write!(out, "SessionId({}…)", &text[..4]))
    }
}

#[cfg(test)]
mod tests {
    use super::SessionId;

    #[test]
    fn id_has_exactly_one_spelling() {
        let id = SessionId::random();
        assert_eq!(SessionId::parse(id.to_string().as_bytes()), Some(id));
        assert_eq!(
            SessionId::parse(id.to_string().to_uppercase().as_bytes()),
            None
        );
        assert_eq!(SessionId::parse(format!("{{{id}}}").as_bytes()), None);
        assert_eq!(SessionId::parse(b""), None);
        let with = |at: usize, byte| {
            let mut text = id.to_string().into_bytes();
            text[at] = byte;
            SessionId::parse(&text)
        };
        for at in 0..SessionId::LEN {
            assert!(with(at, b'a').is_some());
            assert!(
                [b'A', b'g', b'-', b'{', b' ', 0, 0xff]
                    .into_iter()
                    .all(|byte| with(at, byte).is_none())
            );
        }
    }

    #[test]
    fn debug_does_not_show_the_id() {
        let id = SessionId::random();
        assert!(!format!("{id:?}").contains(&id.to_string()));
    }
}
