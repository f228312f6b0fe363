//! Rates and quotas per client, and the limit on live sessions.
//!
//! Rule R0.31: 429 with `M_LIMIT_EXCEEDED`, `retry_after_ms` and `Retry-After` (R0.2, checked by
//! `Server::call` on each). Rates are so slow that no allowance returns while a test runs; a test
//! with a fast rate covers recovery. What counts as one client is in `limits/clients.rs`.

mod clients;
mod connections;
mod each_limit;
mod evasion;
mod forwarded;
mod log;
mod proxy_detector;
mod unrouted;
mod wide_networks;

use crate::server::{Server, on_both_stores};
use testkit::api::{UNSTABLE, at, body};
use testkit::eventually;
use testkit::http::Request;
use testkit::server::Store;

on_both_stores! {
    with ["session.max_live" = "2"];
    session_limit_rejects_new_and_keeps_live_sessions,
    deleted_session_frees_its_lease,
}

on_both_stores! {
    with ["limits.enabled" = "false"];
    disabled_limits_enforce_no_rate,
}

fn session_limit_rejects_new_and_keeps_live_sessions(server: &Server) {
    let sessions = [server.create("one"), server.create("two")];
    for _ in 0..5 {
        let refused = server
            .try_create("three")
            .expect_error(429, "M_LIMIT_EXCEEDED");
        assert!(refused.number("retry_after_ms") > 0, "{refused}");
    }
    for session in sessions {
        server.assert_holds(&session.id, &session.data, &session.token);
        server.write(&session.id, &session.token, "next");
    }
}

fn deleted_session_frees_its_lease(server: &Server) {
    let [one, two] = [server.create("one"), server.create("two")];
    for gone in [one, two] {
        server
            .try_create("too many")
            .expect_error(429, "M_LIMIT_EXCEEDED");
        server.call(&Request::delete(&at(&gone.id))).expect(200);
        eventually("the place is free", || {
            (server.try_create("new").status == 200).then_some(())
        });
    }
    server
        .try_create("too many")
        .expect_error(429, "M_LIMIT_EXCEEDED");
}

fn disabled_limits_enforce_no_rate(server: &Server) {
    let session = server.create("hello");
    for _ in 0..50 {
        server.create("hello");
    }
    for _ in 0..600 {
        assert_eq!(server.raw(&Request::get(&at(&session.id))).status, 200);
    }
}

/// The burst of one client, with almost no refill.
const CREATES: [(&str, &str); 3] = [
    ("limits.enabled", "true"),
    ("limits.create.client.burst", "2"),
    ("limits.create.client.per_second", "0.001"),
];
const CALLS: [(&str, &str); 3] = [
    ("limits.enabled", "true"),
    ("limits.requests.client.burst", "4"),
    ("limits.requests.client.per_second", "0.001"),
];
const TRUSTED: (&str, &str) = ("http.trusted_proxies", "127.0.0.1/32,10.0.0.0/8");

fn start(settings: &[(&str, &str)], trusted: &[(&str, &str)]) -> Server {
    Server::start(Store::Memory, &[settings, trusted].concat())
}

// R0.31
#[test]
fn creation_limit_leaves_existing_sessions_usable() {
    let server = start(&CREATES, &[]);
    let session = server.create("one");
    server.create("two");
    for _ in 0..3 {
        let refused = server
            .try_create("three")
            .expect_error(429, "M_LIMIT_EXCEEDED");
        // One more in 1000 s, so `retry_after_ms` is close to that.
        assert!(refused.number("retry_after_ms") > 1000, "{refused}");
    }
    let token = server.write(&session.id, &session.token, "next");
    server.assert_holds(&session.id, "next", &token);
    // Discoveries have an allowance of the same size, or a client that asks first could create only
    // half. Preflights are always answered.
    for _ in 0..2 {
        server.call(&Request::get(UNSTABLE)).expect(200);
    }
    let discovery = server.call(&Request::get(UNSTABLE));
    discovery.expect_error(429, "M_LIMIT_EXCEEDED");
    server.call(&Request::options(UNSTABLE)).expect(204);
    server.call(&Request::delete(&at(&session.id))).expect(200);
    server
        .try_create("three")
        .expect_error(429, "M_LIMIT_EXCEEDED");
}

// R0.31
#[test]
fn request_limit_rejects_every_session_request() {
    let server = start(&CALLS, &[TRUSTED]);
    let session = server.create("zero");
    let path = at(&session.id);
    let from =
        |client: &str, request: Request| server.call(&request.header("X-Forwarded-For", client));
    let put = Request::put(&path).json(&body(&session.token, "one"));
    let put_txn = Request::put(&format!("{path}/txn")).json(&body(&session.token, "one"));
    let requests = [
        Request::get(&path),
        put,
        put_txn.clone(),
        Request::delete(&path),
    ];
    for _ in 0..4 {
        from("203.0.113.1", Request::get(&path)).expect(200);
    }
    for request in requests {
        from("203.0.113.1", request).expect_error(429, "M_LIMIT_EXCEEDED");
    }
    from("203.0.113.1", Request::head(&path)).expect(429);
    from("203.0.113.1", Request::options(&path)).expect(204);
    // Nothing changed, and the rejected txnId was not recorded, so it can be retried.
    let read = from("203.0.113.2", Request::get(&path)).expect(200);
    assert_eq!(
        (read.text("data"), read.text("sequence_token")),
        ("zero".into(), session.token)
    );
    from("203.0.113.2", put_txn).expect(200);
}

#[test]
fn default_creation_burst_is_20() {
    let slow = [
        ("limits.enabled", "true"),
        ("limits.create.client.per_second", "0.001"),
    ];
    let server = start(&slow, &[]);
    for _ in 0..20 {
        server.create("x");
    }
    server.try_create("x").expect_error(429, "M_LIMIT_EXCEEDED");
}

#[test]
fn rate_limit_recovers_with_time() {
    let fast = [
        ("limits.enabled", "true"),
        ("limits.create.client.burst", "1"),
        ("limits.create.client.per_second", "5"),
    ];
    let server = start(&fast, &[]);
    eventually("a refusal", || {
        (server.try_create("x").status == 429).then_some(())
    });
    eventually("a place again", || {
        (server.try_create("x").status == 200).then_some(())
    });
}
