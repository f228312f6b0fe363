//! A homeserver behind TLS, whose authority only the operator knows.

use super::{beside, creation, with};
use crate::harness::certificates::Certificates;
use crate::harness::issuer::{Answer, Issuer};
use crate::harness::server::Server;

fn start(certificates: &Certificates) -> Issuer {
    let issuer = Issuer::start_tls(certificates);
    issuer.answers("good", Answer::user("@user:example.org"));
    issuer
}

/// Questions of this outcome that were asked.
fn checks(server: &Server, outcome: &str) -> u64 {
    let labels = [("outcome", outcome), ("cached", "false")];
    server
        .metrics()
        .sum("rendezvous_auth_checks_total", &labels)
}

#[test]
fn homeserver_is_queried_over_tls_with_a_private_ca() {
    let certificates = Certificates::make();
    let issuer = start(&certificates);
    let ca = certificates.ca_file();
    let ca = ca.to_str().expect("UTF-8");
    let server = beside(&issuer, "authenticated", &[("auth.ca_file", ca)]);
    server.call(&with(creation(), "good")).expect(200);
    assert_eq!(checks(&server, "accepted"), 1);
    assert_eq!(issuer.asked_about("good").len(), 1);
}

/// Nobody knows who it is; to be shown no token, above all.
#[test]
fn untrusted_homeserver_gets_no_token() {
    let certificates = Certificates::make();
    let issuer = start(&certificates);
    let server = beside(&issuer, "authenticated", &[]);
    server
        .call(&with(creation(), "good"))
        .expect_error(503, "M_UNKNOWN");
    assert_eq!(checks(&server, "unreachable"), 1);
    assert_eq!(issuer.asked().len(), 0);
}
