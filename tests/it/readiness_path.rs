//! `http.readiness_path`: what load balancers see that can check only the clients' port.

use crate::server::{Server, on_both_stores};
use nix::sys::signal::Signal;
use testkit::api::UNSTABLE;
use testkit::eventually;
use testkit::http::{Connection, Request};
use testkit::server::Store;

const PATH: (&str, &str) = ("http.readiness_path", "/healthy");

on_both_stores! {
    with ["http.readiness_path" = "/healthy", "shutdown.grace" = "300s"];
    path_is_ready_until_the_signal_to_stop,
}

// R0.44
fn path_is_ready_until_the_signal_to_stop(server: &Server) {
    let mut pooled = Connection::open(server.http);
    for path in ["/healthy", "/healthy?from=lb"] {
        let ready = pooled.send(&Request::get(path)).expect(200);
        assert_eq!(ready.body, b"{}");
        ready.assert_common_headers();
    }
    let head = server.call(&Request::new("HEAD", "/healthy")).expect(200);
    assert_eq!(head.body, b"");
    for (method, path) in [
        ("GET", "/healthy/"),
        ("GET", "//healthy"),
        ("GET", "/readyz"),
        ("POST", "/healthy"),
        ("DELETE", "/healthy"),
    ] {
        let other = server.call(&Request::new(method, path));
        other.expect_error(404, "M_UNRECOGNIZED");
    }
    server
        .call(&Request::new("OPTIONS", "/healthy"))
        .expect(204);
    server.signal(Signal::SIGTERM);
    eventually("not ready", || {
        let reply = server.call(&Request::get("/healthy"));
        (reply.status == 503).then(|| reply.expect_error(503, "M_UNKNOWN"))
    });
    // Requests that still come are served.
    server.call(&Request::get(UNSTABLE)).expect(200);
    server.signal(Signal::SIGTERM);
    server.ended();
}

// R0.44
#[test]
fn no_host_and_no_limit_matters() {
    let server = Server::start(
        Store::Memory,
        &[
            PATH,
            ("limits.enabled", "true"),
            ("limits.deny.requests", "127.0.0.1"),
            ("auth.homeserver.0.host", "matrix.example.org"),
        ],
    );
    server.call(&Request::get("/unknown")).expect(403);
    let of = |name: &str| server.metrics().sum(name, &[]);
    let counted = || {
        [
            "rendezvous_http_requests_total",
            "rendezvous_rejections_total",
        ]
        .map(of)
    };
    let before = counted();
    let ready = Request::get("/healthy").host("10.0.0.1:8080");
    server.call(&ready).expect(200);
    assert_eq!(counted(), before);
}

/// A load balancer must not send sign-ins to a replica that never reached its store, nor must a stranger
/// read why.
#[test]
fn path_is_not_ready_before_the_store_was_reached() {
    let unreachable = ("store.redis.url", "redis://127.0.0.1:1");
    let server = Server::launch(&[PATH, ("store.backend", "redis"), unreachable]);
    let reply = server.call(&Request::get("/healthy"));
    let reply = reply.expect_error(503, "M_UNKNOWN");
    let page = server.admin_get("/readyz").expect(503);
    assert!(String::from_utf8_lossy(&page.body).contains("the store has not been reached"));
    assert_eq!(reply.text("error"), "This replica is not ready");
}
