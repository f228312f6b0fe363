//! Whoever made the tokens, and can say whose each is.

use crate::config::verifier::{AuthConfig, VerifierConfig};
use crate::http_client::HttpClient;
use crate::policy::auth::verifier_response::send;
use crate::policy::auth::{AuthError, TokenStatus, introspection, whoami};
use crate::tls::{self, CaBundleError};
use hyper::Uri;
use hyper::header::HeaderValue;
use std::time::Duration;

/// A homeserver or an OAuth server, and the way there.
#[derive(Debug)]
pub struct TokenVerifier {
    endpoint: VerifierEndpoint,
    client: HttpClient,
}

#[derive(Debug)]
enum VerifierEndpoint {
    Whoami {
        whoami: Uri,
    },
    Introspection {
        endpoint: Uri,
        authorization: HeaderValue,
    },
}

/// The settings cannot work.
#[derive(Debug, thiserror::Error)]
pub enum VerifierSetupError {
    /// The file of authorities gives none.
    #[error("{0}")]
    CaFile(#[from] CaBundleError),
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
    pub fn new(settings: &AuthConfig) -> Result<Self, VerifierSetupError> {
        let endpoint = match &settings.verifier {
            VerifierConfig::Whoami { homeserver } => VerifierEndpoint::Whoami {
                whoami: whoami::whoami_uri(homeserver)?,
            },
            VerifierConfig::Introspection {
                endpoint,
                credentials,
            } => VerifierEndpoint::Introspection {
                endpoint: endpoint.as_str().parse()?,
                authorization: introspection::authorization_header(credentials)?,
            },
        };
        let extra_roots = tls::load_ca_bundle(settings.ca_file.as_deref())?;
        let client = HttpClient::new(&extra_roots)?;
        Ok(Self { endpoint, client })
    }

    /// Where it is asked.
    pub(super) const fn url(&self) -> &Uri {
        match &self.endpoint {
            VerifierEndpoint::Whoami { whoami } => whoami,
            VerifierEndpoint::Introspection { endpoint, .. } => endpoint,
        }
    }

    /// Asks whose a token is, and waits so long for the answer.
    pub(super) async fn check_token(
        &self,
        token: &str,
        timeout: Duration,
    ) -> Result<TokenStatus, AuthError> {
        match &self.endpoint {
            VerifierEndpoint::Whoami { whoami } => {
                let request = whoami::build_request(whoami, token);
                whoami::parse_response(&send(&self.client, request, timeout).await?)
            }
            VerifierEndpoint::Introspection {
                endpoint,
                authorization,
            } => {
                let request = introspection::build_request(endpoint, authorization, token);
                introspection::parse_response(&send(&self.client, request, timeout).await?)
            }
        }
    }

    /// Asks about a token that is nobody's: whether anyone answers with sense.
    pub(super) async fn probe(&self, timeout: Duration) -> Result<(), AuthError> {
        self.check_token("matrix-rendezvous-probe", timeout)
            .await
            .map(|_| ())
    }
}
