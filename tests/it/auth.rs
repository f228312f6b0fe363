//! Who may create a session: users of the homeserver in mode `authenticated`, and in mode `open`
//! everyone without a bad token.
//!
//! Rules R1.41 to R1.47. Responses about tokens are in `auth/token_responses.rs`, cache lifetimes
//! in `auth/cache_ttl.rs`, outages of the homeserver in `auth/outage.rs`, the circuit breaker in
//! `auth/breaker.rs`, concurrent token checks in `auth/concurrency.rs`, OAuth in `auth/introspection.rs`, TLS in `auth/tls.rs`, rotated secrets
//! and certificate authorities in `auth/reload.rs`.

mod breaker;
mod cache_ttl;
mod concurrency;
mod introspection;
mod outage;
mod reload;
mod support;
mod tls;
mod token_responses;

use crate::server::Server;
use serde_json::json;
use testkit::api::{STABLE, UNSTABLE, at};
use testkit::eventually;
use testkit::homeserver::{HomeserverStub, TokenReply};
use testkit::http::{Reply, Request};
use testkit::server::Store;

/// A homeserver stand-in that knows one user by the token `good`, and a server that uses it.
fn start(mode: &str) -> (HomeserverStub, Server) {
    let verifier = HomeserverStub::start();
    verifier.set_reply("good", TokenReply::user("@user:example.org"));
    let server = start_with(&verifier, mode, &[]);
    (verifier, server)
}

fn start_with(verifier: &HomeserverStub, mode: &str, extra: &[(&str, &str)]) -> Server {
    let url = verifier.url();
    let mut settings = vec![
        ("mode", mode),
        ("auth.homeserver_url", &*url),
        ("api.stable", "true"),
        ("limits.enabled", "false"),
    ];
    settings.extend(extra);
    Server::start(Store::Memory, &settings)
}

fn with_token(request: Request, token: &str) -> Request {
    request.header("Authorization", &format!("Bearer {token}"))
}

fn discovery() -> Request {
    Request::get(UNSTABLE)
}

fn creation() -> Request {
    Request::post(UNSTABLE).json(&json!({"data": "hello"}))
}

/// The response says that the client may not create sessions, without an error.
#[track_caller]
fn assert_not_available(server: &Server, request: &Request) {
    let reply = server.call(request).expect(200);
    assert_eq!(reply.json(), json!({"create_available": false}), "{reply}");
}

#[track_caller]
fn assert_available(server: &Server, request: &Request) {
    let reply = server.call(request).expect(200);
    assert_eq!(reply.json(), json!({"create_available": true}), "{reply}");
}

/// Expects 401 with this errcode and this `soft_logout`.
#[track_caller]
fn assert_refused(reply: Reply, errcode: &str, soft_logout: bool) {
    let reply = reply.expect_error(401, errcode);
    assert_eq!(reply.json()["soft_logout"], json!(soft_logout), "{reply}");
}

// R1.41
#[test]
fn creation_without_token_is_forbidden() {
    let (verifier, server) = start("authenticated");
    let before = verifier.requests().len();
    for prefix in [UNSTABLE, STABLE] {
        assert_not_available(&server, &Request::get(prefix));
        let creation = Request::post(prefix).json(&json!({"data": "hello"}));
        server.call(&creation).expect_error(403, "M_FORBIDDEN");
    }
    // The query parameter that the client-server API deprecates does not count as a token.
    assert_not_available(
        &server,
        &Request::get(&format!("{UNSTABLE}?access_token=good")),
    );
    server.call(&Request::head(UNSTABLE)).expect(200);
    assert!(
        verifier.requests().len() <= before + 1,
        "but for the probe of the start"
    );
}

// R1.42, R1.47
#[test]
fn user_creates_and_session_needs_no_token() {
    let (verifier, server) = start("authenticated");
    assert_available(&server, &with_token(discovery(), "good"));
    let created = server.call(&with_token(creation(), "good")).expect(200);
    let (id, token) = (created.text("id"), created.text("sequence_token"));
    server.assert_holds(&id, "hello", &token);
    for token in ["good", "bad"] {
        server
            .call(&with_token(Request::get(&at(&id)), token))
            .expect(200);
    }
    let next = server.write(&id, &token, "next");
    server.assert_holds(&id, "next", &next);
    server
        .call(&with_token(Request::delete(&at(&id)), "bad"))
        .expect(200);
    assert_eq!(verifier.requests_about("bad").len(), 0, "not looked at");
    let asked = verifier.requests_about("good");
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(
        asked[0].line,
        "GET /_matrix/client/v3/account/whoami HTTP/1.1"
    );
    assert!(!server.log().contains("good"), "no token in the log");
}

