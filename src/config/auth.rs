//! The section `auth`: who says whose token an access token is.

use crate::config::Problem;
use crate::config::lenient::optional;
use crate::config::secret::{self, Secret};
use crate::config::web_url::WebUrl;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use url::Url;

/// Whom to ask about a token, and whom to believe that it is them.
#[derive(Debug, Clone)]
pub struct Auth {
    /// Whom to ask.
    pub backend: Backend,
    /// Certificates to trust beside the platform's.
    pub ca_file: Option<PathBuf>,
}

/// Whom to ask about a token.
#[derive(Debug, Clone)]
pub enum Backend {
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
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawIntrospection {
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    endpoint: Option<WebUrl>,
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    client_secret: Option<Secret>,
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    client_secret_file: Option<PathBuf>,
}

impl RawAuth {
    /// The backend, or `None` where none is set.
    pub(super) fn validate(&self, problems: &mut Vec<Problem>) -> Option<Auth> {
        const BOTH: &str = "is set beside auth.homeserver_url; keep one";
        let backend = match (&self.homeserver_url, &self.introspection.endpoint) {
            (Some(homeserver), None) => {
                self.introspection.must_be_unused(problems);
                Backend::Whoami {
                    homeserver: homeserver.0.clone(),
                }
            }
            (None, Some(endpoint)) => Backend::Introspection {
                endpoint: endpoint.0.clone(),
                credentials: self.introspection.credentials(problems)?,
            },
            (Some(_), Some(_)) => {
                problems.push(Problem::new("auth.introspection.endpoint", BOTH));
                return None;
            }
            (None, None) => {
                self.introspection.must_be_unused(problems);
                return None;
            }
        };
        Some(Auth {
            backend,
            ca_file: self.ca_file.clone(),
        })
    }
}

impl RawIntrospection {
    fn must_be_unused(&self, problems: &mut Vec<Problem>) {
        let id = self.client_id.is_some();
        let secret = self.client_secret.is_some() || self.client_secret_file.is_some();
        if id || secret {
            problems.push(Problem::new(
                "auth.introspection.endpoint",
                "is not set, though credentials for it are",
            ));
        }
    }

    fn credentials(&self, problems: &mut Vec<Problem>) -> Option<Credentials> {
        const KEY: &str = "auth.introspection.client_secret";
        const FILE: &str = "auth.introspection.client_secret_file";
        let secret = match (&self.client_secret, &self.client_secret_file) {
            (Some(secret), None) => Ok(secret.clone()),
            (None, Some(path)) => secret::read(path)
                .map_err(|reason| Problem::new(FILE, format!("{}: {reason}", path.display()))),
            (Some(_), Some(_)) => Err(Problem::new(FILE, format!("is set beside {KEY}; keep one"))),
            (None, None) => Err(Problem::new(
                KEY,
                "is needed with auth.introspection.endpoint (or client_secret_file)",
            )),
        };
        let secret = secret.map_err(|problem| problems.push(problem)).ok()?;
        Some(match &self.client_id {
            Some(id) => Credentials::Basic {
                id: id.clone(),
                secret,
            },
            None => Credentials::Bearer(secret),
        })
    }
}
