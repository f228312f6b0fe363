//! Requests that no handler receives: unknown path, wrong method, a dialect that is off, a wrong `Host`.
//! They are charged like requests on sessions. A preflight is never rejected.

use super::{CALLS, TRUSTED, start};
use crate::server::Server;
use testkit::api::{UNSTABLE, at};
use testkit::etag::ETAG;
use testkit::http::{Connection, Reply, Request};

const STABLE: &str = "/_matrix/client/v1/rendezvous";

fn from(server: &Server, client: &str, request: &Request) -> Reply {
    server.call(&request.clone().header("X-Forwarded-For", client))
}

fn rejections(server: &Server, reason: &str) -> u64 {
    let labels = [("reason", reason)];
    server.metrics().sum("rendezvous_rejections_total", &labels)
}

/// Each kind, with its status while the client has an allowance. The ETag dialect and the stable prefix
/// are off.
fn one_of_each() -> Vec<(u16, Request)> {
    vec![
        (404, Request::get("/unknown")),
        (404, Request::post("/")),
        (404, Request::new("BREW", "/unknown")),
        (404, Request::put(&format!("{UNSTABLE}/a/b/c"))),
        (405, Request::delete(UNSTABLE)),
        (405, Request::post(&at("some-session"))),
        (405, Request::new("BREW", UNSTABLE)),
        (404, Request::post(ETAG)),
        (404, Request::get(&format!("{ETAG}/some-session"))),
        (404, Request::get(STABLE)),
        (400, Request::get(UNSTABLE).header("Host", "second.example")),
    ]
}

// R0.41
#[test]
fn unrouted_requests_are_charged_to_the_client() {
    for (status, request) in one_of_each() {
        let server = start(&CALLS, &[TRUSTED]);
        for _ in 0..4 {
            let reply = from(&server, "203.0.113.1", &request);
            assert_eq!(reply.status, status, "{request:?}: {reply}");
        }
        let rejected = from(&server, "203.0.113.1", &request);
        rejected.expect_error(429, "M_LIMIT_EXCEEDED");
        from(&server, "203.0.113.2", &request).expect(status);
        assert_eq!(rejections(&server, "requests_client"), 1, "{request:?}");
    }
}

// R0.41
#[test]
fn unrouted_requests_share_the_rate_of_requests() {
    let server = start(&CALLS, &[TRUSTED]);
    let session = Request::get(&at(&server.create("x").id));
    for _ in 0..2 {
        from(&server, "203.0.113.1", &Request::get("/unknown")).expect(404);
        from(&server, "203.0.113.1", &session).expect(200);
    }
    for request in [&session, &Request::get("/unknown")] {
        let rejected = from(&server, "203.0.113.1", request);
        rejected.expect_error(429, "M_LIMIT_EXCEEDED");
    }
}

// R0.41
#[test]
fn unrouted_requests_are_charged_to_the_network() {
    let settings = [
        ("limits.enabled", "true"),
        ("limits.requests.network.burst", "3"),
        ("limits.requests.network.per_second", "0.001"),
    ];
    let server = start(&settings, &[TRUSTED]);
    let unknown = Request::get("/unknown");
    for subnet in 0..3 {
        from(&server, &format!("2001:db8:1:{subnet}::1"), &unknown).expect(404);
    }
    from(&server, "2001:db8:1:77::1", &unknown).expect_error(429, "M_LIMIT_EXCEEDED");
    from(&server, "2001:db8:2::1", &unknown).expect(404);
}

// R0.32, R0.41
#[test]
fn unrouted_requests_of_a_denied_address_get_403() {
    let server = start(&[("limits.deny.requests", "203.0.113.1")], &[TRUSTED]);
    for (status, request) in one_of_each() {
        from(&server, "203.0.113.1", &request).expect_error(403, "M_FORBIDDEN");
        from(&server, "203.0.113.2", &request).expect(status);
    }
    assert_eq!(
        rejections(&server, "deny_requests"),
        one_of_each().len() as u64
    );
}

// R0.14, R0.41
#[test]
fn preflights_are_neither_charged_nor_rejected() {
    let denied = [
        ("limits.deny.requests", "203.0.113.9"),
        ("limits.deny.create", "203.0.113.9"),
    ];
    let server = start(&[&CALLS[..], &denied].concat(), &[TRUSTED]);
    let session = at(&server.create("x").id);
    let paths = [UNSTABLE, ETAG, STABLE, "/unknown", &session];
    for client in ["203.0.113.1", "203.0.113.9"] {
        for path in [paths; 10].concat() {
            from(&server, client, &Request::options(path)).expect(204);
        }
    }
    // The allowance of four is still full. Once it is used up, preflights still pass.
    for _ in 0..4 {
        from(&server, "203.0.113.1", &Request::get("/unknown")).expect(404);
    }
    from(&server, "203.0.113.1", &Request::get("/unknown")).expect(429);
    for path in paths {
        from(&server, "203.0.113.1", &Request::options(path)).expect(204);
    }
}

/// A 429 must not wait for a body that no handler reads.
// R0.41
#[test]
fn rejected_unrouted_request_does_not_await_its_body() {
    let server = start(
        &[&CALLS[..], &[("http.body_timeout", "300s")]].concat(),
        &[],
    );
    for _ in 0..4 {
        server.call(&Request::get("/unknown")).expect(404);
    }
    let mut connection = Connection::open(server.http);
    connection.write(b"PUT /unknown HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf");
    let reply = connection.reply();
    assert_eq!(reply.status, 429, "{reply}");
    assert!(reply.says_close(), "{reply}");
}
