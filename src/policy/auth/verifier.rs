//! The token verifier: the homeserver or OAuth 2.0 server that checks access tokens.

use crate::clock::Clock;
use crate::config::verifier::{AuthConfig, VerifierConfig};
use crate::http_client::HttpClient;
use crate::policy::auth::CHECK_TIMEOUT;
use crate::policy::auth::failure::VerifierFailure;
use crate::policy::auth::outcome::{AuthError, TokenStatus};
use crate::policy::auth::verifier_response::{VerifierResponse, send};
use crate::policy::auth::{introspection, introspection_response, whoami};
use crate::tls::{self, CaBundleError};
use hyper::Uri;
use hyper::header::HeaderValue;
use std::fmt;
use std::time::Duration;

/// A token verifier and the HTTP client for it.
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

/// What a verifier says about a token, for an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenVerdict {
    /// The holder may create sessions.
    Accepted,
    /// The token is unknown or no longer valid.
    Rejected,
    /// The token is valid, and its holder may not create sessions.
    Forbidden,
}

impl fmt::Display for TokenVerdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Accepted => "accepts",
            Self::Rejected => "rejects",
            Self::Forbidden => "forbids",
        })
    }
}

/// The settings of a token verifier cannot work.
#[derive(Debug, thiserror::Error)]
pub enum VerifierSetupError {
    /// The CA file cannot be read, or holds no certificate.
    #[error("{0}")]
    CaFile(#[from] CaBundleError),
    /// The URL is not a valid HTTP request target.
    #[error("{0}")]
    Url(#[from] hyper::http::uri::InvalidUri),
    /// The client secret has a character that no header can carry.
    #[error("contains a character that an HTTP header cannot carry")]
    Secret(#[from] hyper::header::InvalidHeaderValue),
    /// rustls rejects the TLS settings.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

impl TokenVerifier {
    /// Creates a verifier. Opens no connection.
    ///
    /// # Errors
    /// [`VerifierSetupError`] if the settings cannot work.
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

    /// The URL of its endpoint.
    pub(crate) const fn url(&self) -> &Uri {
        match &self.endpoint {
            VerifierEndpoint::Whoami { whoami } => whoami,
            VerifierEndpoint::Introspection { endpoint, .. } => endpoint,
        }
    }

    /// Checks one token. `timeout` covers the connection and the whole response. `clock` is compared
    /// with the times that the response contains.
    ///
    /// # Errors
    /// [`VerifierFailure`] if the verifier says nothing about the token.
    pub(super) async fn check_token(
        &self,
        token: &str,
        timeout: Duration,
        clock: &Clock,
    ) -> Result<TokenStatus, VerifierFailure> {
        let response = self.send(Some(token), timeout).await?;
        let (status, expected) = match &self.endpoint {
            VerifierEndpoint::Whoami { .. } => {
                (whoami::parse_response(&response), whoami::EXPECTED)
            }
            VerifierEndpoint::Introspection { .. } => (
                introspection_response::parse_response(&response, clock.since_epoch()),
                introspection_response::EXPECTED,
            ),
        };
        status
            .map_err(|error| VerifierFailure::with_response(self.url(), error, &response, expected))
    }

    /// Checks one token for an operator.
    ///
    /// # Errors
    /// Why the verifier says nothing about the token, in a text that names its host.
    pub(crate) async fn examine(&self, token: &str, clock: &Clock) -> Result<TokenVerdict, String> {
        match self.check_token(token, CHECK_TIMEOUT, clock).await {
            Ok(TokenStatus::Accepted { .. }) => Ok(TokenVerdict::Accepted),
            Ok(TokenStatus::Rejected { .. }) => Ok(TokenVerdict::Rejected),
            Ok(TokenStatus::Forbidden) => Ok(TokenVerdict::Forbidden),
            Err(failure) => Err(failure.text),
        }
    }

    /// Sends a request about a token, or without one.
    async fn send(
        &self,
        token: Option<&str>,
        timeout: Duration,
    ) -> Result<VerifierResponse, VerifierFailure> {
        let request = match &self.endpoint {
            VerifierEndpoint::Whoami { whoami } => whoami::build_request(whoami, token),
            VerifierEndpoint::Introspection {
                endpoint,
                authorization,
            } => introspection::build_request(endpoint, authorization, token),
        };
        let response = send(&self.client, request, timeout).await;
        response.map_err(|error| VerifierFailure::without_response(self.url(), error))
    }

    /// Checks an invalid token, to see whether the verifier answers.
    ///
    /// # Errors
    /// As [`TokenVerifier::check_token`].
    pub(super) async fn probe(
        &self,
        timeout: Duration,
        clock: &Clock,
    ) -> Result<(), VerifierFailure> {
        self.check_token("matrix-rendezvous-probe", timeout, clock)
            .await
            .map(|_| ())
    }

    /// Sends a request without a token. No client can influence the outcome, as long as the verifier
    /// answers this server at all.
    ///
    /// A homeserver answers 401, and an OAuth 2.0 server 400. Every status below 500 shows that it is
    /// there: after a 429, too, other requests may be answered.
    ///
    /// # Errors
    /// [`VerifierFailure`] if there was no complete response, or if it is a 5xx.
    pub(super) async fn probe_without_token(
        &self,
        timeout: Duration,
    ) -> Result<(), VerifierFailure> {
        let response = self.send(None, timeout).await?;
        if response.status.is_server_error() {
            let error = AuthError::Unavailable(response.status);
            let expected = "a status below 500";
            return Err(VerifierFailure::with_response(
                self.url(),
                error,
                &response,
                expected,
            ));
        }
        Ok(())
    }
}
