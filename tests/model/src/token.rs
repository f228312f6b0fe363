//! Sequence tokens, and the three ways to compute them that the model compares.

use std::fmt::{Debug, Formatter};

/// A payload, reduced to one digit. Different digits are different payloads.
pub type Data = u8;

/// The payload that a session is created with.
pub const FIRST_DATA: Data = 0;

/// A sequence token. Equal tokens have equal numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(u32);

impl Debug for Token {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "t{}", self.0)
    }
}

/// How the next token is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenScheme {
    /// A hash of the previous token and the payload (docs/adr/0001). In place of the hash, the model
    /// has the digits of all payloads since the creation behind a 1: like a hash without
    /// collisions, they are equal only if the whole history is equal.
    HashChain,
    /// The number of writes.
    Counter,
    /// A hash of the payload alone.
    PayloadDigest,
}

impl TokenScheme {
    /// Returns the token of a session that was created with `data`.
    pub fn first(self, data: Data) -> Token {
        match self {
            Self::HashChain => Token(10 + u32::from(data)),
            Self::Counter => Token(0),
            Self::PayloadDigest => Token(data.into()),
        }
    }

    /// Returns the token after `data` was written over the state of `token`.
    pub fn next(self, token: Token, data: Data) -> Token {
        match self {
            Self::HashChain => Token(token.0 * 10 + u32::from(data)),
            Self::Counter => Token(token.0 + 1),
            Self::PayloadDigest => Token(data.into()),
        }
    }
}
