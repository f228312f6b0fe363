//! The owner of a session, and the principals that have quotas of live sessions.

use crate::model::{ClientIp, WideNetwork};
use std::fmt;
use std::sync::Arc;

/// Longest user id (Matrix specification, appendix "User Identifiers"), in bytes.
const MAX_USER_ID: usize = 255;

/// A user, under the name that the token verifier returned: a Matrix user id, or the `username` or
/// `sub` of OAuth.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct User(Arc<str>);

impl User {
    /// Returns `None` unless the name has 1 to 255 bytes and no control characters. Control
    /// characters could forge log lines.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=MAX_USER_ID).contains(&text.len()) && !text.contains(char::is_control);
        fits.then(|| Self(text.into()))
    }
}

impl User {
    /// Returns the user under a name that is unique among all homeservers: OAuth servers of two
    /// homeservers may return the same name. `homeserver` is empty if there is only one.
    #[must_use]
    pub fn qualified_by(self, homeserver: &str) -> Self {
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

/// The creator of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The client that sent the request.
    pub client: ClientIp,
    /// The user, if the request had an access token.
    pub user: Option<User>,
}

/// A client, network, user or wide network that has a quota of the live sessions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Principal {
    /// A client.
    Client(ClientIp),
    /// The network of an IPv6 client.
    Network(ClientIp),
    /// A user, on any client.
    User(User),
    /// A wide network of a client.
    Wide(WideNetwork, ClientIp),
}

impl Owner {
    /// Iterates over the principals against which a session of this owner is counted. The wide
    /// networks are the last: a limit of a smaller principal rejects first.
    pub fn principals(&self) -> impl Iterator<Item = Principal> {
        let client = Principal::Client(self.client);
        let network = self.client.network().map(Principal::Network);
        let user = self.user.clone().map(Principal::User);
        let wide = self.client.wide_networks();
        let wide = wide.map(|(size, network)| Principal::Wide(size, network));
        let narrow = [Some(client), network, user].into_iter().flatten();
        narrow.chain(wide)
    }
}

impl Principal {
    /// Returns a letter for the kind of principal, and the bytes that identify it within its kind.
    /// The start-up check uses the letter `p`.
    #[must_use]
    pub fn name(&self) -> (char, Vec<u8>) {
        match self {
            Self::Client(client) => ('c', client.octets().to_vec()),
            Self::Network(network) => ('n', network.octets().to_vec()),
            Self::User(user) => ('u', user.0.as_bytes().to_vec()),
            Self::Wide(size, network) => {
                let kind = match size {
                    WideNetwork::Ipv4Slash24 => 'v',
                    WideNetwork::Ipv4Slash16 => 'w',
                    WideNetwork::Ipv6Slash40 => 'x',
                    WideNetwork::Ipv6Slash32 => 'y',
                };
                (kind, network.octets().to_vec())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::User;

    #[test]
    fn user_name_cannot_forge_log_lines() {
        for bad in ["", "a\nb", "a\u{1b}[31m", "\u{85}", &"a".repeat(256)] {
            assert_eq!(User::parse(bad), None, "{bad:?}");
        }
        for good in ["@anna:example.org", "é", &"a".repeat(255)] {
            assert!(User::parse(good).is_some(), "{good:?}");
        }
    }
}
