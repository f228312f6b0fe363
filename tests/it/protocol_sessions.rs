//! A session from its creation to its end: discovery, create, read, delete, expiry.
//!
//! The table of the JSON dialect without its writes (R1.4 to R1.9), the form of ids and tokens,
//! `expires_in_ms`, and the 404 of sessions that do not exist or no longer exist.

use std::collections::HashSet;

use serde_json::json;

use crate::server::{Server, on_both_stores};
use testkit::api::{UNSTABLE, at};
use testkit::eventually;
use testkit::http::Request;
use testkit::server::{Store, shared_redis};

on_both_stores! {
    discovery_in_open_mode_returns_true,
    creation_returns_exactly_the_documented_fields,
    session_ids_are_opaque_long_and_unique,
    equal_payloads_of_two_sessions_differ_in_token,
    read_returns_payload_and_token_unchanged,
    read_changes_nothing,
    any_text_is_stored_unchanged,
    sessions_are_independent,
    deleted_session_is_404_for_every_request,
    delete_returns_an_empty_object,
    unknown_session_is_not_found,
    session_requests_ignore_authorization,
    remaining_lifetime_shrinks_despite_writes,
}

on_both_stores! {
    with ["session.ttl" = "120s"];
    new_session_has_the_configured_ttl,
}

// R1.4, R1.10, R1.41
fn discovery_in_open_mode_returns_true(server: &Server) {
    let reply = server.call(&Request::get(UNSTABLE)).expect(200);
    assert_eq!(reply.json(), json!({"create_available": true}));
}

// R1.5, R1.6
fn creation_returns_exactly_the_documented_fields(server: &Server) {
    let reply = server.try_create("hello").expect(200);
    let body = reply.json();
    let members: HashSet<_> = body
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        members,
        HashSet::from(["id", "sequence_token", "expires_in_ms"])
    );
    let read = server
        .call(&Request::get(&at(&reply.text("id"))))
        .expect(200)
        .json();
    let members: HashSet<_> = read
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        members,
        HashSet::from(["data", "sequence_token", "expires_in_ms"])
    );
}

// R0.20, R0.21
fn session_ids_are_opaque_long_and_unique(server: &Server) {
    let sessions: Vec<_> = (0..20).map(|_| server.create("equal")).collect();
    for session in &sessions {
        assert!((20..=255).contains(&session.id.len()), "{session:?}");
        let opaque = |c: char| c.is_ascii_alphanumeric() || "._~-".contains(c);
        assert!(session.id.chars().all(opaque), "{session:?}");
    }
    let ids: HashSet<_> = sessions.iter().map(|session| session.id.as_str()).collect();
    assert_eq!(ids.len(), sessions.len());
    // A time inside the id would give ids of one moment the same first characters (8 of them with
    // UUIDv7).
    let starts: HashSet<_> = ids.iter().map(|id| &id[..6]).collect();
    assert_eq!(starts.len(), ids.len(), "{ids:?}");
}

// R1.16
fn equal_payloads_of_two_sessions_differ_in_token(server: &Server) {
    let [one, two] = [server.create("equal"), server.create("equal")];
    assert_ne!(one.token, two.token);
}

/// The same is checked for the tokens of writes in `protocol_writes.rs`.
// R1.14
pub fn assert_is_a_token(token: &str) {
    let alphabet = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    assert!(
        token.chars().all(alphabet),
        "not base64url without padding: {token:?}"
    );
    // 128 bits take 22 characters of base64url.
    assert!((22..=255).contains(&token.len()), "{token:?}");
}

// R1.6, R1.13
fn read_returns_payload_and_token_unchanged(server: &Server) {
    let session = server.create("hello");
    assert_is_a_token(&session.token);
    for _ in 0..3 {
        server.assert_holds(&session.id, "hello", &session.token);
    }
}

fn read_changes_nothing(server: &Server) {
    let session = server.create("hello");
    server.read(&session.id);
    server.write(&session.id, &session.token, "next");
}

fn any_text_is_stored_unchanged(server: &Server) {
    let texts = [
        "",
        " ",
        "\u{0}",
        "\"\\/\r\n\t\u{1f}\u{7f}",
        "naïve 漢字 😀",
        "\u{feff}x\u{2028}",
        "null",
    ];
    for text in texts {
        let session = server.create(text);
        server.assert_holds(&session.id, text, &session.token);
        let token = server.write(&session.id, &session.token, &format!("{text}{text}"));
        server.assert_holds(&session.id, &format!("{text}{text}"), &token);
    }
}

