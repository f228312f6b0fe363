//! The header fields of every response, and preflights.
//!
//! Error bodies, CORS, security headers and `OPTIONS` (docs/protocol.md, 0.1 to 0.4).
//! `Server::call` checks the header fields on every response of every test; here each status is
//! produced with a browser's headers.

use serde_json::json;

use crate::server::{Server, on_both_stores};
use testkit::api::{UNSTABLE, at, body};
use testkit::http::{Connection, Reply, Request};
use testkit::server::Store;

on_both_stores! {
    every_response_allows_any_origin_and_no_cache,
    probe_is_repeated_and_exposed_on_every_response,
    origin_is_not_echoed,
    preflight_is_answered_on_any_path,
    preflight_looks_up_no_session,
    error_body_describes_the_problem_in_json,
}

on_both_stores! {
    with ["mode" = "off"];
    preflight_is_answered_while_the_dialect_is_off,
}

/// A request for each status of a healthy server, except limits.
fn one_of_each(server: &Server) -> Vec<(u16, Request)> {
    let session = server.create("hello");
    let path = at(&session.id);
    vec![
        (200, Request::get(UNSTABLE)),
        (200, Request::post(UNSTABLE).json(&json!({"data": "x"}))),
        (200, Request::get(&path)),
        (200, Request::put(&path).json(&body(&session.token, "next"))),
        (
            409,
            Request::put(&format!("{path}/txn")).json(&body("stale", "x")),
        ),
        (204, Request::options(&path)),
        (400, Request::post(UNSTABLE).body("{")),
        (400, Request::put(&path).body("{}")),
        (
            400,
            Request::put(&format!("{path}/a+b")).json(&body("stale", "x")),
        ),
        (
            403,
            Request::get(&path).header("Sec-Fetch-Mode", "navigate"),
        ),
        (404, Request::get(&at("nothing-is-here"))),
        (404, Request::get("/unknown")),
        (405, Request::new("PATCH", UNSTABLE)),
        (409, Request::put(&path).json(&body("stale", "late"))),
        (
            413,
            Request::post(UNSTABLE).json(&json!({"data": "x".repeat(4097)})),
        ),
        (413, Request::post(UNSTABLE).body(vec![b' '; 32 * 1024 + 1])),
        (200, Request::delete(&path)),
        (404, Request::delete(&path)),
    ]
}

// R0.13, R0.15, R0.16
fn every_response_allows_any_origin_and_no_cache(server: &Server) {
    for (status, request) in one_of_each(server) {
        let browser = request
            .header("Origin", "https://app.example")
            .header("Cookie", "a=b");
        let reply = server.call(&browser).expect(status);
        assert_eq!(
            reply.all("access-control-allow-credentials"),
            Vec::<&str>::new(),
            "{reply}"
        );
        assert_eq!(reply.all("set-cookie"), Vec::<&str>::new(), "{reply}");
        // No part of a sign-in may be cached, and none may be found by heuristic freshness.
        assert_eq!(reply.all("etag"), Vec::<&str>::new(), "{reply}");
    }
}

// R0.38
fn probe_is_repeated_and_exposed_on_every_response(server: &Server) {
    for (status, request) in one_of_each(server) {
        let reply = server.call(&request.clone()).expect(status);
        assert_eq!(reply.header("x-rendezvous-probe"), None, "{reply}");
    }
    for (status, request) in one_of_each(server) {
        let probing = request.header("X-Rendezvous-Probe", "Word1");
        let reply = server.call(&probing).expect(status);
        assert_eq!(reply.all("x-rendezvous-probe"), ["Word1"], "{reply}");
        let exposed = reply.all("access-control-expose-headers");
        assert_eq!(exposed, ["X-Rendezvous-Probe"], "{reply}");
    }
}

