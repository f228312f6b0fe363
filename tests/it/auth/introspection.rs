//! Tokens of an OAuth 2.0 server, by introspection (RFC 7662). `tests/interop/auth` uses a real
//! server.

use super::{assert_not_available, assert_refused, creation, discovery, with_token};
use crate::server::Server;
use serde_json::json;
use testkit::homeserver::{HomeserverStub, TokenReply};
use testkit::server::Store;

fn start(credentials: &[(&str, &str)]) -> (HomeserverStub, Server) {
    let verifier = HomeserverStub::start();
    let endpoint = format!("{}/oauth2/introspect", verifier.url());
    let mut settings = vec![
        ("mode", "authenticated"),
        ("auth.introspection.endpoint", &*endpoint),
        ("limits.enabled", "false"),
    ];
    settings.extend(credentials);
    let server = Server::start(Store::Memory, &settings);
    (verifier, server)
}

const SCOPE: &str = "openid urn:matrix:client:api:* urn:matrix:client:device:D";

#[test]
fn active_token_with_api_scope_creates() {
    let secret = ("auth.introspection.client_secret", "a:b c");
    let (verifier, server) = start(&[("auth.introspection.client_id", "a b"), secret]);
    let unstable = "urn:matrix:org.matrix.msc2967.client:api:*";
    for (token, body) in [
        (
            "stable",
            json!({"active": true, "scope": SCOPE, "username": "user"}),
        ),
        (
            "unstable",
            json!({"active": true, "scope": unstable, "sub": "01"}),
        ),
    ] {
        verifier.set_reply(token, TokenReply::json(200, &body));
        server.call(&with_token(creation(), token)).expect(200);
        let asked = verifier.requests_about(token);
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].line, "POST /oauth2/introspect HTTP/1.1");
        assert_eq!(
            asked[0].body,
            format!("token={token}&token_type_hint=access_token")
        );
        // "a+b:a%3Ab+c": each part is encoded (RFC 6749, 2.3.1), then the whole.
        assert_eq!(asked[0].authorization, "Basic YStiOmElM0FiK2M=");
    }
    assert!(!server.log().contains("stable"), "no token in the log");
}

#[test]
fn secret_without_client_id_is_sent_as_bearer_token() {
    let (verifier, server) = start(&[("auth.introspection.client_secret", "shared")]);
    let body = json!({"active": true, "scope": SCOPE, "username": "user"});
    verifier.set_reply("token-1", TokenReply::json(200, &body));
    server.call(&with_token(creation(), "token-1")).expect(200);
    let asked = verifier.requests_about("token-1");
    assert_eq!(asked[0].authorization, "Bearer shared");
}

// R1.43, R1.48
#[test]
fn inactive_token_is_rejected_and_missing_scope_forbidden() {
    let (verifier, server) = start(&[("auth.introspection.client_secret", "shared")]);
    verifier.set_reply("gone", TokenReply::json(200, &json!({"active": false})));
    assert_refused(
        server.call(&with_token(creation(), "gone")),
        "M_UNKNOWN_TOKEN",
        false,
    );
    let scope = "openid urn:matrix:client:api:*:x urn:synapse:admin:*";
    for (token, body) in [
        (
            "narrow",
            json!({"active": true, "scope": scope, "username": "user"}),
        ),
        ("none", json!({"active": true, "username": "user"})),
        ("clients-own", json!({"active": true, "scope": SCOPE})),
    ] {
        verifier.set_reply(token, TokenReply::json(200, &body));
        assert_not_available(&server, &with_token(discovery(), token));
        server
            .call(&with_token(creation(), token))
            .expect_error(403, "M_FORBIDDEN");
    }
}

/// A refresh token is no access token. A server that reports a token of 1970 as active, or one of the
/// year 2286, has another clock: that must not sign the user out.
// R1.43, R1.44
#[test]
fn refresh_or_expired_token_creates_no_session() {
    let (verifier, server) = start(&[("auth.introspection.client_secret", "shared")]);
    let answer = |name: &str, value: serde_json::Value| {
        let mut body = json!({"active": true, "scope": SCOPE, "username": "user"});
        body[name] = value;
        TokenReply::json(200, &body)
    };
    verifier.set_reply("refresh-1", answer("token_type", json!("refresh_token")));
    let reply = server.call(&with_token(creation(), "refresh-1"));
    assert_refused(reply, "M_UNKNOWN_TOKEN", false);
    for (token, name, value) in [
        ("expired-1", "exp", json!(1)),
        ("early-1", "nbf", json!(10_000_000_000_u64)),
        ("text-1", "exp", json!("10000000000")),
    ] {
        verifier.set_reply(token, answer(name, value));
        for request in [discovery(), creation()] {
            server
                .call(&with_token(request, token))
                .expect_error(503, "M_UNKNOWN");
        }
    }
    for (token, name, value) in [
        ("bearer-1", "token_type", json!("Bearer")),
        ("access-1", "token_type", json!("access_token")),
        ("valid-1", "exp", json!(10_000_000_000_u64)),
        ("begun-1", "nbf", json!(1)),
    ] {
        verifier.set_reply(token, answer(name, value));
        server.call(&with_token(creation(), token)).expect(200);
    }
}

#[test]
fn rejected_client_credentials_are_503() {
    let (verifier, server) = start(&[("auth.introspection.client_secret", "shared")]);
    for (token, answer) in [
        (
            "t1",
            TokenReply::json(401, &json!({"error": "invalid_client"})),
        ),
        ("t2", TokenReply::json(200, &json!({"active": "yes"}))),
    ] {
        verifier.set_reply(token, answer);
        server
            .call(&with_token(creation(), token))
            .expect_error(503, "M_UNKNOWN");
    }
}
