//! An HTTP client of ours: one question, one answer, and an end to every wait.
//!
//! For whoever says whose an access token is, and for a collector of traces. Redirects are not followed: what is told
//! to one must not be told to another.

use crate::tls;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::RootCertStore;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// The longest answer. Those that we understand have a few hundred bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// Connections kept for the next question, and for how long: less than the 60 s after which common proxies close
/// theirs, or a question would be lost.
const IDLE_CONNECTIONS: usize = 16;
const IDLE: Duration = Duration::from_secs(45);

/// The client.
#[derive(Clone)]
pub struct HttpClient(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpClientError {
    /// No connection, or one that broke.
    #[error("{0}")]
    Unreachable(String),
    /// None in time.
    #[error("no answer in time")]
    Timeout,
    /// One that broke off, or has no end.
    #[error("the answer breaks off, or is longer than 64 KiB")]
    Broken,
}

impl HttpClient {
    /// Believes the platform's authorities and `more`. Plain HTTP is spoken where a URL says so.
    ///
    /// # Errors
    /// Where rustls refuses the settings.
    pub fn new(more: &RootCertStore) -> Result<Self, rustls::Error> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::client_config(more)?)
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

    /// Asks, and waits so long for the whole answer, of whatever status; the connection included.
    ///
    /// # Errors
    /// [`HttpClientError`].
    pub async fn ask(
        &self,
        request: Request<Full<Bytes>>,
        longest: Duration,
    ) -> Result<Response<Bytes>, HttpClientError> {
        let asked = async {
            let response = self.0.request(request).await;
            let response =
                response.map_err(|error| HttpClientError::Unreachable(causes(&error)))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await;
            let body = body.map_err(|_| HttpClientError::Broken)?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        tokio::time::timeout(longest, asked)
            .await
            .unwrap_or(Err(HttpClientError::Timeout))
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

impl fmt::Debug for HttpClient {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("HttpClient").finish_non_exhaustive()
    }
}
