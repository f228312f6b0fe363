//! A CA of a test's own, and the certificates that it signed for a server on this machine and for a
//! client of that server.
//!
//! For every connection over TLS. The files are deleted on drop. The private key of the CA never
//! leaves the function that made it.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tempfile::TempDir;

/// The certificates of a CA, a server and a client, and the keys of the latter two, as PEM files.
#[derive(Debug)]
pub struct Certificates(TempDir);

impl Certificates {
    /// Makes a CA, a certificate for 127.0.0.1 and localhost, and one for a client.
    pub fn make() -> Self {
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.distinguished_name
            .push(DnType::CommonName, "matrix-rendezvous tests");
        let ca_key = KeyPair::generate().expect("a key");
        let ca_cert = ca.self_signed(&ca_key).expect("a CA");
        let issuer = Issuer::new(ca, ca_key);

        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let key = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new(names).expect("an address and a name");
        let cert = leaf.signed_by(&key, &issuer).expect("a certificate");
        let client_key = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new(vec!["rendezvous".to_owned()]).expect("a name");
        let client_cert = leaf.signed_by(&client_key, &issuer).expect("a certificate");
        let dir = tempfile::Builder::new()
            .prefix("mrv-tls-")
            .tempdir()
            .expect("a directory");
        let made = Self(dir);
        for (path, pem) in [
            (made.ca_file(), ca_cert.pem()),
            (made.cert_file(), cert.pem()),
            (made.key_file(), key.serialize_pem()),
            (made.client_cert_file(), client_cert.pem()),
            (made.client_key_file(), client_key.serialize_pem()),
        ] {
            std::fs::write(path, pem).expect("a file");
        }
        made
    }

    /// The certificate of the CA.
    pub fn ca_file(&self) -> PathBuf {
        self.0.path().join("ca.pem")
    }

    /// The server's certificate.
    pub fn cert_file(&self) -> PathBuf {
        self.0.path().join("cert.pem")
    }

    /// The server's key.
    pub fn key_file(&self) -> PathBuf {
        self.0.path().join("key.pem")
    }

    /// The client's certificate.
    pub fn client_cert_file(&self) -> PathBuf {
        self.0.path().join("client-cert.pem")
    }

    /// The client's key.
    pub fn client_key_file(&self) -> PathBuf {
        self.0.path().join("client-key.pem")
    }

    /// TLS settings of a client that trusts the CA and offers these protocols by ALPN.
    pub fn client_config(&self, alpn: &[&str]) -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_root_certificates(self.roots())
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// The CA, as a client trusts it.
    pub fn roots(&self) -> RootCertStore {
        let ca = CertificateDer::from_pem_file(self.ca_file()).expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add(ca).expect("a CA");
        roots
    }

    /// The server's certificate, as a client gets it.
    pub fn leaf(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.cert_file()).expect("a certificate")
    }

    /// TLS settings of a server in this process.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        let cert = CertificateDer::from_pem_file(self.cert_file()).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(self.key_file()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(vec![cert], key);
        Arc::new(config.expect("the key is the certificate's"))
    }
}
