//! The section `http`: the client listener, trusted proxies, connection limits and timeouts.

pub mod certificate_files;
pub(super) mod readiness_path;

use self::readiness_path::PathOnClientsListener;
use crate::config::ConfigProblem;
use crate::config::address_range::Network;
use crate::config::de::{HumanDuration, Scalar, list, scalar};
use crate::config::listen::{ListenAddress, ListenAddresses};
use crate::config::web_url::WebUrl;
use crate::tls::server::CertificateFiles;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Lower bound of `http.idle_timeout`.
///
/// nginx and haproxy keep upstream connections for 60 s by default. The proxy must close first: if
/// this server closed first, a request already on its way would be lost.
const MIN_IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// Upper bound of the connection limits: above the file descriptor limit of any usual system.
pub(super) const MAX_CONNECTION_LIMIT: usize = 1_000_000;

/// The validated section `http`.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Addresses to listen on.
    pub listen: ListenAddresses,
    /// The certificate of the listener. `None` if connections are plain text.
    pub tls: Option<CertificateFiles>,
    /// Peers that may set `forwarded_header` and `X-Forwarded-Proto`.
    pub trusted_proxies: Vec<IpNet>,
    /// The only header from which a client's address is taken.
    pub forwarded_header: FieldName,
    /// Whether each connection must begin with a PROXY protocol header.
    pub proxy_protocol: bool,
    /// Whether HTTP/2 without TLS is accepted.
    pub h2c: bool,
    /// The path of readiness on this listener. `None` if only the admin listener has one.
    pub readiness_path: Option<String>,
    /// Upper bound of open connections.
    pub max_connections: usize,
    /// Upper bound of open connections per client. Applies only if `limits.enabled` is true.
    pub max_connections_per_client: usize,
    /// Timeouts of connections and requests.
    pub timeouts: Timeouts,
}

/// The upper bound of each wait for a client.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Receiving a request's head, from its first byte.
    pub header: Duration,
    /// Receiving a request's body.
    pub body: Duration,
    /// A request from its head to its response.
    pub request: Duration,
    /// Waiting for the next request on a connection.
    pub idle: Duration,
}

/// The section as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawHttp {
    listen: ListenAddresses,
    tls_cert_file: Option<Scalar<PathBuf>>,
    tls_key_file: Option<Scalar<PathBuf>>,
    public_base_url: Option<Scalar<WebUrl>>,
    #[serde(deserialize_with = "list")]
    trusted_proxies: Vec<Network>,
    #[serde(deserialize_with = "scalar")]
    forwarded_header: FieldName,
    #[serde(deserialize_with = "scalar")]
    proxy_protocol: bool,
    #[serde(deserialize_with = "scalar")]
    h2c: bool,
    readiness_path: Option<Scalar<PathOnClientsListener>>,
    #[serde(deserialize_with = "scalar")]
    max_connections: usize,
    #[serde(deserialize_with = "scalar")]
    max_connections_per_client: usize,
    #[serde(deserialize_with = "scalar")]
    header_timeout: HumanDuration,
    #[serde(deserialize_with = "scalar")]
    body_timeout: HumanDuration,
    #[serde(deserialize_with = "scalar")]
    request_timeout: HumanDuration,
    #[serde(deserialize_with = "scalar")]
    idle_timeout: HumanDuration,
}

impl RawHttp {
    /// `http.public_base_url`, if it is set.
    pub(super) fn public_base_url(&self) -> Option<&WebUrl> {
        self.public_base_url.as_ref().map(|Scalar(url)| url)
    }

    /// `http.listen`.
    pub(super) fn listen(&self) -> &ListenAddresses {
        &self.listen
    }

    pub(super) fn validate(&self, problems: &mut Vec<ConfigProblem>) -> HttpConfig {
        for (key, connections) in [
            ("http.max_connections", self.max_connections),
            (
                "http.max_connections_per_client",
                self.max_connections_per_client,
            ),
        ] {
            if !(1..=MAX_CONNECTION_LIMIT).contains(&connections) {
                problems.push(ConfigProblem::new(key, "must be between 1 and 1000000"));
            }
        }
        let is_only_unix = self.listen.iter().all(ListenAddress::is_unix);
        if self.proxy_protocol && self.trusted_proxies.is_empty() && !is_only_unix {
            problems.push(ConfigProblem::new(
                "http.proxy_protocol",
                "requires http.trusted_proxies, or any peer could spoof its address",
            ));
        }
        for (key, timeout) in [
            ("http.header_timeout", self.header_timeout),
            ("http.body_timeout", self.body_timeout),
            ("http.request_timeout", self.request_timeout),
        ] {
            if timeout.0.is_zero() {
                problems.push(ConfigProblem::new(key, "must be greater than zero"));
            }
        }
        if self.idle_timeout.0 < MIN_IDLE_TIMEOUT {
            problems.push(ConfigProblem::new(
                "http.idle_timeout",
                "must be at least 75s: proxies reuse idle connections for 60s and more, and lose a request if \
                 the server closes first",
            ));
        }
        HttpConfig {
            listen: self.listen.clone(),
            tls: certificate_files::validate(
                self.tls_cert_file.as_ref(),
                self.tls_key_file.as_ref(),
                problems,
            ),
            trusted_proxies: self
                .trusted_proxies
                .iter()
                .map(|network| network.0)
                .collect(),
            forwarded_header: self.forwarded_header.clone(),
            proxy_protocol: self.proxy_protocol,
            h2c: self.h2c,
            readiness_path: self
                .readiness_path
                .as_ref()
                .map(|Scalar(path)| path.0.clone()),
            max_connections: self.max_connections,
            max_connections_per_client: self.max_connections_per_client,
            timeouts: Timeouts {
                header: self.header_timeout.0,
                body: self.body_timeout.0,
                request: self.request_timeout.0,
                idle: self.idle_timeout.0,
            },
        }
    }
}

impl HttpConfig {
    /// Appends a warning for each setting that is valid but probably unintended.
    pub(super) fn warnings(&self, warnings: &mut Vec<String>) {
        let trusts_all = |range: &IpNet| range.prefix_len() == 0;
        if self.trusted_proxies.iter().any(trusts_all) {
            warnings.push(format!(
                "http.trusted_proxies contains a /0 range: any client can spoof its address through {}",
                self.forwarded_header.as_str()
            ));
        }
        if self.timeouts.request < self.timeouts.body {
            warnings.push(format!(
                "http.request_timeout is {}, shorter than http.body_timeout: a slow body ends with a \
                 503 instead of a 408",
                HumanDuration(self.timeouts.request)
            ));
        }
    }
}

/// Longest header name, in bytes: far above any name that a proxy sends, and far below the limit of
/// a request's head.
pub(super) const MAX_FIELD_NAME: usize = 100;

/// A header name (RFC 9110 §5.1).
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct FieldName(String);

impl FieldName {
    /// The name as it is written. Header names are case-insensitive.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FieldName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A token (RFC 9110 §5.6.2).
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if (1..=MAX_FIELD_NAME).contains(&text.len()) && text.bytes().all(is_token) {
            Ok(Self(text.to_owned()))
        } else {
            Err("expected a header name such as X-Forwarded-For")
        }
    }
}