fn sessions_are_independent(server: &Server) {
    let [one, two] = [server.create("one"), server.create("two")];
    let token = server.write(&one.id, &one.token, "one, again");
    server.put(&two.id, &token, "two, again").expect(409);
    server.assert_holds(&two.id, "two", &two.token);
    server.call(&Request::delete(&at(&one.id))).expect(200);
    server.assert_holds(&two.id, "two", &two.token);
}

// R0.7, R1.9
fn deleted_session_is_404_for_every_request(server: &Server) {
    let session = server.create("hello");
    server.call(&Request::delete(&at(&session.id))).expect(200);
    server.assert_gone(&session.id);
    server
        .put(&session.id, &session.token, "next")
        .expect_error(404, "M_NOT_FOUND");
    server
        .put_txn(&session.id, "txn", &session.token, "next")
        .expect_error(404, "M_NOT_FOUND");
    let again = server.call(&Request::delete(&at(&session.id)));
    again.expect_error(404, "M_NOT_FOUND");
    server.assert_gone(&session.id);
}

// R1.9
fn delete_returns_an_empty_object(server: &Server) {
    let session = server.create("hello");
    let reply = server.call(&Request::delete(&at(&session.id))).expect(200);
    assert_eq!(reply.json(), json!({}));
}

// R0.7
fn unknown_session_is_not_found(server: &Server) {
    let alive = server.create("hello");
    let id = "n".repeat(alive.id.len());
    server.assert_gone(&id);
    server
        .put(&id, &alive.token, "next")
        .expect_error(404, "M_NOT_FOUND");
    server
        .put_txn(&id, "txn", &alive.token, "next")
        .expect_error(404, "M_NOT_FOUND");
    server
        .call(&Request::delete(&at(&id)))
        .expect_error(404, "M_NOT_FOUND");
    // Shorter and longer than any id of this server, all within the grammar.
    for id in ["x", "._~-", &"a".repeat(255)] {
        server.assert_gone(id);
    }
}

// R1.47
fn session_requests_ignore_authorization(server: &Server) {
    let session = server.create("hello");
    let bearer =
        |request: Request| server.call(&request.header("Authorization", "Bearer nonsense"));
    bearer(Request::get(&at(&session.id))).expect(200);
    let next = json!({"sequence_token": session.token, "data": "next"});
    bearer(Request::put(&at(&session.id)).json(&next)).expect(200);
    bearer(Request::delete(&at(&session.id))).expect(200);
}

// R0.22, R1.11
fn remaining_lifetime_shrinks_despite_writes(server: &Server) {
    let session = server.create("hello");
    let before = eventually("some of the life has passed", || {
        let left = server.read(&session.id).expires_in_ms;
        (left + 50 < session.expires_in_ms).then_some(left)
    });
    let token = server.write(&session.id, &session.token, "next");
    assert!(server.read(&session.id).expires_in_ms <= before);
    server
        .put_txn(&session.id, "txn", &token, "after next")
        .expect(200);
    assert!(server.read(&session.id).expires_in_ms <= before);
}

// R0.23, R1.11
fn new_session_has_the_configured_ttl(server: &Server) {
    let session = server.create("hello");
    assert!(
        (1..=120_000).contains(&session.expires_in_ms),
        "{session:?}"
    );
    // Above the time of one request on a slow machine, below the default of 300 s.
    assert!(session.expires_in_ms > 60_000, "{session:?}");
}

// R0.23
#[test]
fn default_ttl_is_five_minutes() {
    let server = Server::start(Store::Memory, &[]);
    let session = server.create("hello");
    assert!(
        (240_001..=300_000).contains(&session.expires_in_ms),
        "{session:?}"
    );
}

/// The contract suite moves the memory store's clock; on Redis a test can shorten a TTL.
// R0.7
#[test]
fn expired_session_is_not_found() {
    let server = Server::start(Store::Redis, &[]);
    let session = server.create("hello");
    let key = format!("{}s:{{{}}}", server.prefix.as_deref().unwrap(), session.id);
    assert_eq!(
        shared_redis().command(&["PEXPIRE", &key, "1"]).int(),
        1,
        "no key {key}"
    );
    eventually("the session expires", || {
        (server.raw(&Request::get(&at(&session.id))).status == 404).then_some(())
    });
    server.assert_gone(&session.id);
    server
        .put(&session.id, &session.token, "next")
        .expect_error(404, "M_NOT_FOUND");
    server
        .put_txn(&session.id, "txn", &session.token, "next")
        .expect_error(404, "M_NOT_FOUND");
    server
        .call(&Request::delete(&at(&session.id)))
        .expect_error(404, "M_NOT_FOUND");
}
