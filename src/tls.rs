//! TLS for outgoing connections: the platform's certificate authorities and those of a CA bundle.
//!
//! For Redis, token verifiers and the trace collector.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// The error of a CA bundle that cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum CaBundleError {
    /// The file cannot be read, or is not PEM.
    #[error("{0}")]
    Pem(#[from] pem::Error),
    /// rustls rejected a certificate of the file.
    #[error("{0}")]
    Certificate(#[from] rustls::Error),
    /// The file has no certificate.
    #[error("contains no certificate")]
    Empty,
}

/// Loads the certificates of a PEM file. Returns an empty store if `ca_file` is `None`.
///
/// # Errors
/// [`CaBundleError`] if the file cannot be read, is not PEM, or has an invalid certificate or none.
pub fn load_ca_bundle(ca_file: Option<&Path>) -> Result<RootCertStore, CaBundleError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = ca_file else {
        return Ok(roots);
    };
    for certificate in CertificateDer::pem_file_iter(path)? {
        roots.add(certificate?)?;
    }
    if roots.is_empty() {
        return Err(CaBundleError::Empty);
    }
    Ok(roots)
}

/// Returns a configuration for TLS 1.2 and 1.3 that trusts the platform's certificate authorities
/// and `extra_roots`.
///
/// # Errors
/// [`rustls::Error`] if rustls rejects the settings.
pub fn client_config(extra_roots: &RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let mut roots = extra_roots.clone();
    let platform = rustls_native_certs::load_native_certs();
    for error in &platform.errors {
        tracing::warn!(%error, "failed to load a certificate of the platform");
    }
    roots.add_parsable_certificates(platform.certs);
    // The provider is named here, so that no part of the program depends on a provider that another
    // part has installed.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
