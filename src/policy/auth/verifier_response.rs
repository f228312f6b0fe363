//! One HTTP request to a token verifier, and the classification of what can go wrong with it.

use crate::http_client::{HttpClient, HttpClientError};
use crate::json::{JsonValue, parse_object};
use crate::policy::auth::outcome::AuthError;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, StatusCode};
use std::time::Duration;

/// A response of any status.
#[derive(Debug)]
pub(super) struct VerifierResponse {
    pub(super) status: StatusCode,
    /// Only for the text about an unexpected response.
    pub(super) content_type: Option<HeaderValue>,
    pub(super) body: Bytes,
}

impl VerifierResponse {
    /// Returns the members of the body with these names.
    ///
    /// # Errors
    /// [`AuthError::BadReply`] if the body is not one JSON object with unique keys.
    pub(super) fn members<const N: usize>(
        &self,
        names: [&str; N],
    ) -> Result<[JsonValue<'_>; N], AuthError> {
        parse_object(&self.body, names).map_err(|_| AuthError::BadReply)
    }

    /// The error of a response that says nothing about the token.
    ///
    /// A 500 is a [`AuthError::BadReply`]: Synapse 1.163 answers it to some unknown tokens (`MDA`
    /// is one), so it does not predict the outcome of other checks.
    pub(super) fn error(&self) -> AuthError {
        match self.status {
            StatusCode::INTERNAL_SERVER_ERROR => AuthError::BadReply,
            status if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
                AuthError::Unavailable(status)
            }
            _ => AuthError::BadReply,
        }
    }
}

/// Returns a string that the response must have.
///
/// # Errors
/// [`AuthError::BadReply`] if the value is no string.
pub(super) fn required_text<'a>(value: &'a JsonValue<'_>) -> Result<&'a str, AuthError> {
    match value {
        JsonValue::Text(text) => Ok(text),
        JsonValue::Missing
        | JsonValue::Null
        | JsonValue::Bool(_)
        | JsonValue::Number(_)
        | JsonValue::Other => Err(AuthError::BadReply),
    }
}

/// Returns a boolean, which is `false` if the response lacks it.
///
/// # Errors
/// [`AuthError::BadReply`] if the value is no boolean.
pub(super) const fn optional_bool(value: &JsonValue<'_>) -> Result<bool, AuthError> {
    match value {
        JsonValue::Missing => Ok(false),
        JsonValue::Bool(value) => Ok(*value),
        JsonValue::Null | JsonValue::Number(_) | JsonValue::Text(_) | JsonValue::Other => {
            Err(AuthError::BadReply)
        }
    }
}

/// Sends a request. `timeout` covers everything from the connection to the last byte of the body.
///
/// # Errors
/// [`AuthError::Unreachable`], [`AuthError::Timeout`], or [`AuthError::BadReply`] if the body
/// breaks off.
pub(super) async fn send(
    client: &HttpClient,
    request: Request<Full<Bytes>>,
    timeout: Duration,
) -> Result<VerifierResponse, AuthError> {
    let (mut head, body) = client.send(request, timeout).await?.into_parts();
    Ok(VerifierResponse {
        status: head.status,
        content_type: head.headers.remove(CONTENT_TYPE),
        body,
    })
}

impl From<HttpClientError> for AuthError {
    fn from(error: HttpClientError) -> Self {
        match error {
            HttpClientError::Unreachable(causes) => Self::Unreachable(causes.into()),
            HttpClientError::Timeout => Self::Timeout,
            HttpClientError::Broken => Self::BadReply,
        }
    }
}
