//! A Redis behind TLS, with a CA of this test's own, for the smoke test of `rediss://`.

use std::path::PathBuf;

use super::RedisServer;
use crate::certificates::Certificates;
use crate::process::free_port;

/// A Redis with a plain-text port for the test and a TLS port for the server under test.
#[derive(Debug)]
pub struct TlsRedis {
    /// The Redis. Its `command` uses the plain-text port.
    pub server: RedisServer,
    tls_port: u16,
    certificates: Certificates,
}

impl TlsRedis {
    /// Starts a Redis with a certificate for 127.0.0.1 and localhost.
    pub fn start() -> Self {
        let certificates = Certificates::make();
        let tls_port = free_port();
        let [ca, cert, key] = [
            certificates.ca_file(),
            certificates.cert_file(),
            certificates.key_file(),
        ]
        .map(|path| path.to_str().expect("UTF-8").to_owned());
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
            certificates,
        }
    }

    /// The URL of the TLS port.
    pub fn url(&self) -> String {
        format!("rediss://127.0.0.1:{}/0", self.tls_port)
    }

    /// The certificate of the CA, as a PEM file.
    pub fn ca_file(&self) -> PathBuf {
        self.certificates.ca_file()
    }
}
