//! TLS for outgoing connections: the platform's certificate authorities and those of a CA bundle.
//!
//! For Redis, token verifiers and the collectors of traces and metrics. `server` is the TLS of the client listener.

pub mod server;

use crate::file::{self, FileError};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::{Arc, LazyLock};

/// The error of a CA bundle that cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum CaBundleError {
    /// The file cannot be read.
    #[error("{0}")]
    File(#[from] FileError),
    /// The file is not PEM.
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
    for certificate in CertificateDer::pem_slice_iter(&file::read(path)?) {
        roots.add(certificate?)?;
    }
    if roots.is_empty() {
        return Err(CaBundleError::Empty);
    }
    Ok(roots)
}

/// A certificate chain and its private key, which this process presents to a server.
#[derive(Debug)]
pub struct ClientCertificate {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Clone for ClientCertificate {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
        }
    }
}

/// Loads a certificate chain from one PEM file and its private key from another.
///
/// # Errors
/// [`CaBundleError`] and the path of the file that cannot be read, is not PEM, or lacks what it must
/// have.
pub fn load_client_certificate<'a>(
    cert_file: &'a Path,
    key_file: &'a Path,
) -> Result<ClientCertificate, (&'a Path, CaBundleError)> {
    let chain = read_chain(cert_file).map_err(|error| (cert_file, error))?;
    let key = read_key(key_file).map_err(|error| (key_file, error))?;
    Ok(ClientCertificate { chain, key })
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CaBundleError> {
    parse_chain(&file::read(path)?)
}

/// Returns the certificates of a PEM file: at least one.
fn parse_chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CaBundleError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>()?;
    if chain.is_empty() {
        return Err(CaBundleError::Empty);
    }
    Ok(chain)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, CaBundleError> {
    Ok(PrivateKeyDer::from_pem_slice(&file::read(path)?)?)
}

/// The platform's certificate authorities. Loaded once: there are over a hundred, and a connection to
/// Redis reads its settings again each time.
static PLATFORM_ROOTS: LazyLock<RootCertStore> = LazyLock::new(|| {
    let platform = rustls_native_certs::load_native_certs();
    for error in &platform.errors {
        tracing::warn!(%error, "failed to load a certificate of the platform");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(platform.certs);
    roots
});

/// Returns a configuration for TLS 1.2 and 1.3 that trusts the platform's certificate authorities
/// and `extra_roots`, and that presents `certificate` if the server asks for one.
///
/// # Errors
/// [`rustls::Error`] if rustls rejects the settings, or if the key does not fit the certificate.
pub fn client_config(
    extra_roots: &RootCertStore,
    certificate: Option<&ClientCertificate>,
) -> Result<ClientConfig, rustls::Error> {
    let mut roots = extra_roots.clone();
    roots.extend(PLATFORM_ROOTS.roots.iter().cloned());
    // The provider is named here, so that no part of the program depends on a provider that another
    // part has installed.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    match certificate.cloned() {
        Some(ClientCertificate { chain, key }) => builder.with_client_auth_cert(chain, key),
        None => Ok(builder.with_no_client_auth()),
    }
}

/// Appends what an operator can do to the text of an error, if the error is about a certificate that no
/// known authority signed. `text` has rustls' names, or their words.
pub(crate) fn with_certificate_hint(text: String) -> String {
    // An authority with the name of a known one, and another key, makes a bad signature.
    const NAMES: [&str; 4] = [
        "UnknownIssuer",
        "unknown issuer",
        "BadSignature",
        "bad signature",
    ];
    match NAMES.into_iter().find(|name| text.contains(name)) {
        Some(name) => text.replace(
            name,
            "not signed by a trusted certificate authority (set ca_file to trust another one)",
        ),
        None => text,
    }
}
