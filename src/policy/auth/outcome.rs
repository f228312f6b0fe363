//! What is known of a token, and why nothing is.

use crate::model::User;
use hyper::StatusCode;
use std::sync::Arc;
use std::time::Duration;

/// A Matrix error code that a homeserver gave.
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

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is known of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TokenStatus {
    /// Whose it is.
    Accepted {
        user: User,
        /// When it ends, in seconds since 1970, if that was told.
        expires: Option<u64>,
    },
    /// It is nobody's, or no longer.
    Rejected { errcode: Errcode, soft_logout: bool },
    /// It is somebody's who may not create sessions.
    Forbidden,
}

/// Why nobody can say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No connection, or one that broke.
    #[error("it cannot be reached: {0}")]
    Unreachable(Arc<str>),
    /// No whole answer in time.
    #[error("no answer within 3 s")]
    Timeout,
    /// Answered with 429, or with 5xx but not 500.
    #[error("it answers {0}")]
    Unavailable(StatusCode),
    /// Answered with what makes no sense.
    #[error("its answer makes no sense")]
    BadReply,
    /// Too many questions are under way.
    #[error("too many questions are under way")]
    Busy,
    /// Not asked, since it did not answer before; it will be, after this time.
    #[error("it did not answer, and is not asked for {0:?}")]
    CircuitOpen(Duration),
}

impl AuthError {
    /// How long nobody will be asked.
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

/// Why there is no user behind a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenRejection {
    /// It shows no token.
    NoToken,
    /// Its token is refused.
    Refused {
        /// The Matrix error code.
        errcode: Errcode,
        /// Whether the client may keep what it has stored (client-server API, "Soft logout").
        soft_logout: bool,
    },
    /// Its token is somebody's who may not create sessions.
    Forbidden,
    /// Nobody can say.
    Unverified(AuthError),
}
