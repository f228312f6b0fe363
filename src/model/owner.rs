//! Whose a session is, and against whom its place is counted.

use crate::model::ClientIp;
use std::fmt;
use std::sync::Arc;

/// The longest user id (Matrix specification, appendix "User Identifiers"), in bytes.
const MAX_USER_ID: usize = 255;

/// A user, as whoever made their access token names them: a Matrix user id, or what OAuth calls `username`
/// or `sub`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct User(Arc<str>);

impl User {
    /// A name of 1 to 255 bytes without control characters, which could write lines of their own into a log;
    /// `None` for any other.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=MAX_USER_ID).contains(&text.len()) && !text.contains(char::is_control);
        fits.then(|| Self(text.into()))
    }
}

impl User {
    /// The user, told apart from those of other homeservers, who may have the same name where OAuth gives it.
    /// Where there is only one, it has no name.
    #[must_use]
    pub fn of(self, homeserver: &str) -> Self {
        if homeserver.is_empty() {
            return self;
        }
        Self(format!("{homeserver} {}", self.0).into())
    }
}

impl fmt::Display for User {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Who creates a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Where they are.
    pub client: ClientIp,
    /// Who they are, where they said.
    pub user: Option<User>,
}

/// Somebody who has a share of the live sessions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Principal {
    /// A client.
    Client(ClientIp),
    /// The network of an IPv6 client.
    Network(ClientIp),
    /// A user, wherever they are.
    User(User),
}

impl Owner {
    /// Everyone whose share a session of this owner is counted against.
    pub fn principals(&self) -> impl Iterator<Item = Principal> {
        let client = Principal::Client(self.client);
        let network = self.client.network().map(Principal::Network);
        let user = self.user.clone().map(Principal::User);
        [Some(client), network, user].into_iter().flatten()
    }
}

impl Principal {
    /// What kind of principal it is, in a letter, and which one.
    #[must_use]
    pub fn name(&self) -> (char, Vec<u8>) {
        match self {
            Self::Client(client) => ('c', client.octets().to_vec()),
            Self::Network(network) => ('n', network.octets().to_vec()),
            Self::User(user) => ('u', user.0.as_bytes().to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::User;

    #[test]
    fn a_name_fits_a_line_of_the_log() {
        for bad in ["", "a\nb", "a\u{1b}[31m", "\u{85}", &"a".repeat(256)] {
            assert_eq!(User::parse(bad), None, "{bad:?}");
        }
        for good in ["@anna:example.org", "é", &"a".repeat(255)] {
            assert!(User::parse(good).is_some(), "{good:?}");
        }
    }
}
