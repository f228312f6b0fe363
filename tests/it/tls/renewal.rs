//! SIGHUP reads the certificate again. That the files are also read every 30 s is tested with paused
//! time, in `src/app/certificate_renewal`.

use super::{TlsServer, write_files};
use nix::sys::signal::Signal;
use testkit::api::UNSTABLE;
use testkit::certificates::Certificates;
use testkit::http::{Connection, Request};
use testkit::until;

impl TlsServer {
    #[track_caller]
    fn count(&self, name: &str, outcome: &str) -> u64 {
        self.server.metrics().sum(name, &[("outcome", outcome)])
    }

    /// Sends SIGHUP, and waits until the configuration was applied or refused.
    #[track_caller]
    fn reload(&self, outcome: &str) {
        let name = "rendezvous_config_reloads_total";
        let before = self.count(name, outcome);
        self.server.signal(Signal::SIGHUP);
        until("the configuration was read", || {
            self.count(name, outcome) == before + 1
        });
    }

    /// Whether a new connection gets this certificate.
    #[track_caller]
    fn presents(&self, certificates: &Certificates) -> bool {
        let tls = certificates.client_config(&["http/1.1"]);
        let Ok(mut connection) = Connection::try_open_tls(self.server.http, &tls) else {
            return false;
        };
        let chain = connection.tls().peer_certificates().expect("a chain");
        assert_eq!(chain, [certificates.leaf()]);
        connection.send(&Request::get(UNSTABLE)).expect(200);
        true
    }
}

const RELOADS: &str = "rendezvous_tls_certificate_reloads_total";

#[test]
fn reload_uses_a_new_certificate_and_refuses_a_bad_one() {
    let server = TlsServer::start(&[]);
    let (first, next) = (&server.certificates, Certificates::make());
    let mut kept = server.open();
    assert!(server.presents(first) && !server.presents(&next));

    write_files(&server.files, &next, first);
    server.reload("refused");
    let log = server.server.log();
    assert!(log.contains("is not the key of"), "{log}");
    assert!(log.contains("http.tls_key_file"), "{log}");
    assert!(server.presents(first), "the old one stays");
    assert_eq!(server.count(RELOADS, "applied"), 0);

    write_files(&server.files, &next, &next);
    server.reload("applied");
    assert!(server.presents(&next) && !server.presents(first));
    assert_eq!(server.count(RELOADS, "applied"), 1);
    kept.send(&Request::get(UNSTABLE)).expect(200);

    server.reload("applied");
    assert_eq!(server.count(RELOADS, "applied"), 1, "nothing changed");
}

#[test]
fn expiry_of_the_certificate_is_exported() {
    let server = TlsServer::start(&[]);
    let name = "rendezvous_tls_certificate_expiry_timestamp_seconds";
    // rcgen's default: 4096-01-01.
    assert_eq!(server.server.metrics().sum(name, &[]), 67_090_118_400);
}
