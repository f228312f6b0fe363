//! One HTTP request to a token verifier, and the classification of what can go wrong with it.

use crate::http_client::{HttpClient, HttpClientError};
use crate::policy::auth::outcome::AuthError;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode};
use serde::Deserialize;
use std::time::Duration;

/// A response of any status.
#[derive(Debug)]
pub(super) struct VerifierResponse {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

impl VerifierResponse {
    /// Parses the body as JSON.
    ///
    /// # Errors
    /// [`AuthError::BadReply`] if the body is not of the expected form.
    pub(super) fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, AuthError> {
        serde_json::from_slice(&self.body).map_err(|_| AuthError::BadReply)
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
    let (head, body) = client.send(request, timeout).await?.into_parts();
    let status = head.status;
    Ok(VerifierResponse { status, body })
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
