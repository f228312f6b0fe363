//! Validated Redis connection settings: URL, credentials, TLS roots. Parsing opens no connection.
//!
//! For `startup`, so that `config check` rejects what `serve` would reject.

use crate::tls::{self, CaBundleError};
use fred::error::Error;
use fred::types::config::{Config, ServerConfig};
use rustls::RootCertStore;
use std::fmt;
use std::path::{Path, PathBuf};
use url::Url;

/// The accepted schemes, each also with `-sentinel` and `-cluster`. fred takes every other scheme
/// (`http`, `redis+tls`) as plain text, and would send the password unencrypted.
const PLAIN_SCHEMES: [&str; 2] = ["redis", "valkey"];
const TLS_SCHEMES: [&str; 2] = ["rediss", "valkeys"];

/// The error of a password that is configured twice.
const PASSWORD_TWICE: &str = "is set in addition to a password in the URL; keep one";

/// Why the settings of the Redis store cannot work, whatever state Redis is in.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL is not one of a Redis.
    #[error("not a Redis URL: {0}")]
    Url(#[from] RedisUrlError),
    /// The password of Redis cannot be used with this URL.
    #[error("{0}")]
    Password(&'static str),
    /// The password of the Sentinels cannot be used with this URL.
    #[error("{0}")]
    SentinelPassword(&'static str),
    /// The CA file is missing, unreadable, or holds no certificate.
    #[error("{path}: {reason}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: CaBundleError,
    },
    /// rustls rejects the TLS settings.
    #[error("TLS to Redis cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// fred rejects the connection settings.
    #[error("the connection to Redis cannot be set up: {}", .0.details())]
    Client(Error),
}

/// Why a URL is not one of a Redis. No text repeats the URL, since it may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum RedisUrlError {
    /// The text is not a URL.
    #[error("{0}")]
    Syntax(#[from] url::ParseError),
    /// The scheme is unknown.
    #[error(
        "the scheme must be redis, rediss, valkey or valkeys, or one of these with -sentinel or -cluster"
    )]
    Scheme,
    /// fred rejects the URL.
    #[error("{}", without_url(.0))]
    Rejected(Error),
}

/// fred's message without what follows the first colon, where it quotes the part of the URL that it
/// rejects.
fn without_url(error: &Error) -> &str {
    error.details().split(": ").next().unwrap_or_default()
}

/// A Redis to connect to: a URL that fred accepts, and trusted roots that rustls accepts.
#[derive(Clone)]
pub struct RedisEndpoint {
    config: Config,
    tls: bool,
    ca_roots: RootCertStore,
}

impl RedisEndpoint {
    /// Parses the URL, and reads the PEM file of certificates to trust in addition to the
    /// platform's.
    ///
    /// # Errors
    /// All problems: [`ConnectError::Url`] and [`ConnectError::CaFile`].
    pub fn parse(url: &str, ca_file: Option<&Path>) -> Result<Self, Vec<ConnectError>> {
        let ca_roots = tls::load_ca_bundle(ca_file).map_err(|reason| ConnectError::CaFile {
            path: ca_file.unwrap_or(Path::new("")).to_owned(),
            reason,
        });
        match (parse_url(url).map_err(ConnectError::from), ca_roots) {
            (Ok((config, tls)), Ok(ca_roots)) => Ok(Self {
                config,
                tls,
                ca_roots,
            }),
            (url, ca_roots) => Err(url.err().into_iter().chain(ca_roots.err()).collect()),
        }
    }

    /// Adds passwords that are configured outside the URL, so that they need no percent-encoding.
    ///
    /// # Errors
    /// All problems: [`ConnectError::Password`] and [`ConnectError::SentinelPassword`].
    pub fn with_passwords(
        mut self,
        password: Option<&str>,
        sentinel: Option<&str>,
    ) -> Result<Self, Vec<ConnectError>> {
        let mut errors = Vec::new();
        if let Some(text) = password
            && self.config.password.replace(text.to_owned()).is_some()
        {
            errors.push(ConnectError::Password(PASSWORD_TWICE));
        }
        match (&mut self.config.server, sentinel) {
            (ServerConfig::Sentinel { password, .. }, Some(text)) => {
                if password.replace(text.to_owned()).is_some() {
                    errors.push(ConnectError::SentinelPassword(PASSWORD_TWICE));
                }
            }
            (_, Some(_)) => errors.push(ConnectError::SentinelPassword(
                "requires a URL of Sentinels",
            )),
            (_, None) => {}
        }
        if errors.is_empty() {
            Ok(self)
        } else {
            Err(errors)
        }
    }

    /// Checks that rustls accepts the TLS settings, so that `config check` rejects what `serve` would
    /// reject.
    ///
    /// # Errors
    /// [`ConnectError::Tls`] if it does not.
    pub fn check_tls(&self) -> Result<(), ConnectError> {
        self.config().map(drop)
    }

    /// Whether the URL names a Redis Cluster, on which a script can touch only keys of one slot.
    pub(super) fn is_cluster(&self) -> bool {
        self.config.server.is_clustered()
    }

    /// The configuration for fred.
    ///
    /// # Errors
    /// [`ConnectError::Tls`] if rustls rejects the TLS settings.
    pub(super) fn config(&self) -> Result<Config, ConnectError> {
        let mut config = self.config.clone();
        if self.tls {
            config.tls = Some(tls::client_config(&self.ca_roots)?.into());
        }
        Ok(config)
    }
}

/// Shows neither the URL nor a password.
impl fmt::Debug for RedisEndpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RedisEndpoint")
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

/// Returns fred's form of the URL, and whether it requests TLS.
fn parse_url(text: &str) -> Result<(Config, bool), RedisUrlError> {
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
    let config = Config::from_url(text).map_err(RedisUrlError::Rejected)?;
    Ok((config, tls))
}
