//! A homeserver behind TLS with a private CA.

use super::{creation, start_with, with_token};
use crate::server::Server;
use testkit::certificates::Certificates;
use testkit::eventually;
use testkit::homeserver::{HomeserverStub, TokenReply};

fn start(certificates: &Certificates) -> HomeserverStub {
    let verifier = HomeserverStub::start_tls(certificates);
    verifier.set_reply("good", TokenReply::user("@user:example.org"));
    verifier
}

/// The number of token checks with this outcome that were not cached.
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
    let server = start_with(&verifier, "authenticated", &[("auth.ca_file", ca)]);
    server.call(&with_token(creation(), "good")).expect(200);
    assert_eq!(checks(&server, "accepted"), 1);
    assert_eq!(verifier.requests_about("good").len(), 1);
}

/// A homeserver that is not trusted must not receive a token.
#[test]
fn untrusted_homeserver_gets_no_token() {
    let certificates = Certificates::make();
    let verifier = start(&certificates);
    let server = start_with(&verifier, "authenticated", &[]);
    server
        .call(&with_token(creation(), "good"))
        .expect_error(503, "M_UNKNOWN");
    assert_eq!(checks(&server, "unreachable"), 1);
    assert_eq!(verifier.requests().len(), 0);
    // The probe of the start says what to do.
    let cause = "not signed by a trusted certificate authority (set ca_file";
    let has_cause = |line: &str| line.contains("cannot be checked") && line.contains(cause);
    eventually("the log has the cause", || {
        server.log().lines().any(has_cause).then_some(())
    });
}
