//! An OpenTelemetry collector: its URL, and the HTTP client for it.

use crate::http_client::HttpClient;
use crate::tls::{self, CaBundleError};
use hyper::Uri;
use std::path::Path;
use url::Url;

/// Upper bound of one export, and of the wait for the last one at shutdown.
pub(super) const EXPORT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// The error of settings from which no collector can be built.
#[derive(Debug, thiserror::Error)]
pub enum CollectorError {
    /// The CA bundle cannot be loaded.
    #[error(transparent)]
    CaFile(#[from] CaBundleError),
    /// rustls rejected the TLS settings.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The default path cannot be appended to the endpoint.
    #[error("{0}")]
    Endpoint(#[from] url::ParseError),
    /// The HTTP client cannot use the endpoint.
    #[error("{0}")]
    Uri(#[from] hyper::http::uri::InvalidUri),
}

/// A validated collector, for one kind of telemetry.
#[derive(Debug)]
pub(super) struct OtlpEndpoint {
    pub client: HttpClient,
    pub url: Uri,
}

impl OtlpEndpoint {
    /// Validates the settings. `default_path` is for a URL without a path; `OTEL_EXPORTER_OTLP_ENDPOINT`
    /// has the same ones. Opens no connection.
    ///
    /// # Errors
    /// [`CollectorError`] if the CA bundle, the TLS settings or the URL is invalid.
    pub fn new(
        endpoint: &Url,
        default_path: &str,
        ca_file: Option<&Path>,
    ) -> Result<Self, CollectorError> {
        let extra_roots = tls::load_ca_bundle(ca_file)?;
        let url = match endpoint.path() {
            "" | "/" => endpoint.join(default_path)?,
            _ => endpoint.clone(),
        };
        Ok(Self {
            client: HttpClient::new(&extra_roots)?,
            url: url.as_str().parse()?,
        })
    }
}
