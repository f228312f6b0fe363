//! Redis behind TLS, with a CA of this test's own: `rediss://`.
//!
//! A [`RedisTls`] is the TLS of a whole deployment: of its nodes, of its sentinels, and of the
//! connections between them. A [`TlsRedis`] is one standalone server.

use std::path::PathBuf;

use super::RedisServer;
use crate::certificates::Certificates;
use crate::process::free_port;

/// The certificates of a deployment, and whether its servers require one of each client.
#[derive(Debug)]
pub struct RedisTls {
    certificates: Certificates,
    requires_client_certificates: bool,
}

impl RedisTls {
    /// Makes the certificates for servers that require none of their clients.
    pub fn make() -> Self {
        Self {
            certificates: Certificates::make(),
            requires_client_certificates: false,
        }
    }

    /// Makes the certificates for servers that require one of each client, as Redis does by
    /// default.
    pub fn requiring_client_certificates() -> Self {
        Self {
            requires_client_certificates: true,
            ..Self::make()
        }
    }

    /// The certificates.
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// Options of a server with a TLS port, each with its value.
    pub fn options(&self, port: u16) -> Vec<(&'static str, String)> {
        let file = |path: PathBuf| path.to_str().expect("UTF-8").to_owned();
        let clients = if self.requires_client_certificates {
            "yes"
        } else {
            "no"
        };
        vec![
            ("tls-port", port.to_string()),
            ("tls-cert-file", file(self.certificates.cert_file())),
            ("tls-key-file", file(self.certificates.key_file())),
            ("tls-ca-cert-file", file(self.certificates.ca_file())),
            ("tls-auth-clients", clients.to_owned()),
        ]
    }

    /// The [`options`](Self::options) as arguments of redis-server.
    pub fn arguments(&self, port: u16) -> Vec<String> {
        let options = self.options(port).into_iter();
        options
            .flat_map(|(name, value)| [format!("--{name}"), value])
            .collect()
    }
}

/// A Redis with a plain-text port for the test and a TLS port for the server under test.
#[derive(Debug)]
pub struct TlsRedis {
    /// The Redis. Its `command` uses the plain-text port.
    pub server: RedisServer,
    tls: RedisTls,
}

impl TlsRedis {
    /// Starts a Redis with a certificate for 127.0.0.1 and localhost.
    pub fn start() -> Self {
        Self::start_with(RedisTls::make())
    }

    /// Starts a Redis that requires a certificate of each client.
    pub fn requiring_client_certificates() -> Self {
        Self::start_with(RedisTls::requiring_client_certificates())
    }

    fn start_with(tls: RedisTls) -> Self {
        let arguments = tls.arguments(free_port());
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        Self {
            server: RedisServer::start_with(&arguments),
            tls,
        }
    }

    /// The URL of the TLS port.
    pub fn url(&self) -> String {
        format!("rediss://127.0.0.1:{}/0", self.server.announced_port())
    }

    /// The certificate of the CA, as a PEM file.
    pub fn ca_file(&self) -> PathBuf {
        self.tls.certificates.ca_file()
    }

    /// The certificates of its deployment.
    pub fn certificates(&self) -> &Certificates {
        self.tls.certificates()
    }
}