// R1.43, R1.45
#[test]
fn rejected_token_gets_the_homeservers_error() {
    let (verifier, server) = start("authenticated");
    let locked = json!({"errcode": "M_USER_LOCKED", "error": "x", "soft_logout": true});
    verifier.set_reply("locked", TokenReply::json(401, &locked));
    for request in [discovery, creation] {
        assert_refused(
            server.call(&with_token(request(), "gone")),
            "M_UNKNOWN_TOKEN",
            false,
        );
        assert_refused(
            server.call(&with_token(request(), "locked")),
            "M_USER_LOCKED",
            true,
        );
    }
}

// R1.48
#[test]
fn valid_user_without_permission_is_forbidden() {
    let (verifier, server) = start("authenticated");
    let guest = json!({"user_id": "@1:example.org", "is_guest": true});
    verifier.set_reply("guest", TokenReply::json(200, &guest));
    let suspended = json!({"errcode": "M_USER_SUSPENDED", "error": "x"});
    verifier.set_reply("suspended", TokenReply::json(403, &suspended));
    for token in ["guest", "suspended"] {
        assert_not_available(&server, &with_token(discovery(), token));
        server
            .call(&with_token(creation(), token))
            .expect_error(403, "M_FORBIDDEN");
    }
    // The token of an application service has no device; it belongs to the service's sender.
    verifier.set_reply(
        "service",
        TokenReply::json(200, &json!({"user_id": "@bot:example.org"})),
    );
    server.call(&with_token(creation(), "service")).expect(200);
}

// R1.46
#[test]
fn malformed_bearer_token_is_rejected_without_a_query() {
    for mode in ["authenticated", "open"] {
        let (verifier, server) = start(mode);
        let longer = format!("Bearer {}", "x".repeat(10_000));
        for line in [
            "",
            "Bearer",
            "Bearer ",
            "Basic YTpi",
            "good",
            "Bearer a b",
            &longer,
        ] {
            for request in [discovery(), creation()] {
                let reply = server.call(&request.header("Authorization", line));
                assert_refused(reply, "M_UNKNOWN_TOKEN", false);
            }
        }
        let two = with_token(with_token(creation(), "good"), "good");
        assert_refused(server.call(&two), "M_UNKNOWN_TOKEN", false);
        assert!(
            verifier.requests().len() <= 1,
            "but for the probe: {:?}",
            verifier.requests()
        );
        // Nothing reads a head beyond its size limit.
        let huge = with_token(creation(), &"x".repeat(100_000));
        assert_eq!(server.raw(&huge).status, 431);
        server.call(&with_token(creation(), "good")).expect(200);
    }
}

// R1.43, R1.46
#[test]
fn open_mode_rejects_a_bad_token() {
    let (_verifier, server) = start("open");
    assert_available(&server, &discovery());
    server.call(&creation()).expect(200);
    server.call(&with_token(creation(), "good")).expect(200);
    for request in [discovery, creation] {
        assert_refused(
            server.call(&with_token(request(), "gone")),
            "M_UNKNOWN_TOKEN",
            false,
        );
    }
}

// R0.14, R2.2
#[test]
fn preflights_and_etag_dialect_query_no_homeserver() {
    let verifier = HomeserverStub::start();
    let server = start_with(&verifier, "authenticated", &[("msc4108.enabled", "true")]);
    server.call(&Request::options(UNSTABLE)).expect(204);
    let mailbox = server.open_mailbox("hello");
    server.call(&with_token(mailbox.get(), "bad")).expect(200);
    assert_eq!(verifier.requests_about("bad").len(), 0);
}

#[test]
fn log_names_users_only_if_configured() {
    for (asked, logged) in [("false", 0), ("true", 1)] {
        let verifier = HomeserverStub::start();
        verifier.set_reply("good", TokenReply::user("@anna:example.org"));
        let server = start_with(
            &verifier,
            "authenticated",
            &[("telemetry.log_users", asked)],
        );
        server.call(&with_token(creation(), "good")).expect(200);
        server.call(&with_token(creation(), "bad")).expect(401);
        // A thread writes the log, so the lines of both requests may come after the responses.
        let log = eventually("both requests are logged", || {
            let log = server.log();
            (log.matches("status=").count() == 2).then_some(log)
        });
        assert_eq!(log.matches("@anna:example.org").count(), logged, "{log}");
    }
}
