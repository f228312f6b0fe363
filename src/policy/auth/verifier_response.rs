//! One question over HTTP to whoever knows tokens, and what can go wrong with it.

use crate::http_client::{HttpClient, HttpClientError};
use crate::policy::auth::AuthError;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode};
use serde::Deserialize;
use std::time::Duration;

/// An answer of any status.
#[derive(Debug)]
pub(super) struct VerifierResponse {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

impl VerifierResponse {
    /// The body, where it makes sense.
    pub(super) fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, AuthError> {
        serde_json::from_slice(&self.body).map_err(|_| AuthError::BadReply)
    }

    /// What is wrong where an answer says nothing of the token. A 500 is what Synapse 1.163 answers to some tokens
    /// that are nobody's (`MDA` is one), so it does not say that others would fare alike.
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

/// Asks, and waits so long for the whole answer, the connection included.
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
    fn from(none: HttpClientError) -> Self {
        match none {
            HttpClientError::Unreachable(causes) => Self::Unreachable(causes.into()),
            HttpClientError::Timeout => Self::Timeout,
            HttpClientError::Broken => Self::BadReply,
        }
    }
}
