//! Where the settings of the connection come from: the configuration, and the files that it names.
//!
//! The files are read again before each connection, so that a rotated password, certificate or CA
//! needs no restart. Servers keep existing connections when a password changes.

use crate::config::ConfigProblem;
use crate::config::secret::{self, Secret, SecretUrl};
use crate::config::store::{RedisConfig, RedisUrl, keys};
use crate::store::redis::endpoint::{ConnectError, RedisEndpoint, TlsSettings};
use crate::tls;
use std::path::{Path, PathBuf};

/// The settings of the connection, to be read again before each connection.
#[derive(Debug, Clone)]
pub struct RedisSource(RedisConfig);

impl RedisSource {
    /// Keeps the settings. Reads nothing.
    #[must_use]
    pub fn new(config: &RedisConfig) -> Self {
        Self(config.clone())
    }

    /// The key that set the URL.
    #[must_use]
    pub fn url_key(&self) -> &'static str {
        self.0.url.key()
    }

    /// Reads the files and checks the settings. Blocks while it reads.
    ///
    /// # Errors
    /// All problems, each with the key of the configuration. None repeats a secret.
    pub fn read(&self) -> Result<RedisEndpoint, Vec<ConfigProblem>> {
        let Self(config) = self;
        let mut problems = Vec::new();
        let url_key = config.url.key();
        let url = match &config.url {
            RedisUrl::Inline(url) => Some(url.clone()),
            RedisUrl::File(path) => keep(secret::read::<SecretUrl>(url_key, path), &mut problems),
        };
        let mut secret = |key, path: &Option<PathBuf>| {
            let read = path
                .as_deref()
                .map(|path| secret::read::<Secret>(key, path));
            read.and_then(|read| keep(read, &mut problems))
        };
        let password = secret(keys::PASSWORD_FILE, &config.password_file);
        let sentinel = secret(keys::SENTINEL_PASSWORD_FILE, &config.sentinel_password_file);
        let tls = keep(self.read_tls(), &mut problems);
        let problem = |error| problem_of(&error, url_key);
        let endpoint = url.and_then(|url| {
            let parsed = RedisEndpoint::parse(url.expose());
            keep(parsed.map_err(problem), &mut problems)
        });
        let (Some(endpoint), Some(tls)) = (endpoint, tls) else {
            return Err(problems);
        };
        let password = password.as_ref().map(Secret::expose);
        let sentinel = sentinel.as_ref().map(Secret::expose);
        let endpoint = endpoint
            .with_passwords(password, sentinel)
            .and_then(|endpoint| endpoint.with_tls(&tls).map_err(|error| vec![error]))
            .map_err(|errors| errors.into_iter().map(problem).collect::<Vec<_>>());
        match endpoint {
            Ok(endpoint) if problems.is_empty() => Ok(endpoint),
            Ok(_) => Err(problems),
            Err(more) => Err([problems, more].concat()),
        }
    }

    fn read_tls(&self) -> Result<TlsSettings, ConfigProblem> {
        let Self(config) = self;
        let ca_file = config.ca_file.as_deref();
        let ca_roots = tls::load_ca_bundle(ca_file).map_err(|reason| {
            let path = ca_file.unwrap_or(Path::new("")).display();
            ConfigProblem::new(keys::CA_FILE, format!("{path}: {reason}"))
        })?;
        let certificate = match (&config.cert_file, &config.key_file) {
            (Some(cert_file), Some(key_file)) => {
                let loaded = tls::load_client_certificate(cert_file, key_file);
                Some(loaded.map_err(|(path, reason)| {
                    let key = if path == cert_file {
                        keys::CERT_FILE
                    } else {
                        keys::KEY_FILE
                    };
                    ConfigProblem::new(key, format!("{}: {reason}", path.display()))
                })?)
            }
            _ => None,
        };
        Ok(TlsSettings {
            ca_roots,
            certificate,
        })
    }
}

/// Returns the value, or adds the problem.
fn keep<T>(read: Result<T, ConfigProblem>, problems: &mut Vec<ConfigProblem>) -> Option<T> {
    read.map_err(|problem| problems.push(problem)).ok()
}

fn problem_of(error: &ConnectError, url_key: &'static str) -> ConfigProblem {
    let key = match error {
        ConnectError::Url(_) => url_key,
        ConnectError::ClientCertificate(_) => keys::CERT_FILE,
        ConnectError::Password(_) => keys::PASSWORD_FILE,
        ConnectError::SentinelPassword(_) => keys::SENTINEL_PASSWORD_FILE,
    };
    ConfigProblem::new(key, error.to_string())
}
