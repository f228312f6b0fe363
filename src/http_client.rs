//! The client for outgoing HTTP requests, with a timeout for each request and a limit of the
//! response.
//!
//! For token verifiers and the collectors of traces and metrics. It does not follow redirects: a request carries a
//! secret that another server must not get.

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

/// Upper bound of a response body, in bytes. The responses that we understand have a few hundred.
const MAX_RESPONSE_BODY: usize = 64 * 1024;

/// Upper bound of idle connections to one server.
pub(crate) const MAX_IDLE_CONNECTIONS: usize = 16;

/// How long an idle connection is kept. Common proxies close theirs after 60 s; if ours lived
/// longer, a request could be sent on a connection that is being closed, and be lost.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(45);

/// Time to connect, over all addresses of a name. Less than the timeout of a request, which includes
/// it, so that a name whose first address is silent is reached at its second.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A client with a connection pool. Clones share the pool.
#[derive(Clone)]
pub struct HttpClient(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// The error of a request without a complete response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpClientError {
    /// The connection could not be opened or broke; with the host and the chain of causes.
    #[error("{0}")]
    Unreachable(String),
    /// There was no complete response within the timeout.
    #[error("no response within the timeout")]
    Timeout,
    /// The response body broke off, or has more than 64 KiB.
    #[error("the response broke off, or is longer than 64 KiB")]
    Broken,
}

impl HttpClient {
    /// Creates a client that trusts the platform's certificate authorities and `extra_roots`. It
    /// uses plain HTTP for `http` URLs.
    ///
    /// # Errors
    /// [`rustls::Error`] if rustls rejects the TLS settings.
    pub fn new(extra_roots: &RootCertStore) -> Result<Self, rustls::Error> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        // hyper-util divides this among the addresses of a name: one that is silent leaves time for
        // the others.
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::client_config(extra_roots, None)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
            .build(connector);
        Ok(Self(client))
    }

    /// Sends `request` and returns the complete response, whatever its status. `timeout` includes
    /// the time to connect.
    ///
    /// # Errors
    /// [`HttpClientError::Unreachable`] if the connection fails, [`HttpClientError::Timeout`] after
    /// `timeout`, [`HttpClientError::Broken`] if the body breaks off or is too long.
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
        timeout: Duration,
    ) -> Result<Response<Bytes>, HttpClientError> {
        let exchange = async {
            let host = request.uri().authority().cloned();
            let response = self.0.request(request).await;
            let response = response.map_err(|error| {
                let host = host.map_or_else(String::new, |host| format!("{host}: "));
                HttpClientError::Unreachable(format!("{host}{}", causes(&error)))
            })?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_RESPONSE_BODY).collect().await;
            let body = body.map_err(|_| HttpClientError::Broken)?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        tokio::time::timeout(timeout, exchange)
            .await
            .unwrap_or(Err(HttpClientError::Timeout))
    }
}

/// Returns the causes of the client's error. The client's own text names only its kind, so it is left
/// out if there is a cause. The last cause is usually what an operator can fix.
fn causes(error: &dyn Error) -> String {
    let mut cause = error.source();
    if cause.is_none() {
        return error.to_string();
    }
    let mut texts = Vec::new();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    tls::with_certificate_hint(texts.join(": "))
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("HttpClient").finish_non_exhaustive()
    }
}
