//! The name of one rendezvous session.

use std::fmt;
use uuid::Uuid;

/// A session's id: 122 random bits from the system's source as 32 lowercase hexadecimal digits.
///
/// Whoever knows the id may read, overwrite and delete the session, so it is a secret: no time and no
/// counter goes into it (MSC4388 asks for at least 120 bits of entropy), it is never logged, and its
/// `Debug` shows a prefix only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(Uuid);

impl SessionId {
    /// Length of an id as text, in bytes.
    pub const LEN: usize = 32;

    /// Draws a new id from the system's random source.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The id that a (percent-decoded) path segment spells.
    ///
    /// `None` is for whatever we never hand out: to the client such a session simply does not exist.
    /// The comparison is exact, since clients seal the id's bytes into their messages (HPKE
    /// additional data): an uppercase spelling is another id.
    #[must_use]
    pub fn parse(segment: &[u8]) -> Option<Self> {
        // Without a branch a byte, in the path of every poll.
        let is_upper = |found, byte: &u8| found | byte.is_ascii_uppercase();
        if segment.len() != Self::LEN || segment.iter().fold(false, is_upper) {
            return None;
        }
        Uuid::try_parse_ascii(segment).ok().map(Self)
    }

    /// Calls `with` with the id's text, without an allocation.
    pub fn with_str<T>(self, with: impl FnOnce(&str) -> T) -> T {
        with(self.0.simple().encode_lower(&mut [0; Self::LEN]))
    }

    /// The id's 16 bytes, for hashing.
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
    fn text_and_id_are_one_to_one() {
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
    fn debug_keeps_the_secret() {
        let id = SessionId::random();
        assert!(!format!("{id:?}").contains(&id.to_string()));
    }
}
