//! TLS for the client listener: loads its certificate, and replaces it while the listener runs.
//!
//! TLS 1.2 and 1.3, without 0-RTT, whose requests an attacker could repeat. ALPN offers `h2` and
//! `http/1.1`. Sessions are resumed from the memory of this process: rustls keeps at most 256.

mod certificate;

pub use certificate::ServerCertificateError;

use arc_swap::ArcSwap;
use certificate::PemPair;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The protocol of HTTP/2 in ALPN (RFC 9113 §3.2).
pub const ALPN_HTTP2: &[u8] = b"h2";

/// The protocol of HTTP/1.1 in ALPN (RFC 7301 §6).
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// The PEM files of a certificate chain and of its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, with the certificate of this server first.
    pub cert_file: PathBuf,
    /// The private key.
    pub key_file: PathBuf,
}

/// The TLS settings of the client listener, with the certificate in use.
#[derive(Debug)]
pub struct ServerTls {
    files: CertificateFiles,
    config: Arc<ServerConfig>,
    current: Arc<CurrentCertificate>,
    last_check: Mutex<LastCheck>,
}

/// What the last check of the files found.
#[derive(Debug)]
struct LastCheck {
    /// Of the files of the certificate in use.
    digest: [u8; 32],
    /// When the certificate in use expires.
    expires_at: i64,
    /// Why the files were not used, as it was reported. `None` if they were.
    problem: Option<String>,
}

/// The result of a check of the files.
#[derive(Debug)]
pub enum Renewal {
    /// There is nothing new: the same content, or the same problem as at the last check.
    Unchanged,
    /// The files have another certificate, which is in use from now on.
    Replaced,
    /// The files cannot be used. The certificate before them stays.
    Rejected(ServerCertificateError),
}

impl ServerTls {
    /// Loads the certificate of these files.
    ///
    /// # Errors
    /// [`ServerCertificateError`] if the files have no certificate chain with its key.
    pub fn load(files: CertificateFiles) -> Result<Self, ServerCertificateError> {
        let certificate = retry_mismatch(|| PemPair::read(&files)?.certificate(&files))?;
        let current = Arc::new(CurrentCertificate(ArcSwap::new(certificate.certified_key)));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<CurrentCertificate>::clone(&current));
        config.alpn_protocols = vec![ALPN_HTTP2.to_vec(), ALPN_HTTP1.to_vec()];
        Ok(Self {
            files,
            config: Arc::new(config),
            current,
            last_check: Mutex::new(LastCheck {
                digest: certificate.digest,
                expires_at: certificate.expires_at,
                problem: None,
            }),
        })
    }

    /// The settings of new connections. They always present the certificate in use.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// The files of the certificate.
    #[must_use]
    pub fn files(&self) -> &CertificateFiles {
        &self.files
    }

    /// The seconds since 1970 at which the certificate in use expires: the first one of its chain to do
    /// so.
    pub fn expires_at(&self) -> i64 {
        self.lock().expires_at
    }

    /// Reads the files, and uses their certificate from now on if they have changed. Compares their
    /// content. Reports a problem once, until the files have another one or none.
    ///
    /// Reading a file may hang, so this must not run on a thread of the runtime.
    pub fn renew(&self) -> Renewal {
        let mut last = self.lock();
        let loaded = retry_mismatch(|| {
            let pair = PemPair::read(&self.files)?;
            if pair.digest() == last.digest {
                return Ok(None);
            }
            pair.certificate(&self.files).map(Some)
        });
        match loaded {
            Ok(None) => {
                last.problem = None;
                Renewal::Unchanged
            }
            Ok(Some(certificate)) => {
                *last = LastCheck {
                    digest: certificate.digest,
                    expires_at: certificate.expires_at,
                    problem: None,
                };
                self.current.0.store(certificate.certified_key);
                Renewal::Replaced
            }
            Err(error) => {
                let text = error.to_string();
                if last.problem.as_ref() == Some(&text) {
                    return Renewal::Unchanged;
                }
                last.problem = Some(text);
                Renewal::Rejected(error)
            }
        }
    }

    /// Ignores a poisoned lock: each value is written as a whole.
    fn lock(&self) -> MutexGuard<'_, LastCheck> {
        self.last_check
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Loads a pair. If the key does not fit, the files may have been replaced between the reads of the two, so
/// they are read once more.
fn retry_mismatch<T>(
    load: impl Fn() -> Result<T, ServerCertificateError>,
) -> Result<T, ServerCertificateError> {
    match load() {
        Err(ServerCertificateError::Mismatch(_)) => load(),
        loaded => loaded,
    }
}

/// The certificate that new connections present.
#[derive(Debug)]
struct CurrentCertificate(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}
