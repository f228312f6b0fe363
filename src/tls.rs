//! Whom to believe behind a TLS connection of ours: the platform's authorities, and those of a file.
//!
//! For Redis and for whoever says whose token an access token is.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// The certificates of a PEM file; none, where no file is named.
///
/// # Errors
/// Why the file gives none.
pub fn authorities(ca_file: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let Some(path) = ca_file else {
        return Ok(roots);
    };
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() {
        return Err("no certificate in it".to_owned());
    }
    Ok(roots)
}

/// TLS 1.2 and 1.3, believing the platform's authorities and `more`.
///
/// # Errors
/// Where rustls refuses the settings.
pub fn client_config(more: &RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let mut roots = more.clone();
    let platform = rustls_native_certs::load_native_certs();
    for error in &platform.errors {
        tracing::warn!(%error, "a certificate of the platform could not be loaded");
    }
    roots.add_parsable_certificates(platform.certs);
    // Named here, so that no part of the program depends on one that another has installed.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
