//! The outcome of a token check: a status of the token, or an error that says nothing about the
//! token.

use crate::config::de::HumanDuration;
use crate::model::User;
use hyper::StatusCode;
use std::sync::Arc;
use std::time::Duration;

/// A Matrix error code that a homeserver returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errcode(Arc<str>);

impl Errcode {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_code = |byte: u8| byte.is_ascii_alphanumeric() || b"_.".contains(&byte);
        let fits = (1..=100).contains(&text.len()) && text.bytes().all(is_code);
        fits.then(|| Self(text.into()))
    }

    /// `M_UNKNOWN_TOKEN`.
    #[must_use]
    pub fn unknown_token() -> Self {
        Self("M_UNKNOWN_TOKEN".into())
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The status of a token, as its verifier reported it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TokenStatus {
    /// The token is valid.
    Accepted {
        user: User,
        /// When the token expires, in seconds since 1970, if the verifier reported it.
        expires: Option<u64>,
    },
    /// The token is unknown or no longer valid.
    Rejected { errcode: Errcode, soft_logout: bool },
    /// The token is valid, but its holder may not create sessions.
    Forbidden,
}

/// Why a token could not be checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The connection could not be made, or broke.
    #[error("the token verifier cannot be reached: {0}")]
    Unreachable(Arc<str>),
    /// No complete response arrived in time.
    #[error("the token verifier did not answer within 3 s")]
    Timeout,
    /// The response was a 429, or a 5xx other than 500 (of a probe: any 5xx).
    #[error("the token verifier answered {0}")]
    Unavailable(StatusCode),
    /// The response was malformed or unexpected.
    #[error("the token verifier sent an invalid response")]
    BadReply,
    /// Too many checks are in flight.
    #[error("too many token checks are in flight")]
    Busy,
    /// Not sent, since earlier checks failed. The next attempt is after this time.
    #[error("the token verifier did not answer; next attempt in {}", HumanDuration(*.0))]
    CircuitOpen(Duration),
}

impl AuthError {
    /// Whether the verifier may be down for every token. An invalid response and a 429 are answers:
    /// the one may be about a single made-up token, the other about the rate of one client.
    pub(super) fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Timeout => true,
            Self::Unavailable(status) => *status != StatusCode::TOO_MANY_REQUESTS,
            Self::BadReply | Self::Busy | Self::CircuitOpen(_) => false,
        }
    }

    /// Time until the next attempt, if the circuit breaker is open; otherwise zero.
    #[must_use]
    pub const fn retry_after(&self) -> Duration {
        match self {
            Self::CircuitOpen(wait) => *wait,
            Self::Unreachable(_)
            | Self::Timeout
            | Self::Unavailable(_)
            | Self::BadReply
            | Self::Busy => Duration::ZERO,
        }
    }
}

/// Why a request is not authenticated as a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenRejection {
    /// The request has no token.
    NoToken,
    /// The verifier rejected the token.
    Rejected {
        /// The Matrix error code for the client.
        errcode: Errcode,
        /// Whether the client may keep what it has stored (client-server API, "Soft logout").
        soft_logout: bool,
    },
    /// The token is valid, but its holder may not create sessions.
    Forbidden,
    /// The token could not be checked.
    Unverified(AuthError),
}
