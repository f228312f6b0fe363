//! A token verifier as it is configured, in the section `auth` or in an entry
//! `[[auth.homeserver]]`.

use crate::config::ConfigProblem;
use crate::config::de::Scalar;
use crate::config::secret::{self, Secret};
use crate::config::web_url::WebUrl;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use url::Url;

/// The token verifier and the CA bundle for its TLS connections.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// The service that checks access tokens.
    pub verifier: VerifierConfig,
    /// PEM file of certificate authorities to trust beside the platform's.
    pub ca_file: Option<PathBuf>,
}

/// The service that checks access tokens, and how to authenticate to it.
#[derive(Debug, Clone)]
pub enum VerifierConfig {
    /// A homeserver: `GET /_matrix/client/v3/account/whoami` (client-server API).
    Whoami {
        /// Base URL of the homeserver.
        homeserver: Url,
    },
    /// An OAuth 2.0 server: token introspection (RFC 7662).
    Introspection {
        /// URL of the introspection endpoint.
        endpoint: Url,
        /// Our credentials at the endpoint.
        credentials: Credentials,
    },
}

/// Our credentials at an introspection endpoint.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// Client id and secret (RFC 6749 §2.3.1, `client_secret_basic`).
    Basic {
        /// The client id.
        id: String,
        /// The client secret.
        secret: Secret,
    },
    /// A shared secret, sent as a bearer token. Synapse authenticates to the Matrix Authentication
    /// Service in this way.
    Bearer(Secret),
}

/// The keys below `introspection`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawIntrospection {
    endpoint: Option<Scalar<WebUrl>>,
    client_id: Option<Scalar<String>>,
    client_secret: Option<Scalar<Secret>>,
    client_secret_file: Option<Scalar<PathBuf>>,
}

/// The keys of one token verifier, borrowed from the section or the entry that they are in.
pub(super) struct RawVerifier<'a> {
    /// The section or entry, as in `auth` or `auth.homeserver.0`.
    pub(super) key_prefix: &'a str,
    pub(super) homeserver_url: Option<&'a WebUrl>,
    pub(super) ca_file: Option<&'a Path>,
    pub(super) introspection: &'a RawIntrospection,
}

impl RawVerifier<'_> {
    /// Returns the first key that is set, with its prefix.
    pub(super) fn first_set_key(&self) -> Option<String> {
        let keys = [
            ("homeserver_url", self.homeserver_url.is_some()),
            ("ca_file", self.ca_file.is_some()),
            ("introspection", self.introspection.is_set()),
        ];
        let key = keys
            .iter()
            .find_map(|(key, is_set)| is_set.then_some(*key))?;
        Some(format!("{}.{key}", self.key_prefix))
    }

    /// Returns the verifier, or `None` if none is configured or there is a problem.
    pub(super) fn validate(&self, problems: &mut Vec<ConfigProblem>) -> Option<AuthConfig> {
        let (key_prefix, introspection) = (self.key_prefix, self.introspection);
        let verifier = match (self.homeserver_url, &introspection.endpoint) {
            (Some(homeserver), None) => {
                introspection.reject_unused_credentials(key_prefix, problems);
                VerifierConfig::Whoami {
                    homeserver: homeserver.0.clone(),
                }
            }
            (None, Some(Scalar(endpoint))) => VerifierConfig::Introspection {
                endpoint: endpoint.0.clone(),
                credentials: introspection.credentials(key_prefix, problems)?,
            },
            (Some(_), Some(_)) => {
                let key = format!("{key_prefix}.introspection.endpoint");
                let reason = format!("is set beside {key_prefix}.homeserver_url; keep one");
                problems.push(ConfigProblem::new(key, reason));
                return None;
            }
            (None, None) => {
                introspection.reject_unused_credentials(key_prefix, problems);
                return None;
            }
        };
        Some(AuthConfig {
            verifier,
            ca_file: self.ca_file.map(Path::to_owned),
        })
    }
}

impl RawIntrospection {
    fn is_set(&self) -> bool {
        self.endpoint.is_some() || self.has_credentials()
    }

    fn has_credentials(&self) -> bool {
        let has_secret = self.client_secret.is_some() || self.client_secret_file.is_some();
        self.client_id.is_some() || has_secret
    }

    fn reject_unused_credentials(&self, key_prefix: &str, problems: &mut Vec<ConfigProblem>) {
        if self.has_credentials() {
            problems.push(ConfigProblem::new(
                format!("{key_prefix}.introspection.endpoint"),
                "is not set, though credentials for it are",
            ));
        }
    }

    fn credentials(
        &self,
        key_prefix: &str,
        problems: &mut Vec<ConfigProblem>,
    ) -> Option<Credentials> {
        let key = format!("{key_prefix}.introspection.client_secret");
        let file_key = format!("{key}_file");
        let secret = match (&self.client_secret, &self.client_secret_file) {
            (Some(Scalar(secret)), None) if secret.expose().is_empty() => {
                Err(ConfigProblem::new(key, "is empty"))
            }
            (Some(Scalar(secret)), None) => Ok(secret.clone()),
            (None, Some(Scalar(path))) => secret::read(file_key, path),
            (Some(_), Some(_)) => {
                let reason = format!("is set beside {key}; keep one");
                Err(ConfigProblem::new(file_key, reason))
            }
            (None, None) => Err(ConfigProblem::new(
                key,
                format!(
                    "is required with {key_prefix}.introspection.endpoint (or client_secret_file)"
                ),
            )),
        };
        let secret = secret.map_err(|problem| problems.push(problem)).ok()?;
        let id = self.client_id.as_ref().map(|Scalar(id)| id);
        if id.is_some_and(String::is_empty) {
            let key = format!("{key_prefix}.introspection.client_id");
            problems.push(ConfigProblem::new(key, "is empty"));
        }
        Some(match id {
            Some(id) => Credentials::Basic {
                id: id.clone(),
                secret,
            },
            None => Credentials::Bearer(secret),
        })
    }
}
