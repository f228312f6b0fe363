//! The client certificate and its key, rotated while the server runs.

use std::path::Path;

use nix::sys::signal::Signal;
use tempfile::NamedTempFile;

use super::{assert_serves, close_connections, write};
use crate::cli::file;
use crate::server::{NO_ACCESS_LOG, Server, ready_on};
use testkit::api::request;
use testkit::certificates::Certificates;
use testkit::redis::tls::TlsRedis;
use testkit::until;

/// A Redis that requires client certificates, and a worker with copies of one and its key.
struct Deployment {
    redis: TlsRedis,
    cert: NamedTempFile,
    key: NamedTempFile,
    worker: Server,
}

impl Deployment {
    fn start() -> Self {
        let redis = TlsRedis::requiring_client_certificates();
        let certificates = redis.certificates();
        let cert = file(&read(&certificates.client_cert_file()));
        let key = file(&read(&certificates.client_key_file()));
        let ca = certificates.ca_file();
        let settings = [
            ("store.redis.ca_file", path(&ca)),
            ("store.redis.cert_file", path(cert.path())),
            ("store.redis.key_file", path(key.path())),
        ];
        let worker = ready_on(&redis.url(), &[NO_ACCESS_LOG, &settings].concat());
        Self {
            redis,
            cert,
            key,
            worker,
        }
    }

    /// Makes Redis accept the client certificates of another CA alone. Its own certificate stays.
    fn require(&self, next: &Certificates) {
        let ca = next.ca_file();
        let set = ["CONFIG", "SET", "tls-ca-cert-file", path(&ca)];
        assert_eq!(self.redis.server.command(&set).text(), "OK");
        close_connections(&self.redis.server);
    }

    fn rotate_cert(&self, next: &Certificates) {
        write(self.cert.path(), &read(&next.client_cert_file()));
    }

    fn rotate_key(&self, next: &Certificates) {
        write(self.key.path(), &read(&next.client_key_file()));
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a PEM file")
}

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn rotated_client_certificate_is_read_at_the_reconnect() {
    let deployment = Deployment::start();
    let session = deployment.worker.create("hello");
    for next in [(); 2].map(|()| Certificates::make()) {
        deployment.rotate_cert(&next);
        deployment.rotate_key(&next);
        deployment.require(&next);
        assert_serves(&deployment.worker, &session);
    }
}

/// The two files cannot change at once. A certificate with the key of another one is retried.
#[test]
fn half_rotated_client_certificate_is_retried() {
    let deployment = Deployment::start();
    let worker = &deployment.worker;
    let session = worker.create("hello");
    let next = Certificates::make();
    deployment.require(&next);
    worker.assert_refused(&request::create("x"));
    deployment.rotate_cert(&next);
    until("the log names the pair", || {
        worker.log().contains("store.redis.cert_file")
    });
    worker.assert_refused(&request::create("x"));
    deployment.rotate_key(&next);
    assert_serves(worker, &session);
}

#[test]
fn invalid_client_certificate_is_reported_at_sighup() {
    for (is_key, name) in [
        (false, "store.redis.cert_file"),
        (true, "store.redis.key_file"),
    ] {
        let deployment = Deployment::start();
        let broken = if is_key {
            &deployment.key
        } else {
            &deployment.cert
        };
        write(broken.path(), "no PEM");
        deployment.worker.signal(Signal::SIGHUP);
        until("the log names the file's key", || {
            deployment.worker.log().contains(name)
        });
        deployment.worker.create("served by the open connection");
    }
}
