//! A homeserver that is down, silent or returns nonsense: tokens cannot be verified, so no session
//! can be created with one, and existing sessions go on. The circuit breaker is in `breaker.rs`.

use super::{
    assert_available, assert_not_available, creation, discovery, start, start_with, with_token,
};
use crate::server::Server;
use serde_json::json;
use testkit::api::UNSTABLE;
use testkit::eventually;
use testkit::homeserver::{HomeserverStub, TokenReply};
use testkit::http::Request;

const USER: &str = r#"{"user_id":"@user:example.org"}"#;

/// Expects 503 with `Retry-After`, and never a 401, which would sign the user out.
#[track_caller]
fn assert_unknown(server: &Server, token: &str) {
    for request in [discovery(), creation()] {
        let reply = server
            .call(&with_token(request, token))
            .expect_error(503, "M_UNKNOWN");
        assert_eq!(reply.header("retry-after"), Some("1"), "{reply}");
    }
}

// R1.44
#[test]
fn malformed_response_is_503() {
    let (verifier, server) = start("authenticated");
    let elsewhere = HomeserverStub::start();
    elsewhere.set_reply("redirected", TokenReply::user("@user:example.org"));
    let json = TokenReply::json;
    let nonsense = [
        TokenReply::Body(200, "<html>".to_owned()),
        json(200, &json!({})),
        json(200, &json!({"user_id": 1})),
        json(200, &json!({"user_id": ""})),
        json(200, &json!({"user_id": "x".repeat(300)})),
        TokenReply::Endless(20 << 20),
        TokenReply::Close,
        json(201, &json!({"user_id": "@user:example.org"})),
        json(400, &json!({"errcode": "M_UNKNOWN", "error": "x"})),
        json(404, &json!({"errcode": "M_UNRECOGNIZED", "error": "x"})),
        json(429, &json!({"errcode": "M_LIMIT_EXCEEDED", "error": "x"})),
        json(500, &json!({"errcode": "M_UNKNOWN", "error": "x"})),
        TokenReply::Body(502, "<html>".to_owned()),
        // Not a Matrix error, so it says nothing about the token.
        TokenReply::Body(401, "<html>".to_owned()),
        json(401, &json!({"error": "x"})),
        json(401, &json!({"errcode": "no code", "error": "x"})),
        TokenReply::Body(403, "<html>".to_owned()),
        // serde's derived code takes an array for a struct.
        json(200, &json!(["@user:example.org"])),
        json(200, &json!(["@user:example.org", false])),
        json(401, &json!(["M_UNKNOWN_TOKEN", false])),
        json(403, &json!(["M_USER_SUSPENDED"])),
        TokenReply::Body(200, format!("{USER}{USER}")),
        TokenReply::Body(200, format!("[{USER}]")),
        TokenReply::Body(200, USER.replace('}', r#","user_id":"@b:example.org"}"#)),
        TokenReply::Body(200, USER.replace('}', r#","is_guest":1e400}"#)),
        TokenReply::Body(200, USER.replace('}', r#","is_guest":null}"#)),
        // The token did not arrive at the homeserver.
        json(401, &json!({"errcode": "M_MISSING_TOKEN", "error": "x"})),
    ];
    for (number, answer) in nonsense.into_iter().enumerate() {
        let token = format!("nonsense-{number}");
        verifier.set_reply(&token, answer);
        assert_unknown(&server, &token);
        // A valid response: the homeserver is still queried.
        let good = format!("good-{number}");
        verifier.set_reply(&good, TokenReply::user("@user:example.org"));
        server.call(&with_token(creation(), &good)).expect(200);
    }
    verifier.set_reply("redirected", TokenReply::Redirect(elsewhere.url()));
    assert_unknown(&server, "redirected");
    assert_eq!(elsewhere.requests().len(), 0, "a token goes nowhere else");
    // The log has at most one line per minute. The test may cross into the next minute once.
    let count = server.log().matches("could not be checked").count();
    assert!(
        (1..=2).contains(&count),
        "{count} lines in\n{}",
        server.log()
    );
}

/// Synapse answers 500 to some unknown tokens, which any client can make up. That says nothing
/// about other tokens.
#[test]
fn breaker_ignores_malformed_responses() {
    let (verifier, server) = start("authenticated");
    let broken = json!({"errcode": "M_UNKNOWN", "error": "x"});
    verifier.set_reply("broken", TokenReply::json(500, &broken));
    for _ in 0..6 {
        server
            .call(&with_token(creation(), "broken"))
            .expect_error(503, "M_UNKNOWN");
    }
    assert_eq!(verifier.requests_about("broken").len(), 6);
    server.call(&with_token(creation(), "good")).expect(200);
}

// R1.44
#[test]
fn silent_homeserver_times_out_and_sessions_go_on() {
    let (verifier, server) = start("authenticated");
    let created = server.call(&with_token(creation(), "good")).expect(200);
    verifier.set_reply("silent", TokenReply::Hang);
    assert_unknown(&server, "silent");
    let (id, token) = (created.text("id"), created.text("sequence_token"));
    let next = server.write(&id, &token, "next");
    server.assert_holds(&id, "next", &next);
    assert_not_available(&server, &discovery());
    let timeouts = [("outcome", "timeout"), ("cached", "false")];
    let metrics = server.metrics();
    assert_eq!(metrics.sum("rendezvous_auth_checks_total", &timeouts), 2);
    assert_eq!(
        metrics.sum(
            "rendezvous_rejections_total",
            &[("reason", "auth_unavailable")]
        ),
        2
    );
}

#[test]
fn server_starts_without_a_homeserver() {
    let verifier = HomeserverStub::start();
    let url = verifier.url();
    drop(verifier);
    let server = Server::start(
        testkit::server::Store::Memory,
        &[("mode", "open"), ("auth.homeserver_url", &url)],
    );
    eventually("the log says so", || {
        server
            .log()
            .contains("access tokens cannot be checked")
            .then_some(())
    });
    assert!(server.log().contains("refused"), "{}", server.log());
    server
        .call(&with_token(creation(), "good"))
        .expect_error(503, "M_UNKNOWN");
    assert_available(&server, &discovery());
    server.create("without a token");
    assert_eq!(server.admin_get("/readyz").status, 200);
}

#[test]
fn cached_token_survives_an_outage() {
    let (verifier, server) = start("authenticated");
    server.call(&with_token(creation(), "good")).expect(200);
    drop(verifier);
    server.call(&with_token(creation(), "good")).expect(200);
    server
        .call(&with_token(creation(), "other"))
        .expect_error(503, "M_UNKNOWN");
}

#[test]
fn base_url_path_is_kept() {
    let verifier = HomeserverStub::start();
    verifier.set_reply("good", TokenReply::user("@user:example.org"));
    let url = format!("{}/below/", verifier.url());
    let server = start_with(&verifier, "authenticated", &[("auth.homeserver_url", &url)]);
    server
        .call(&with_token(Request::get(UNSTABLE), "good"))
        .expect(200);
    let asked = verifier.requests_about("good");
    assert_eq!(
        asked[0].line,
        "GET /below/_matrix/client/v3/account/whoami HTTP/1.1"
    );
}

/// The line of the homeserver on `/readyz?verbose`.
fn verifier_line(server: &Server) -> String {
    let page = server.admin_get("/readyz?verbose").expect(200).body;
    let page = String::from_utf8(page).expect("text");
    let line = page.lines().find(|line| line.contains("homeserver"));
    line.expect("a line of the homeserver").to_owned()
}

/// Usually another program responds at the configured URL: an operator must see that, in the log and
/// on the page.
#[test]
fn unexpected_response_is_described_for_operators() {
    let (verifier, server) = start("authenticated");
    eventually("the probe at the start is answered", || {
        verifier_line(&server).starts_with("[+]").then_some(())
    });
    verifier.set_reply("html", TokenReply::Body(404, "<html>".to_owned()));
    assert_unknown(&server, "html");
    let host = verifier.url().replace("http://", "");
    let cause = format!(
        "{host} answered 404 Not Found with the content type application/json; expected 200 with a"
    );
    eventually("the log has the cause", || {
        let log = server.log();
        let mut lines = log
            .lines()
            .filter(|line| line.contains("could not be checked"));
        lines.any(|line| line.contains(&cause)).then_some(())
    });
    let line = verifier_line(&server);
    assert!(line.starts_with("[!]") && line.contains(&cause), "{line}");
    server.call(&with_token(creation(), "good")).expect(200);
    let line = verifier_line(&server);
    assert!(line.starts_with("[+]"), "{line}");
}

#[test]
fn unreachable_homeserver_is_described_for_operators() {
    let (verifier, server) = start("authenticated");
    let host = verifier.url().replace("http://", "");
    drop(verifier);
    assert_unknown(&server, "any");
    let line = verifier_line(&server);
    let cause =
        format!("the last token check failed: the token verifier cannot be reached: {host}: ");
    assert!(line.contains(&cause), "{line}");
    assert!(line.contains("Connection refused"), "{line}");
    // hyper's name of the kind of an error, in the form of a Rust value.
    assert!(!line.contains("(Connect)"), "{line}");
}
