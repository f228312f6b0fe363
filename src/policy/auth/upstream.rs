//! One question over HTTP to whoever knows tokens, and what can go wrong with it.

use crate::policy::auth::AuthError;
use crate::tls;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::RootCertStore;
use serde::Deserialize;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// The longest answer. Those that we understand have a few hundred bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// Connections kept for the next question, and for how long: less than the 60 s after which common proxies close
/// theirs, or a question would be lost.
const IDLE_CONNECTIONS: usize = 16;
const IDLE: Duration = Duration::from_secs(45);

/// The HTTP client. Redirects are not followed: a token must go to whom it was told to and nobody else.
pub(super) struct Upstream(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// An answer of any status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

impl Answer {
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

impl Upstream {
    pub(super) fn new(authorities: &RootCertStore) -> Result<Self, rustls::Error> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::client_config(authorities)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build(connector);
        Ok(Self(client))
    }

    /// Asks, and waits so long for the whole answer, the connection included.
    pub(super) async fn ask(
        &self,
        request: Request<Full<Bytes>>,
        longest: Duration,
    ) -> Result<Answer, AuthError> {
        let asked = async {
            let response = self.0.request(request).await;
            let response =
                response.map_err(|error| AuthError::Unreachable(causes(&error).into()))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER)
                .collect()
                .await;
            let body = body.map_err(|_| AuthError::BadReply)?.to_bytes();
            Ok(Answer { status, body })
        };
        tokio::time::timeout(longest, asked)
            .await
            .unwrap_or(Err(AuthError::Timeout))
    }
}

/// An error with what it came from: the last of them says what an operator can mend.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl fmt::Debug for Upstream {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Upstream").finish_non_exhaustive()
    }
}
