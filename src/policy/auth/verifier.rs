//! Whoever made the tokens, and can say whose each is.

use crate::config::auth::{AuthConfig, VerifierConfig};
use crate::http_client::HttpClient;
use crate::policy::auth::upstream::ask;
use crate::policy::auth::{AuthError, Found, introspection, whoami};
use crate::tls;
use hyper::Uri;
use hyper::header::HeaderValue;
use std::time::Duration;

/// A homeserver or an OAuth server, and the way there.
#[derive(Debug)]
pub struct TokenVerifier {
    who: Who,
    client: HttpClient,
}

#[derive(Debug)]
enum Who {
    Homeserver {
        whoami: Uri,
    },
    OAuth {
        endpoint: Uri,
        authorization: HeaderValue,
    },
}

/// The settings cannot work.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The file of authorities gives none.
    #[error("{0}")]
    CaFile(String),
    /// A URL that HTTP takes for no target.
    #[error("{0}")]
    Url(#[from] hyper::http::uri::InvalidUri),
    /// A secret that no header can hold.
    #[error("no header can hold it")]
    Secret(#[from] hyper::header::InvalidHeaderValue),
    /// rustls refuses the TLS settings.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

impl TokenVerifier {
    /// Dials nobody yet.
    ///
    /// # Errors
    /// What of the settings cannot work.
    pub fn new(settings: &AuthConfig) -> Result<Self, SetupError> {
        let who = match &settings.backend {
            VerifierConfig::Whoami { homeserver } => Who::Homeserver {
                whoami: whoami::target(homeserver)?,
            },
            VerifierConfig::Introspection {
                endpoint,
                credentials,
            } => Who::OAuth {
                endpoint: endpoint.as_str().parse()?,
                authorization: introspection::authorization(credentials)?,
            },
        };
        let authorities =
            tls::authorities(settings.ca_file.as_deref()).map_err(SetupError::CaFile)?;
        let client = HttpClient::new(&authorities)?;
        Ok(Self { who, client })
    }

    /// Where it is asked.
    pub(super) const fn url(&self) -> &Uri {
        match &self.who {
            Who::Homeserver { whoami } => whoami,
            Who::OAuth { endpoint, .. } => endpoint,
        }
    }

    /// Asks whose a token is, and waits so long for the answer.
    pub(super) async fn ask(&self, token: &str, longest: Duration) -> Result<Found, AuthError> {
        match &self.who {
            Who::Homeserver { whoami } => {
                let request = whoami::request(whoami, token);
                whoami::found(&ask(&self.client, request, longest).await?)
            }
            Who::OAuth {
                endpoint,
                authorization,
            } => {
                let request = introspection::request(endpoint, authorization, token);
                introspection::found(&ask(&self.client, request, longest).await?)
            }
        }
    }

    /// Asks about a token that is nobody's: whether anyone answers with sense.
    pub(super) async fn probe(&self, longest: Duration) -> Result<(), AuthError> {
        self.ask("matrix-rendezvous-probe", longest)
            .await
            .map(|_| ())
    }
}
