//! The prefixes that exist in each mode.
//!
//! Sections 1.1 and 1.7 of docs/protocol.md for `open` and `off`, and R0.6 for a dialect that is
//! off. Mode `authenticated` is in `auth.rs`.

use serde_json::json;

use crate::server::{Server, on_both_stores};
use testkit::api::{CONFLICT, STABLE, UNSTABLE, at, body};
use testkit::eventually;
use testkit::http::Request;
use testkit::server::Store;

on_both_stores! {
    stable_prefix_is_unrecognized_by_default,
    etag_dialect_is_unrecognized_by_default,
    token_is_ignored_without_a_verifier,
}

on_both_stores! {
    with ["mode" = "public"];
    public_is_an_alias_of_open,
}

on_both_stores! {
    with ["api.stable" = "true"];
    conflict_code_depends_on_the_prefix,
    both_prefixes_reach_the_same_session,
}

on_both_stores! {
    with ["mode" = "off", "api.stable" = "true"];
    json_dialect_is_unrecognized_when_off,
}

/// Every request of the dialect under a prefix, for a session that may exist.
fn everything_under(prefix: &str, id: &str) -> Vec<Request> {
    let session = format!("{prefix}/{id}");
    vec![
        Request::get(prefix),
        Request::post(prefix).json(&json!({"data": "x"})),
        Request::post(prefix).body("{"),
        Request::new("PATCH", prefix),
        Request::get(&session),
        Request::get(&session).header("Sec-Fetch-Mode", "navigate"),
        Request::put(&session).json(&body("t", "x")),
        Request::put(&format!("{session}/txn")).json(&body("t", "x")),
        Request::put(&format!("{session}/a+b")).json(&body("t", "x")),
        Request::delete(&session),
        Request::get(&format!("{prefix}/a+b")),
    ]
}

#[track_caller]
fn assert_nothing_under(server: &Server, prefix: &str, id: &str) {
    for request in everything_under(prefix, id) {
        let reply = server.call(&request);
        assert_eq!(reply.status, 404, "{request:?}: {reply}");
        reply.expect_error(404, "M_UNRECOGNIZED");
    }
    server.call(&Request::head(prefix)).expect(404);
}

// R1.2
fn stable_prefix_is_unrecognized_by_default(server: &Server) {
    let session = server.create("hello");
    assert_nothing_under(server, STABLE, &session.id);
    server.assert_holds(&session.id, "hello", &session.token);
}

// R0.6, R0.9
fn etag_dialect_is_unrecognized_by_default(server: &Server) {
    let prefix = "/_matrix/client/unstable/org.matrix.msc4108/rendezvous";
    let session = server.create("hello");
    assert_nothing_under(server, prefix, &session.id);
    server.assert_holds(&session.id, "hello", &session.token);
}

// R1.42, R1.43
fn token_is_ignored_without_a_verifier(server: &Server) {
    let bearing = |request: Request| request.header("Authorization", "Bearer nonsense");
    let discovery = server.call(&bearing(Request::get(UNSTABLE))).expect(200);
    assert_eq!(discovery.json(), json!({"create_available": true}));
    let create = Request::post(UNSTABLE).json(&json!({"data": "x"}));
    server.call(&bearing(create)).expect(200);
}

// R1.41
fn public_is_an_alias_of_open(server: &Server) {
    let discovery = server.call(&Request::get(UNSTABLE)).expect(200);
    assert_eq!(discovery.json(), json!({"create_available": true}));
    let session = server.create("hello");
    server.assert_holds(&session.id, "hello", &session.token);
}

// R0.6, R0.9
fn json_dialect_is_unrecognized_when_off(server: &Server) {
    assert_nothing_under(server, UNSTABLE, "some-session");
    assert_nothing_under(server, STABLE, "some-session");
}

/// A forgotten setting must not open the server to everyone.
// R0.9
#[test]
fn default_mode_is_off() {
    let server = Server::launch(&[("limits.enabled", "false")]);
    assert_nothing_under(&server, UNSTABLE, "some-session");
}

/// An operator can distinguish a client that asks for a dialect that is off from a wrong path.
// R0.6
#[test]
fn requests_of_a_disabled_dialect_have_their_own_reason() {
    let etag = "/_matrix/client/unstable/org.matrix.msc4108/rendezvous";
    let dialects = [("msc4388", UNSTABLE), ("v1", STABLE), ("msc4108", etag)];
    let server = Server::start(Store::Memory, &[("mode", "off")]);
    for (_, prefix) in dialects {
        server.call(&Request::post(prefix)).expect(404);
        server
            .call(&Request::get(&format!("{prefix}/a/b/c")))
            .expect(404);
    }
    server.call(&Request::get("/unknown")).expect(404);
    let metrics = server.metrics();
    let rejections = |reason| metrics.sum("rendezvous_rejections_total", &[("reason", reason)]);
    assert_eq!(rejections("dialect_disabled"), 6);
    assert_eq!(rejections("unrecognized"), 1);
    for (api, _) in dialects {
        let api = format!("api=\"{api}\"");
        eventually("an access line with the reason", || {
            let has_reason =
                |line: &str| line.contains(&api) && line.contains("reason=\"dialect_disabled\"");
            server.log().lines().any(has_reason).then_some(())
        });
    }
}

#[test]
fn session_outlives_a_server_with_the_dialect_off() {
    let open = Server::start(Store::Redis, &[]);
    let session = open.create("hello");
    let prefix = open.prefix.clone().expect("a prefix");
    let off = Server::start(
        Store::Redis,
        &[("mode", "off"), ("store.redis.prefix", &prefix)],
    );
    assert_nothing_under(&off, UNSTABLE, &session.id);
    open.assert_holds(&session.id, "hello", &session.token);
}

// R1.1, R1.2, R1.22
fn conflict_code_depends_on_the_prefix(server: &Server) {
    let session = server.create("zero");
    for (prefix, errcode) in [(UNSTABLE, CONFLICT), (STABLE, "M_CONCURRENT_WRITE")] {
        let path = format!("{prefix}/{}", session.id);
        let late = Request::put(&path).json(&body("stale", "late"));
        server.call(&late).expect_error(409, errcode);
        let late = Request::put(&format!("{path}/txn-{errcode}")).json(&body("stale", "late"));
        server.call(&late).expect_error(409, errcode);
    }
}

// R1.3
fn both_prefixes_reach_the_same_session(server: &Server) {
    let reply = server
        .call(&Request::post(STABLE).json(&json!({"data": "zero"})))
        .expect(200);
    let (id, token) = (reply.text("id"), reply.text("sequence_token"));
    server.assert_holds(&id, "zero", &token);
    let one = server.write(&id, &token, "one");
    let path = format!("{STABLE}/{id}");
    assert_eq!(
        server
            .call(&Request::get(&path))
            .expect(200)
            .text("sequence_token"),
        one
    );
    let two = server
        .call(&Request::put(&path).json(&body(&one, "two")))
        .expect(200);
    server.assert_holds(&id, "two", &two.text("sequence_token"));
    assert_eq!(
        server.call(&Request::delete(&path)).expect(200).json(),
        json!({})
    );
    server
        .call(&Request::get(&at(&id)))
        .expect_error(404, "M_NOT_FOUND");
    let discovery = server.call(&Request::get(STABLE)).expect(200);
    assert_eq!(discovery.json(), json!({"create_available": true}));
}
