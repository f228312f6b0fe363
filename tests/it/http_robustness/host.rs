//! `Host` of HTTP/1.1: exactly one, or the request is rejected before anything else is looked at.

use super::start;
use crate::server::Server;
use testkit::api::UNSTABLE;
use testkit::etag::ETAG;
use testkit::http::{Connection, Reply};

/// Sends a request with these lines in place of its `Host`.
fn send(server: &Server, method: &str, path: &str, version: &str, lines: &str) -> Reply {
    let mut connection = Connection::open(server.http);
    let body = r#"{"data":"x"}"#;
    let length = body.len();
    let head = format!("{method} {path} HTTP/{version}\r\n{lines}Content-Length: {length}\r\n\r\n");
    connection.write(&[head.as_bytes(), body.as_bytes()].concat());
    connection.reply()
}

const TWO: &str = "Host: a.example\r\nHost: b.example\r\n";
const TWICE_THE_SAME: &str = "Host: a.example\r\nHost: a.example\r\n";

// R0.36
#[test]
fn http_1_1_needs_exactly_one_host() {
    let server = start(&[("msc4108.enabled", "true")]);
    let requests = [
        ("GET", UNSTABLE),
        ("POST", UNSTABLE),
        ("PUT", UNSTABLE),
        ("OPTIONS", UNSTABLE),
        ("GET", "/unknown"),
        ("GET", "http://c.example/unknown"),
        ("POST", ETAG),
    ];
    for (method, path) in requests {
        for lines in ["", TWO, TWICE_THE_SAME] {
            let reply = send(&server, method, path, "1.1", lines);
            reply.assert_common_headers();
            reply.expect_error(400, "M_UNKNOWN");
        }
    }
    let metrics = server.metrics();
    let reason = [("reason", "invalid_host")];
    let rejected = metrics.sum("rendezvous_rejections_total", &reason);
    assert_eq!(rejected, 3 * requests.len() as u64);
    assert_eq!(metrics.sum("rendezvous_sessions_created_total", &[]), 0);
}

// R0.36
#[test]
fn single_host_may_be_any_and_http_1_0_needs_none() {
    let server = start(&[]);
    for (version, lines) in [
        ("1.1", "Host: a.example\r\n"),
        ("1.1", "Host:\r\n"),
        ("1.0", ""),
    ] {
        send(&server, "POST", UNSTABLE, version, lines).expect(200);
    }
}
