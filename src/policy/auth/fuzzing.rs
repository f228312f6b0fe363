//! The parsers of this module for the fuzz targets (tests/fuzz). Only their build has this file.

use crate::policy::auth::outcome::{AuthError, TokenStatus};
use crate::policy::auth::verifier_response::VerifierResponse;
use crate::policy::auth::{introspection_response, whoami};
use bytes::Bytes;
use hyper::StatusCode;
use std::time::Duration;

/// What a response says about a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The token is valid.
    Accepted {
        /// The user.
        user: String,
        /// When the token expires, in seconds since 1970.
        expires: Option<u64>,
    },
    /// The token is unknown or no longer valid.
    Rejected {
        /// The Matrix error code for the client.
        errcode: String,
        /// Whether the client may keep what it has stored.
        soft_logout: bool,
    },
    /// The token is valid, but its holder may not create sessions.
    Forbidden,
    /// The response says nothing about the token.
    Error(AuthError),
}

impl From<Result<TokenStatus, AuthError>> for Outcome {
    fn from(result: Result<TokenStatus, AuthError>) -> Self {
        match result {
            Ok(TokenStatus::Accepted { user, expires }) => Self::Accepted {
                user: user.to_string(),
                expires,
            },
            Ok(TokenStatus::Rejected {
                errcode,
                soft_logout,
            }) => Self::Rejected {
                errcode: errcode.as_str().to_owned(),
                soft_logout,
            },
            Ok(TokenStatus::Forbidden) => Self::Forbidden,
            Err(error) => Self::Error(error),
        }
    }
}

/// Parses a response of a homeserver.
///
/// # Panics
/// If `status` is not an HTTP status.
#[must_use]
pub fn whoami(status: u16, body: &[u8]) -> Outcome {
    whoami::parse_response(&response(status, body)).into()
}

/// Parses a response of an OAuth 2.0 server. `now` is the time since 1970.
///
/// # Panics
/// If `status` is not an HTTP status.
#[must_use]
pub fn introspection(status: u16, body: &[u8], now: Duration) -> Outcome {
    introspection_response::parse_response(&response(status, body), now).into()
}

fn response(status: u16, body: &[u8]) -> VerifierResponse {
    VerifierResponse {
        status: StatusCode::from_u16(status).expect("a status"),
        content_type: None,
        body: Bytes::copy_from_slice(body),
    }
}
