//! Parses the URL of Redis: which servers, with which credentials, and whether over TLS.

use crate::store::redis::address::Address;
use fred::error::Error;
use fred::types::config::{Config, Server, ServerConfig};
use std::fmt;
use std::path::PathBuf;
use url::Url;

/// The accepted schemes, each also with `-sentinel` and `-cluster`. fred takes every other scheme
/// (`http`, `redis+tls`) as plain text, and would send the password unencrypted.
const PLAIN_SCHEMES: [&str; 2] = ["redis", "valkey"];
const TLS_SCHEMES: [&str; 2] = ["rediss", "valkeys"];

/// The scheme of a Unix socket, by its path.
const UNIX_SCHEME: &str = "unix://";

/// Why a URL is not one of a Redis. No text repeats the URL, since it may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum RedisUrlError {
    /// The text is not a URL.
    #[error("{0}")]
    Syntax(#[from] url::ParseError),
    /// The scheme is unknown.
    #[error(
        "the scheme must be redis, rediss, valkey or valkeys, or one of these with -sentinel or -cluster, or unix"
    )]
    Scheme,
    /// The URL of a Unix socket is not of the form `unix:///path`, with an optional `?db=N`.
    #[error("the URL of a Unix socket must have the form unix:///path/to/socket?db=0")]
    Unix,
    /// The password contains a character that ends it.
    #[error(
        "the password contains /, ? or #, which end it in a URL: percent-encode them as %2F, %3F and \
         %23, or use store.redis.password_file"
    )]
    Delimiter,
    /// An escape in the credentials is not UTF-8.
    #[error(
        "a % in the user name or the password begins an escape that is not UTF-8: percent-encode it \
         as %25, or use store.redis.password_file"
    )]
    Escape,
    /// fred rejects the URL.
    #[error("{}", without_url(.0))]
    Rejected(Error),
}

/// fred's message without what follows the first colon, where it quotes the part of the URL that it
/// rejects.
fn without_url(error: &Error) -> &str {
    error.details().split(": ").next().unwrap_or_default()
}

/// How the servers of a URL work together, and which of their databases holds the sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// One server.
    Standalone {
        /// Where it is.
        address: Address,
        /// The number of the database.
        database: u8,
    },
    /// Sentinels, which name the primary of a service.
    Sentinel {
        /// The sentinels.
        sentinels: Vec<Address>,
        /// The name of the service in their configuration.
        service: String,
        /// The number of the database.
        database: u8,
    },
    /// A Cluster, and some of its nodes. It has database 0 only.
    Cluster(Vec<Address>),
}

impl Layout {
    /// The number of the database.
    pub(super) const fn database(&self) -> u8 {
        match self {
            Self::Standalone { database, .. } | Self::Sentinel { database, .. } => *database,
            Self::Cluster(_) => 0,
        }
    }
}

/// Displays the servers, without user name and password.
impl fmt::Display for Layout {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |addresses: &[Address]| {
            let texts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            texts.join(", ")
        };
        match self {
            Self::Standalone { address, .. } => write!(out, "{address}"),
            Self::Sentinel {
                sentinels, service, ..
            } => write!(out, "{service} of the sentinels {}", join(sentinels)),
            Self::Cluster(nodes) => write!(out, "Cluster {}", join(nodes)),
        }
    }
}

/// Returns fred's form of the URL, the layout, and whether the URL requests TLS.
pub(super) fn parse_url(text: &str) -> Result<(Config, Layout, bool), RedisUrlError> {
    let parsed = match text.strip_prefix(UNIX_SCHEME) {
        Some(rest) => parse_unix_url(rest),
        None => parse_tcp_url(text),
    };
    match parsed {
        // `redis://user:12#3@host` is a URL of port 12 on the host `user`. In other layouts the query
        // can hold an `@`.
        Err(_) | Ok((_, Layout::Standalone { .. }, _)) if has_delimiter_in_password(text) => {
            Err(RedisUrlError::Delimiter)
        }
        parsed => parsed,
    }
}

/// Whether the `@` before the host comes after a character that ends what precedes the host.
fn has_delimiter_in_password(text: &str) -> bool {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    authority.contains(':') && !authority.contains('@') && rest.contains('@')
}

fn parse_tcp_url(text: &str) -> Result<(Config, Layout, bool), RedisUrlError> {
    let url = Url::parse(text)?;
    let scheme = url.scheme();
    let kind = ["-sentinel", "-cluster"]
        .iter()
        .find_map(|kind| scheme.strip_suffix(kind))
        .unwrap_or(scheme);
    let tls = TLS_SCHEMES.contains(&kind);
    if !tls && !PLAIN_SCHEMES.contains(&kind) {
        return Err(RedisUrlError::Scheme);
    }
    for credential in [url.username(), url.password().unwrap_or_default()] {
        let decoded = percent_encoding::percent_decode_str(credential).decode_utf8();
        decoded.map_err(|_| RedisUrlError::Escape)?;
    }
    let config = Config::from_url(text).map_err(RedisUrlError::Rejected)?;
    let addresses = |hosts: &[Server]| {
        let tcp = |server: &Server| Address::Tcp(server.host.to_string(), server.port);
        hosts.iter().map(tcp).collect::<Vec<_>>()
    };
    let database = config.database.unwrap_or(0);
    let layout = match &config.server {
        ServerConfig::Centralized { server } => Layout::Standalone {
            address: Address::Tcp(server.host.to_string(), server.port),
            database,
        },
        ServerConfig::Clustered { hosts, .. } => Layout::Cluster(addresses(hosts)),
        ServerConfig::Sentinel {
            hosts,
            service_name,
            ..
        } => Layout::Sentinel {
            sentinels: addresses(hosts),
            service: service_name.clone(),
            database,
        },
        ServerConfig::Unix { .. } => return Err(RedisUrlError::Scheme),
    };
    Ok((config, layout, tls))
}

/// Whether the password in the URL has an escape. If Redis rejects the password, a `%` that should
/// stand for itself is a likely reason.
pub(super) fn has_escape_in_password(text: &str) -> bool {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    let credentials = rest
        .split_once('@')
        .map_or("", |(credentials, _)| credentials);
    credentials.contains('%')
}

/// Parses `[user[:password]@]/path[?db=N]`. The crate `url` rejects a user without a host.
fn parse_unix_url(text: &str) -> Result<(Config, Layout, bool), RedisUrlError> {
    let decode = |text: &str| {
        let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
        decoded.map(String::from).map_err(|_| RedisUrlError::Escape)
    };
    let (authority, rest) = text.split_once('/').ok_or(RedisUrlError::Unix)?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let user = authority.strip_suffix('@').unwrap_or_default();
    if path.is_empty() || user.len() + 1 < authority.len() {
        return Err(RedisUrlError::Unix);
    }
    let mut database = None;
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if name != "db" {
            return Err(RedisUrlError::Unix);
        }
        database = Some(value.parse().map_err(|_| RedisUrlError::Unix)?);
    }
    let (username, password) = match user.split_once(':') {
        Some((username, password)) => (username, Some(decode(password)?)),
        None => (user, None),
    };
    let path = PathBuf::from(format!("/{}", decode(path)?));
    let config = Config {
        server: ServerConfig::Unix { path: path.clone() },
        username: Some(decode(username)?).filter(|name| !name.is_empty()),
        password,
        database,
        ..Config::default()
    };
    let layout = Layout::Standalone {
        address: Address::Unix(path),
        database: database.unwrap_or(0),
    };
    Ok((config, layout, false))
}

#[cfg(test)]
mod tests;
