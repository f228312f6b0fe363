//! The access log under a flood: served requests have a line each, rejected requests and preflights
//! have a budget, and the log says how many lines it left out.

use crate::server::Server;
use nix::sys::signal::Signal;
use serde_json::Value;
use testkit::api::UNSTABLE;
use testkit::eventually;
use testkit::http::{Connection, Request};
use testkit::server::Store;

const SETTINGS: [(&str, &str); 2] = [
    ("telemetry.log_format", "json"),
    ("http.trusted_proxies", "127.0.0.1"),
];

/// More than a client's burst of 100 lines and what it gets while this test runs.
const FLOOD: u64 = 3000;

/// Sends `count` of these requests on one connection.
fn send(server: &Server, client: &str, request: &Request, status: u16, count: u64) {
    let request = request.clone().header("X-Forwarded-For", client);
    let mut connection = Connection::open(server.http);
    for _ in 0..count {
        connection.send(&request).expect(status);
    }
}

/// The lines with the target `access`, once the server ended: all lines are written then.
fn access_lines(server: &Server) -> Vec<Value> {
    server.signal(Signal::SIGINT);
    server.signal(Signal::SIGINT);
    server.ended();
    let log = server.log();
    let lines = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    lines
        .filter(|line: &Value| line["target"] == "access")
        .collect()
}

fn omitted(server: &Server) -> u64 {
    let name = "rendezvous_access_log_lines_omitted_total";
    server.metrics().sum(name, &[])
}

/// Floods a server with requests, of which one address gets few lines.
#[track_caller]
fn assert_lines_are_bounded(requests: &[(u16, Request)]) {
    let server = Server::start(Store::Memory, &SETTINGS);
    for (status, request) in requests {
        send(&server, "203.0.113.1", request, *status, FLOOD);
    }
    let sent = FLOOD * requests.len() as u64;
    let counted = server.metrics().sum("rendezvous_http_requests_total", &[]);
    assert_eq!(counted, sent, "sampling hides nothing from the metrics");
    let omitted = omitted(&server);
    let lines = access_lines(&server);
    let (sums, lines): (Vec<_>, Vec<_>) = lines.iter().partition(|line| !line["omitted"].is_null());
    assert!(lines.len() as u64 * 5 < sent, "{} lines", lines.len());
    assert_eq!(lines.len() as u64 + omitted, sent);
    // At most one line a second says so, and together they name all.
    let named: u64 = sums
        .iter()
        .filter_map(|line| line["omitted"].as_u64())
        .sum();
    assert_eq!(named, omitted, "{sums:?}");
    assert!(sums.len() < 60, "{sums:?}");
}

// R0.14
#[test]
fn preflight_flood_writes_few_access_lines() {
    assert_lines_are_bounded(&[(204, Request::options(UNSTABLE))]);
}

#[test]
fn rejection_flood_writes_few_access_lines() {
    assert_lines_are_bounded(&[
        (404, Request::get("/unknown")),
        (405, Request::delete(UNSTABLE)),
    ]);
}

#[test]
fn omitted_lines_are_reported_while_the_server_runs() {
    let server = Server::start(Store::Memory, &SETTINGS);
    send(
        &server,
        "203.0.113.1",
        &Request::get("/unknown"),
        404,
        FLOOD,
    );
    eventually("a line that says how many were left out", || {
        server.log().contains("\"omitted\":").then_some(())
    });
}

#[test]
fn flood_leaves_the_lines_of_others() {
    let server = Server::start(Store::Memory, &SETTINGS);
    send(&server, "203.0.113.1", &Request::options("/"), 204, FLOOD);
    // Served requests are not sampled, not even those of the flooding client.
    send(&server, "203.0.113.1", &Request::get(UNSTABLE), 200, 500);
    // One that shares a bucket with the first, by a chance of 1 in 16,384, does not share the next.
    for client in ["203.0.113.2", "203.0.113.3"] {
        send(&server, client, &Request::get("/unknown"), 404, 1);
    }
    let lines = access_lines(&server);
    let with_status = |status: u16| lines.iter().filter(|line| line["status"] == status).count();
    assert_eq!(with_status(200), 500);
    assert!(with_status(404) > 0, "{}", lines.len());
}

#[test]
fn log_without_omitted_lines_reports_none() {
    let server = Server::start(Store::Memory, &SETTINGS);
    send(&server, "203.0.113.1", &Request::get(UNSTABLE), 200, 1);
    let lines = access_lines(&server);
    assert!(
        lines.iter().all(|line| line["omitted"].is_null()),
        "{lines:?}"
    );
}
