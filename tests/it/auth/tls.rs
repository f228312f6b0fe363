//! A homeserver behind TLS, whose authority only the operator knows.

use super::{beside, creation, with};
use crate::server::Server;
use testkit::certificates::Certificates;
use testkit::homeserver::{HomeserverStub, TokenReply};

fn start(certificates: &Certificates) -> HomeserverStub {
    let verifier = HomeserverStub::start_tls(certificates);
    verifier.set_reply("good", TokenReply::user("@user:example.org"));
    verifier
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
    let verifier = start(&certificates);
    let ca = certificates.ca_file();
    let ca = ca.to_str().expect("UTF-8");
    let server = beside(&verifier, "authenticated", &[("auth.ca_file", ca)]);
    server.call(&with(creation(), "good")).expect(200);
    assert_eq!(checks(&server, "accepted"), 1);
    assert_eq!(verifier.requests_about("good").len(), 1);
}

/// Nobody knows who it is; to be shown no token, above all.
#[test]
fn untrusted_homeserver_gets_no_token() {
    let certificates = Certificates::make();
    let verifier = start(&certificates);
    let server = beside(&verifier, "authenticated", &[]);
    server
        .call(&with(creation(), "good"))
        .expect_error(503, "M_UNKNOWN");
    assert_eq!(checks(&server, "unreachable"), 1);
    assert_eq!(verifier.requests().len(), 0);
}
