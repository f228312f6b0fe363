//! One request and what came of it.

use crate::config::de::HumanDuration;
use crate::doctor::connect_error::ProbeConnectError;
use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use hyper::{Method, StatusCode};
use std::net::SocketAddr;
use std::time::Duration;
use url::Url;

/// One request.
#[derive(Debug, Clone)]
pub(super) struct ProbeRequest {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Bytes,
    /// `Accept-Encoding`. The doctor decodes none.
    pub(super) encodings: &'static str,
}

impl ProbeRequest {
    /// A request without a body.
    pub(super) fn new(method: Method, url: &Url) -> Self {
        Self {
            method,
            url: url.clone(),
            headers: Vec::new(),
            body: Bytes::new(),
            encodings: "identity",
        }
    }

    /// Lets a proxy compress the response, as clients do: one that compresses changes the ETag. For
    /// responses whose body is compared, not parsed.
    pub(super) const fn compressible(mut self) -> Self {
        self.encodings = "gzip, br, zstd";
        self
    }

    pub(super) fn get(url: &Url) -> Self {
        Self::new(Method::GET, url)
    }

    /// Adds a header field. A value that is no header is left out: it came from a response, and the
    /// check then fails by what is missing.
    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// Adds a body of the type `text/plain`, as clients of the ETag dialect do.
    pub(super) fn text(self, body: &str) -> Self {
        self.typed("text/plain", body)
    }

    /// Adds a body without a type, or replaces it.
    pub(super) fn untyped(mut self, body: &[u8]) -> Self {
        self.body = Bytes::copy_from_slice(body);
        self
    }

    /// Adds a body.
    pub(super) fn typed(mut self, content_type: &'static str, body: &str) -> Self {
        let value = HeaderValue::from_static(content_type);
        self.headers.push((CONTENT_TYPE, value));
        self.body = Bytes::copy_from_slice(body.as_bytes());
        self
    }
}

/// A response.
#[derive(Debug, Clone)]
pub(super) struct ProbeResponse {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The URL that it came from, after redirects.
    pub(super) url: Url,
    /// Whether it has a probe: this service sent it.
    pub(super) is_ours: bool,
    /// Whether the probe is that of another request: a cache sent the response again.
    pub(super) is_cached: bool,
    /// The time from the open connection to the end of the response.
    pub(super) elapsed: Duration,
}

/// A request without a response. The text names the host that was tried.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProbeError {
    #[error(transparent)]
    Connect(#[from] ProbeConnectError),
    #[error("the connection to {host} broke: {error}")]
    Http { host: String, error: hyper::Error },
    #[error("the response of {host} broke off, or is longer than 256 KiB")]
    Body { host: String },
    #[error("{host} sent no response within {limit}")]
    Timeout { host: String, limit: HumanDuration },
    #[error("{url} redirects more than {limit} times")]
    Redirects { url: Url, limit: usize },
}

impl ProbeError {
    /// What to do about it.
    pub(super) fn action(&self) -> &'static str {
        match self {
            Self::Connect(ProbeConnectError::Resolve { .. }) => {
                "check the spelling of the name, and its DNS records (A, AAAA)"
            }
            Self::Connect(ProbeConnectError::NoAddress { .. }) => {
                "leave out --ipv4 or --ipv6, or give a base URL as SERVER whose host has such an address"
            }
            Self::Connect(ProbeConnectError::Tcp { .. }) => {
                "start the proxy, and let the firewall pass this port: no client gets further"
            }
            Self::Connect(ProbeConnectError::Tls { failure, .. }) => failure.action(),
            Self::Http { .. } | Self::Body { .. } => {
                "look at the log of the proxy: it or its upstream closed the connection"
            }
            Self::Timeout { .. } => {
                "look at the log of the proxy: it or its upstream hangs (--timeout raises the limit)"
            }
            Self::Redirects { .. } => "remove the redirect loop from the proxy",
        }
    }
}

/// What one request showed, for the report. It has no body of the request, and none of the response.
#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) address: Option<SocketAddr>,
    pub(super) elapsed: Duration,
    pub(super) result: Result<(StatusCode, HeaderMap), String>,
}

/// Returns the URL that a redirect leads to.
pub(super) fn redirect_target(response: &ProbeResponse) -> Option<Url> {
    if !response.status.is_redirection() || response.status == StatusCode::NOT_MODIFIED {
        return None;
    }
    let location = response.headers.get(LOCATION)?.to_str().ok()?;
    response.url.join(location).ok()
}
