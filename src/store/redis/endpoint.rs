//! Which Redis, and whom to believe that it is it: what can be told before anything is dialled.
//!
//! For `app`, which asks before anything runs, so that `config check` refuses what `serve` would.

use crate::store::redis::ConnectError;
use crate::tls;
use fred::types::config::{Config, ServerConfig};
use rustls::RootCertStore;
use std::fmt;
use std::path::Path;
use url::Url;

/// The schemes, each also with `-sentinel` and `-cluster`. fred would take any other (`http`,
/// `redis+tls`) for plain text, and send the password over it.
const PLAIN_SCHEMES: [&str; 2] = ["redis", "valkey"];
const TLS_SCHEMES: [&str; 2] = ["rediss", "valkeys"];

/// What is wrong with a password that is given twice.
const PASSWORD_TWICE: &str = "is set beside a password in the URL; keep one";

/// A Redis that can be dialled: a URL that fred takes, and certificates that rustls takes.
#[derive(Clone)]
pub struct RedisEndpoint {
    config: Config,
    tls: bool,
    ca_roots: RootCertStore,
}

impl RedisEndpoint {
    /// Reads the URL, and the PEM file of certificates to trust beside the platform's.
    ///
    /// # Errors
    /// Everything that is wrong, [`ConnectError::Url`] and [`ConnectError::CaFile`].
    pub fn parse(url: &str, ca_file: Option<&Path>) -> Result<Self, Vec<ConnectError>> {
        let ca_roots = tls::load_ca_bundle(ca_file).map_err(|error| ConnectError::CaFile {
            path: ca_file.unwrap_or(Path::new("")).to_owned(),
            reason: error.to_string(),
        });
        match (parse_url(url).map_err(ConnectError::Url), ca_roots) {
            (Ok((config, tls)), Ok(ca_roots)) => Ok(Self {
                config,
                tls,
                ca_roots,
            }),
            (url, ca_roots) => Err(url.err().into_iter().chain(ca_roots.err()).collect()),
        }
    }

    /// With passwords that come apart from the URL, so that they need not be written as in one.
    ///
    /// # Errors
    /// Everything that is wrong: [`ConnectError::Password`] and [`ConnectError::SentinelPassword`].
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
            (_, Some(_)) => {
                errors.push(ConnectError::SentinelPassword("is for a URL of Sentinels"))
            }
            (_, None) => {}
        }
        if errors.is_empty() {
            Ok(self)
        } else {
            Err(errors)
        }
    }

    /// Checks that rustls accepts the TLS settings, so that `config check` rejects what `serve` would.
    ///
    /// # Errors
    /// [`ConnectError::Tls`] if not.
    pub fn check_tls(&self) -> Result<(), ConnectError> {
        self.config().map(drop)
    }

    /// What fred is given.
    pub(super) fn config(&self) -> Result<Config, ConnectError> {
        let mut config = self.config.clone();
        if self.tls {
            config.tls = Some(tls::client_config(&self.ca_roots)?.into());
        }
        Ok(config)
    }
}

/// Without the password.
impl fmt::Debug for RedisEndpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RedisEndpoint")
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

/// fred's form of the URL, and whether it asks for TLS; or what is wrong, without a word of the URL.
fn parse_url(text: &str) -> Result<(Config, bool), String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    let scheme = url.scheme();
    let kind = ["-sentinel", "-cluster"]
        .iter()
        .find_map(|kind| scheme.strip_suffix(kind))
        .unwrap_or(scheme);
    let tls = TLS_SCHEMES.contains(&kind);
    if !tls && !PLAIN_SCHEMES.contains(&kind) {
        return Err("its scheme is none of redis, rediss, valkey, valkeys, nor one of them with -sentinel or -cluster".to_owned());
    }
    // Behind a colon fred quotes the part of the URL that it does not like.
    let config = Config::from_url(text).map_err(|error| {
        let details = error.details();
        details.split(": ").next().unwrap_or_default().to_owned()
    })?;
    Ok((config, tls))
}
