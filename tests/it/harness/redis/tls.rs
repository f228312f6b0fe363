//! A Redis behind TLS, with an authority of this test's own.
//!
//! For the smoke test of `rediss://`. The certificates live as long as the server's directory; the key
//! of the authority never leaves this function.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use super::RedisServer;
use super::process::free_port;

/// A server with a plain-text port for the test and a TLS port for the service.
#[derive(Debug)]
pub struct TlsRedis {
    /// The server; its own commands go over plain text.
    pub server: RedisServer,
    tls_port: u16,
    files: TempDir,
}

impl TlsRedis {
    /// Starts a server whose certificate is for 127.0.0.1 and localhost.
    pub fn start() -> Self {
        let files = tempfile::Builder::new()
            .prefix("mrv-tls-")
            .tempdir()
            .expect("a directory");
        write_certificates(files.path());
        let tls_port = free_port();
        let [ca, cert, key] = ["ca.pem", "cert.pem", "key.pem"]
            .map(|name| files.path().join(name).to_str().expect("UTF-8").to_owned());
        let port = tls_port.to_string();
        let server = RedisServer::start_with(&[
            "--tls-port",
            &port,
            "--tls-cert-file",
            &cert,
            "--tls-key-file",
            &key,
            "--tls-ca-cert-file",
            &ca,
            "--tls-auth-clients",
            "no",
        ]);
        Self {
            server,
            tls_port,
            files,
        }
    }

    /// The URL of the TLS port.
    pub fn url(&self) -> String {
        format!("rediss://127.0.0.1:{}/0", self.tls_port)
    }

    /// The authority that signed the certificate, as PEM.
    pub fn ca_file(&self) -> PathBuf {
        self.files.path().join("ca.pem")
    }
}

fn write_certificates(dir: &Path) {
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name
        .push(DnType::CommonName, "matrix-rendezvous tests");
    let ca_key = KeyPair::generate().expect("a key");
    let ca_cert = ca.self_signed(&ca_key).expect("an authority");
    let issuer = Issuer::new(ca, ca_key);

    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(names).expect("an address and a name");
    let cert = leaf.signed_by(&key, &issuer).expect("a certificate");
    for (name, pem) in [
        ("ca.pem", ca_cert.pem()),
        ("cert.pem", cert.pem()),
        ("key.pem", key.serialize_pem()),
    ] {
        std::fs::write(dir.join(name), pem).expect("a file");
    }
}
