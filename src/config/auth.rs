//! The section `auth`: who says whose token an access token is.

use crate::config::Problem;
use crate::config::de::optional;
use crate::config::homeserver::{RawHomeserver, entries};
use crate::config::secret::{self, Secret};
use crate::config::web_url::WebUrl;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use url::Url;

/// Whom to ask about a token, and whom to believe that it is them.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// Whom to ask.
    pub backend: VerifierConfig,
    /// Certificates to trust beside the platform's.
    pub ca_file: Option<PathBuf>,
}

/// Whom to ask about a token.
#[derive(Debug, Clone)]
pub enum VerifierConfig {
    /// A homeserver, by `GET /_matrix/client/v3/account/whoami` (client-server API).
    Whoami {
        /// Its base URL.
        homeserver: Url,
    },
    /// An OAuth 2.0 server, by introspection (RFC 7662).
    Introspection {
        /// The endpoint.
        endpoint: Url,
        /// How we say who we are.
        credentials: Credentials,
    },
}

/// How a client of an introspection endpoint says who it is.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// Client id and secret (RFC 6749 §2.3.1, `client_secret_basic`).
    Basic {
        /// The client id.
        id: String,
        /// Its secret.
        secret: Secret,
    },
    /// A shared secret as a bearer token, as Synapse shows one to the authentication service.
    Bearer(Secret),
}

/// The section as it is written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawAuth {
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    homeserver_url: Option<WebUrl>,
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    ca_file: Option<PathBuf>,
    introspection: RawIntrospection,
    #[serde(deserialize_with = "entries", skip_serializing_if = "Vec::is_empty")]
    pub(super) homeserver: Vec<RawHomeserver>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawIntrospection {
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    endpoint: Option<WebUrl>,
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    client_secret: Option<Secret>,
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    client_secret_file: Option<PathBuf>,
}

/// A backend as it is written, in this section or in an entry of its own.
pub(super) struct Written<'a> {
    /// What its keys begin with.
    pub(super) at: &'a str,
    pub(super) homeserver_url: Option<&'a WebUrl>,
    pub(super) ca_file: Option<&'a PathBuf>,
    pub(super) introspection: &'a RawIntrospection,
}

impl RawAuth {
    /// What is written in this section itself.
    pub(super) fn written(&self) -> Written<'_> {
        Written {
            at: "auth",
            homeserver_url: self.homeserver_url.as_ref(),
            ca_file: self.ca_file.as_ref(),
            introspection: &self.introspection,
        }
    }
}

impl Written<'_> {
    /// The key of anything that is written, if there is anything.
    pub(super) fn any(&self) -> Option<String> {
        let written = [
            ("homeserver_url", self.homeserver_url.is_some()),
            ("ca_file", self.ca_file.is_some()),
            ("introspection", self.introspection.is_written()),
        ];
        let key = written.iter().find_map(|(key, is)| is.then_some(*key))?;
        Some(format!("{}.{key}", self.at))
    }

    /// The backend, or `None` where none is set.
    pub(super) fn validate(&self, problems: &mut Vec<Problem>) -> Option<AuthConfig> {
        let (at, introspection) = (self.at, self.introspection);
        let backend = match (self.homeserver_url, &introspection.endpoint) {
            (Some(homeserver), None) => {
                introspection.must_be_unused(at, problems);
                VerifierConfig::Whoami {
                    homeserver: homeserver.0.clone(),
                }
            }
            (None, Some(endpoint)) => VerifierConfig::Introspection {
                endpoint: endpoint.0.clone(),
                credentials: introspection.credentials(at, problems)?,
            },
            (Some(_), Some(_)) => {
                let key = format!("{at}.introspection.endpoint");
                let both = format!("is set beside {at}.homeserver_url; keep one");
                problems.push(Problem::new(key, both));
                return None;
            }
            (None, None) => {
                introspection.must_be_unused(at, problems);
                return None;
            }
        };
        Some(AuthConfig {
            backend,
            ca_file: self.ca_file.cloned(),
        })
    }
}

impl RawIntrospection {
    fn is_written(&self) -> bool {
        self.endpoint.is_some() || self.has_credentials()
    }

    fn has_credentials(&self) -> bool {
        let secret = self.client_secret.is_some() || self.client_secret_file.is_some();
        self.client_id.is_some() || secret
    }

    fn must_be_unused(&self, at: &str, problems: &mut Vec<Problem>) {
        if self.has_credentials() {
            problems.push(Problem::new(
                format!("{at}.introspection.endpoint"),
                "is not set, though credentials for it are",
            ));
        }
    }

    fn credentials(&self, at: &str, problems: &mut Vec<Problem>) -> Option<Credentials> {
        let key = format!("{at}.introspection.client_secret");
        let file = format!("{key}_file");
        let secret = match (&self.client_secret, &self.client_secret_file) {
            (Some(secret), None) if secret.expose().is_empty() => {
                Err(Problem::new(key, "is empty"))
            }
            (Some(secret), None) => Ok(secret.clone()),
            (None, Some(path)) => secret::read(file, path),
            (Some(_), Some(_)) => Err(Problem::new(file, format!("is set beside {key}; keep one"))),
            (None, None) => Err(Problem::new(
                key,
                format!("is needed with {at}.introspection.endpoint (or client_secret_file)"),
            )),
        };
        let secret = secret.map_err(|problem| problems.push(problem)).ok()?;
        if self.client_id.as_deref() == Some("") {
            let key = format!("{at}.introspection.client_id");
            problems.push(Problem::new(key, "is empty"));
        }
        Some(match &self.client_id {
            Some(id) => Credentials::Basic {
                id: id.clone(),
                secret,
            },
            None => Credentials::Bearer(secret),
        })
    }
}
