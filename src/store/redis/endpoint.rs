//! Validated Redis connection settings: URL, credentials, TLS. Parsing opens no connection.
//!
//! `source` reads them from the configuration and its files, at the start and before each connection.

use crate::store::redis::address::Address;
use crate::store::redis::url::{Layout, RedisUrlError, has_escape_in_password, parse_url};
use crate::tls::{self, ClientCertificate};
use fred::types::RespVersion;
use fred::types::config::{Config, Server, ServerConfig};
use rustls::RootCertStore;
use std::fmt::{self, Write};

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
    /// rustls rejects the client certificate.
    #[error("the client certificate cannot be used: {0}")]
    ClientCertificate(#[from] rustls::Error),
}

/// The TLS settings: trusted roots, and the certificate of this process if there is one.
#[derive(Debug, Clone)]
pub(super) struct TlsSettings {
    pub(super) ca_roots: RootCertStore,
    pub(super) certificate: Option<ClientCertificate>,
}

/// A Redis to connect to: a URL that fred accepts, and TLS settings that rustls accepts.
#[derive(Clone)]
pub struct RedisEndpoint {
    config: Config,
    layout: Layout,
    uses_tls: bool,
    has_escape_in_password: bool,
}

impl RedisEndpoint {
    /// Parses the URL.
    ///
    /// # Errors
    /// [`ConnectError::Url`].
    pub(super) fn parse(url: &str) -> Result<Self, ConnectError> {
        let (config, layout, uses_tls) = parse_url(url)?;
        Ok(Self {
            config,
            layout,
            uses_tls,
            has_escape_in_password: has_escape_in_password(url),
        })
    }

    /// Sets TLS up, if the URL requests it.
    ///
    /// # Errors
    /// [`ConnectError::ClientCertificate`] if it is of an unknown form, or does not fit its key.
    pub(super) fn with_tls(mut self, tls: &TlsSettings) -> Result<Self, ConnectError> {
        if self.uses_tls {
            let client = tls::client_config(&tls.ca_roots, tls.certificate.as_ref())?;
            self.config.tls = Some(client.into());
        }
        Ok(self)
    }

    /// Adds passwords that are configured outside the URL, so that they need no percent-encoding.
    ///
    /// # Errors
    /// All problems: [`ConnectError::Password`] and [`ConnectError::SentinelPassword`].
    pub(super) fn with_passwords(
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

    /// How the servers work together, and their database.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Whether the password in the URL has a percent-encoded character.
    pub(super) const fn has_escape_in_password(&self) -> bool {
        self.has_escape_in_password
    }

    /// fred's configuration for a server that holds data. `host` is where to connect to; the name
    /// in `address` is the one that a certificate must have. `database` is the one of the start: a
    /// URL that was changed since must not move some connections to another.
    pub(super) fn data_config(&self, address: &Address, host: &str, database: u8) -> Config {
        let mut config = self.config.clone();
        config.server = server_config(address, host);
        // A URL without a database sends no SELECT, which its ACL user may lack.
        if config.database.unwrap_or(0) != database {
            config.database = Some(database);
        }
        config
    }

    /// fred's configuration for a sentinel, whose connection carries its events too.
    pub(super) fn sentinel_config(&self, address: &Address, host: &str) -> Config {
        let mut config = self.config.clone();
        config.server = server_config(address, host);
        (config.username, config.password) = match &self.config.server {
            ServerConfig::Sentinel {
                username, password, ..
            } => (username.clone(), password.clone()),
            _ => (None, None),
        };
        with_messages(config)
    }
}

/// Has a connection carry both replies and the messages of its subscriptions (RESP3). It uses no key,
/// so it selects no database.
pub(super) fn with_messages(mut config: Config) -> Config {
    config.database = None;
    config.version = RespVersion::RESP3;
    config.username = config.username.as_deref().map(quote);
    config.password = config.password.as_deref().map(quote);
    config
}

/// Quotes a word of an inline command, as Redis splits it (`sdssplitargs`). With RESP3, fred sends
/// user and password in an inline HELLO as they are: a space would end the password, and a line break
/// would begin another command. AUTH, which fred sends with RESP2, needs no quotes.
fn quote(word: &str) -> String {
    let mut quoted = String::with_capacity(word.len() + 2);
    quoted.push('"');
    for byte in word.bytes() {
        if byte.is_ascii_alphanumeric() {
            quoted.push(char::from(byte));
        } else {
            let _infallible = write!(quoted, "\\x{byte:02x}");
        }
    }
    quoted.push('"');
    quoted
}

fn server_config(address: &Address, host: &str) -> ServerConfig {
    match address {
        Address::Tcp(name, port) => ServerConfig::Centralized {
            server: Server::new_with_tls(host, *port, Some(name.clone())),
        },
        Address::Unix(path) => ServerConfig::Unix { path: path.clone() },
    }
}

/// Shows neither the URL nor a password.
impl fmt::Debug for RedisEndpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RedisEndpoint")
            .field("layout", &self.layout)
            .field("tls", &self.uses_tls)
            .finish_non_exhaustive()
    }
}