// R0.38
#[test]
fn probe_that_is_not_one_word_is_ignored() {
    let server = Server::start(Store::Memory, &[("mode", "open")]);
    let longest = "a".repeat(32);
    let too_long = "a".repeat(33);
    for (probe, is_repeated) in [
        (longest.as_str(), true),
        (&too_long, false),
        ("", false),
        ("two words", false),
        ("a-b", false),
    ] {
        let probing = Request::get(UNSTABLE).header("X-Rendezvous-Probe", probe);
        let reply = server.call(&probing).expect(200);
        let repeated = reply.header("x-rendezvous-probe");
        assert_eq!(repeated, is_repeated.then_some(probe), "{reply}");
        let exposed = reply.header("access-control-expose-headers");
        assert_eq!(exposed.is_some(), is_repeated, "{reply}");
    }
}

// R0.13
fn origin_is_not_echoed(server: &Server) {
    for origin in ["https://app.example", "null", "http://localhost:8080"] {
        for (status, request) in one_of_each(server) {
            let reply = server
                .call(&request.header("Origin", origin))
                .expect(status);
            let echoed = reply.headers.iter().find(|(_, value)| value == origin);
            assert_eq!(echoed, None, "{reply}");
        }
    }
}

#[track_caller]
fn assert_is_a_preflight_reply(reply: &Reply) {
    assert_eq!(reply.status, 204, "{reply}");
    assert_eq!(reply.header("content-type"), None, "it has no content");
    let expected = [
        (
            "access-control-allow-methods",
            "GET, HEAD, POST, PUT, DELETE, OPTIONS",
        ),
        (
            "access-control-allow-headers",
            "X-Requested-With, Content-Type, Authorization, Date, If-Match, If-None-Match, \
             X-Rendezvous-Probe",
        ),
        ("access-control-max-age", "86400"),
    ];
    for (name, value) in expected {
        assert_eq!(reply.header(name), Some(value), "{reply}");
    }
}

fn preflight(path: &str) -> Request {
    Request::options(path)
        .header("Origin", "https://app.example")
        .header("Access-Control-Request-Method", "PUT")
        .header("Access-Control-Request-Headers", "content-type")
}

// R0.14
fn preflight_is_answered_on_any_path(server: &Server) {
    let session = server.create("hello");
    let txn = format!("{}/txn", at(&session.id));
    let invalid_txn = format!("{}/a+b", at(&session.id));
    let paths = [
        UNSTABLE,
        &at(&session.id),
        &txn,
        &invalid_txn,
        &at("a+b"),
        "/",
        "/unknown",
        "/_matrix/client/v1/rendezvous",
    ];
    for path in paths {
        assert_is_a_preflight_reply(&server.call(&preflight(path)));
        assert_is_a_preflight_reply(&server.call(&Request::options(path)));
    }
    // Two on one connection: the first response must have no body that could be taken for the
    // second.
    let mut connection = Connection::open(server.http);
    for _ in 0..2 {
        assert_is_a_preflight_reply(&connection.send(&preflight(UNSTABLE)));
    }
}

// R0.14
fn preflight_looks_up_no_session(server: &Server) {
    let bearing = preflight(&at("nothing-is-here")).header("Authorization", "Bearer nonsense");
    assert_is_a_preflight_reply(&server.call(&bearing.header("Sec-Fetch-Mode", "navigate")));
}

// R0.14
fn preflight_is_answered_while_the_dialect_is_off(server: &Server) {
    for path in [UNSTABLE, &at("nothing-is-here"), "/unknown"] {
        assert_is_a_preflight_reply(&server.call(&preflight(path)));
    }
}

// R0.1
fn error_body_describes_the_problem_in_json(server: &Server) {
    for (status, request) in one_of_each(server) {
        let reply = server.call(&request).expect(status);
        if status >= 400 {
            let body = reply.json();
            let members: Vec<_> = body.as_object().expect("an object").keys().collect();
            assert_eq!(members, ["errcode", "error"], "{reply}");
        }
    }
}
