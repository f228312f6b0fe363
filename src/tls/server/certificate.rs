//! Loads the certificate of the client listener from its files.

use crate::file;
use crate::tls::server::CertificateFiles;
use crate::tls::{CaBundleError, parse_chain};
use rustls::InconsistentKeys;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::Arc;
use x509_parser::parse_x509_certificate;

/// A certificate chain with its private key.
#[derive(Debug)]
pub(super) struct ServerCertificate {
    pub(super) certified_key: Arc<CertifiedKey>,
    /// SHA-256 of the files.
    pub(super) digest: [u8; 32],
    /// The seconds since 1970 at which the first of the chain to expire does so.
    pub(super) expires_at: i64,
}

/// Why the files have no usable certificate.
#[derive(Debug, thiserror::Error)]
pub enum ServerCertificateError {
    /// The file of the chain cannot be read, is not PEM, or has no certificate.
    #[error("{path}: {error}", path = .path.display())]
    Chain {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: CaBundleError,
    },
    /// An entry of the chain is not an X.509 certificate.
    #[error("{path}: certificate {number} of the chain is malformed", path = .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The position in the chain, from 1.
        number: usize,
    },
    /// The file of the key cannot be read, or is not PEM.
    #[error("{path}: {error}", path = .path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: CaBundleError,
    },
    /// The file of the key has none that can be used.
    #[error(
        "{path}: contains no usable private key; expected an unencrypted RSA, ECDSA or Ed25519 key in PEM, \
         such as -----BEGIN PRIVATE KEY-----",
        path = .path.display()
    )]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// rustls rejects the settings.
    #[error("{0}")]
    Settings(#[from] rustls::Error),
    /// The key belongs to another certificate.
    #[error(
        "{key_file} is not the key of the first certificate in {cert_file}",
        key_file = .0.key_file.display(),
        cert_file = .0.cert_file.display()
    )]
    Mismatch(CertificateFiles),
}

impl ServerCertificateError {
    /// Whether the problem is in the file of the key, and not in that of the chain.
    #[must_use]
    pub const fn is_about_key_file(&self) -> bool {
        matches!(
            self,
            Self::Key { .. } | Self::NoKey { .. } | Self::Mismatch(_)
        )
    }
}

/// The content of the files.
pub(super) struct PemPair {
    chain: Vec<u8>,
    key: Vec<u8>,
}

impl PemPair {
    pub(super) fn read(files: &CertificateFiles) -> Result<Self, ServerCertificateError> {
        let chain = file::read(&files.cert_file);
        let chain = chain.map_err(|error| chain_error(files, error.into()))?;
        let key = file::read(&files.key_file).map_err(|error| key_error(files, error.into()))?;
        Ok(Self { chain, key })
    }

    pub(super) fn digest(&self) -> [u8; 32] {
        // Of a fixed length each: no byte can move from one file to the other.
        let parts = [&self.chain, &self.key].map(Sha256::digest);
        Sha256::digest(parts.concat()).into()
    }

    pub(super) fn certificate(
        &self,
        files: &CertificateFiles,
    ) -> Result<ServerCertificate, ServerCertificateError> {
        let chain = parse_chain(&self.chain).map_err(|error| chain_error(files, error))?;
        let mut expires_at = i64::MAX;
        for (number, certificate) in (1..).zip(&chain) {
            let not_after = not_after(certificate);
            let not_after = not_after.ok_or_else(|| ServerCertificateError::Malformed {
                path: files.cert_file.clone(),
                number,
            })?;
            expires_at = expires_at.min(not_after);
        }
        let no_key = || ServerCertificateError::NoKey {
            path: files.key_file.clone(),
        };
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| match error {
            pem::Error::NoItemsFound => no_key(),
            error => key_error(files, error.into()),
        })?;
        let provider = rustls::crypto::ring::default_provider();
        let signing_key = provider.key_provider.load_private_key(key);
        let certified_key = CertifiedKey::new(chain, signing_key.map_err(|_| no_key())?);
        match certified_key.keys_match() {
            // Every key of ring has a public one to compare with.
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => {
                return Err(ServerCertificateError::Mismatch(files.clone()));
            }
            // rustls supports only X.509 version 3.
            Err(error) => return Err(chain_error(files, error.into())),
        }
        Ok(ServerCertificate {
            certified_key: Arc::new(certified_key),
            digest: self.digest(),
            expires_at,
        })
    }
}

fn chain_error(files: &CertificateFiles, error: CaBundleError) -> ServerCertificateError {
    ServerCertificateError::Chain {
        path: files.cert_file.clone(),
        error,
    }
}

fn key_error(files: &CertificateFiles, error: CaBundleError) -> ServerCertificateError {
    ServerCertificateError::Key {
        path: files.key_file.clone(),
        error,
    }
}

/// Returns the seconds since 1970 at which a certificate expires. `None` if it is malformed.
fn not_after(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (_, certificate) = parse_x509_certificate(certificate).ok()?;
    Some(certificate.validity().not_after.timestamp())
}
