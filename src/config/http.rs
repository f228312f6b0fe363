//! The section `http`: the listener for clients.

use crate::config::Problem;
use crate::config::de::{HumanDuration, leaf, list, optional};
use crate::config::network::Network;
use crate::config::web_url::WebUrl;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

/// The shortest idle timeout that starts: nginx and haproxy keep upstream connections for 60 s by
/// default, and whoever closes first loses no request.
const MIN_IDLE: Duration = Duration::from_secs(75);

/// More connections than one process has file descriptors for, on any usual system.
const MAX_CONNECTIONS: usize = 1_000_000;

/// The listener for clients.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Peers whose `forwarded_header` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The one header that says where a request comes from.
    pub forwarded_header: FieldName,
    /// Whether each connection begins with the PROXY protocol's header.
    pub proxy_protocol: bool,
    /// Whether HTTP/2 without TLS is accepted.
    pub h2c: bool,
    /// Connections open at once.
    pub max_connections: usize,
    /// Connections of one client open at once, where clients have limits.
    pub max_connections_per_client: usize,
    /// Deadlines of a connection and of a request.
    pub timeouts: Timeouts,
}

/// How long each wait on a client may last.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// A request's head, from its first byte.
    pub header: Duration,
    /// A request's body.
    pub body: Duration,
    /// A request as a whole.
    pub request: Duration,
    /// The pause between two requests on a connection.
    pub idle: Duration,
}

/// The section as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawHttp {
    #[serde(deserialize_with = "leaf")]
    listen: SocketAddr,
    #[serde(
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) public_base_url: Option<WebUrl>,
    #[serde(deserialize_with = "list")]
    trusted_proxies: Vec<Network>,
    #[serde(deserialize_with = "leaf")]
    forwarded_header: FieldName,
    #[serde(deserialize_with = "leaf")]
    proxy_protocol: bool,
    #[serde(deserialize_with = "leaf")]
    h2c: bool,
    #[serde(deserialize_with = "leaf")]
    max_connections: usize,
    #[serde(deserialize_with = "leaf")]
    max_connections_per_client: usize,
    #[serde(deserialize_with = "leaf")]
    header_timeout: HumanDuration,
    #[serde(deserialize_with = "leaf")]
    body_timeout: HumanDuration,
    #[serde(deserialize_with = "leaf")]
    request_timeout: HumanDuration,
    #[serde(deserialize_with = "leaf")]
    idle_timeout: HumanDuration,
}

impl RawHttp {
    pub(super) fn listens_on(&self, address: SocketAddr) -> bool {
        self.listen == address
    }

    pub(super) fn validate(&self, problems: &mut Vec<Problem>) -> HttpConfig {
        for (key, connections) in [
            ("http.max_connections", self.max_connections),
            (
                "http.max_connections_per_client",
                self.max_connections_per_client,
            ),
        ] {
            if !(1..=MAX_CONNECTIONS).contains(&connections) {
                problems.push(Problem::new(key, "must be between 1 and 1000000"));
            }
        }
        if self.proxy_protocol && self.trusted_proxies.is_empty() {
            problems.push(Problem::new(
                "http.proxy_protocol",
                "needs http.trusted_proxies: whoever may send its header may be anyone",
            ));
        }
        for (key, period) in [
            ("http.header_timeout", self.header_timeout),
            ("http.body_timeout", self.body_timeout),
            ("http.request_timeout", self.request_timeout),
        ] {
            if period.0.is_zero() {
                problems.push(Problem::new(key, "must be more than zero"));
            }
        }
        if self.idle_timeout.0 < MIN_IDLE {
            problems.push(Problem::new(
                "http.idle_timeout",
                "must be at least 75s: proxies reuse connections that long, and would lose requests",
            ));
        }
        HttpConfig {
            listen: self.listen,
            trusted_proxies: self
                .trusted_proxies
                .iter()
                .map(|network| network.0)
                .collect(),
            forwarded_header: self.forwarded_header.clone(),
            proxy_protocol: self.proxy_protocol,
            h2c: self.h2c,
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

/// The longest name of a header, in bytes: far longer than any that a proxy sends, and far below what a
/// head has room for.
const MAX_FIELD_NAME: usize = 100;

/// The name of a header (RFC 9110 §5.1).
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct FieldName(String);

impl FieldName {
    /// The name as it was written; case says nothing.
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
            Err("expected the name of a header such as X-Forwarded-For")
        }
    }
}
