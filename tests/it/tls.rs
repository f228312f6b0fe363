//! TLS on `http.listen`: sign-ins, handshakes that fail or never end, and certificates that change.
//!
//! None of this depends on the store, so these tests use the memory store.

mod client;
mod ends;
mod handshakes;
mod renewal;
mod sign_ins;

use crate::server::Server;
use rustls::ClientConfig;
use std::sync::Arc;
use tempfile::TempDir;
use testkit::certificates::Certificates;
use testkit::http::Connection;
use testkit::server::Store;

/// A server whose listener for clients speaks TLS.
struct TlsServer {
    server: Server,
    certificates: Certificates,
    files: TempDir,
}

impl TlsServer {
    #[track_caller]
    fn start(settings: &[(&str, &str)]) -> Self {
        let (certificates, files) = (Certificates::make(), tempfile::tempdir());
        let files = files.expect("a directory");
        write_files(&files, &certificates, &certificates);
        let [cert, key] = ["tls.crt", "tls.key"].map(|name| files.path().join(name));
        let tls = [
            ("http.tls_cert_file", cert.to_str().expect("UTF-8")),
            ("http.tls_key_file", key.to_str().expect("UTF-8")),
            ("msc4108.enabled", "true"),
        ];
        Self {
            server: Server::start(Store::Memory, &[&tls, settings].concat()),
            certificates,
            files,
        }
    }

    /// The settings of a client that trusts the certificate.
    fn client(&self, alpn: &[&str]) -> Arc<ClientConfig> {
        self.certificates.client_config(alpn)
    }

    /// Opens a connection for HTTP/1.1.
    #[track_caller]
    fn open(&self) -> Connection {
        let tls = self.client(&["http/1.1"]);
        Connection::try_open_tls(self.server.http, &tls).expect("a handshake")
    }

    #[track_caller]
    fn refused(&self, reason: &str) -> u64 {
        let name = "rendezvous_connections_refused_total";
        self.server.metrics().sum(name, &[("reason", reason)])
    }

    #[track_caller]
    fn timed_out(&self, kind: &str) -> u64 {
        let name = "rendezvous_timeouts_total";
        self.server.metrics().sum(name, &[("kind", kind)])
    }
}

/// Writes a certificate, and the key of that or of another one.
fn write_files(files: &TempDir, certificate: &Certificates, key: &Certificates) {
    for (from, to) in [
        (certificate.cert_file(), "tls.crt"),
        (key.key_file(), "tls.key"),
    ] {
        std::fs::copy(from, files.path().join(to)).expect("a file");
    }
}
