//! The log: one line per request if enabled, JSON if configured, and no identities.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::Stdio;

use crate::server::{Server, command};
use testkit::api::{UNSTABLE, at, body};
use testkit::eventually;
use testkit::http::{Connection, Request};
use testkit::metrics::Metrics;
use testkit::server::Store;

/// The log lines so far, once there are more than this number.
fn more_than(server: &Server, lines: usize) -> Vec<String> {
    eventually("more lines in the log", || {
        let log: Vec<_> = server.log().lines().map(str::to_owned).collect();
        (log.len() > lines).then_some(log)
    })
}

#[test]
fn each_request_has_one_access_line() {
    let server = Server::start(Store::Memory, &[("telemetry.log_format", "json")]);
    let before = server.log().lines().count();
    server
        .call(&Request::post(UNSTABLE).json(&json!({"data": "x"})))
        .expect(200);
    server.call(&Request::get("/unknown")).expect(404);
    server.call(&Request::get(UNSTABLE)).expect(200);
    let lines = more_than(&server, before + 2);
    let of = |line: &String| {
        let line: Value = serde_json::from_str(line).expect("a line of JSON");
        (
            line["method"].as_str().expect("a method").to_owned(),
            line["status"].as_u64(),
        )
    };
    let seen: Vec<_> = lines[before..].iter().map(of).collect();
    let expected = [("POST", 200), ("GET", 404), ("GET", 200)];
    assert_eq!(
        seen,
        expected.map(|(method, status)| (method.to_owned(), Some(status)))
    );
}

#[test]
fn json_log_format_writes_json_lines() {
    let settings = [("telemetry.log_format", "json"), ("session.ttl", "10s")];
    let server = Server::start(Store::Memory, &settings);
    server.create("x");
    server.signal(nix::sys::signal::Signal::SIGINT);
    server.signal(nix::sys::signal::Signal::SIGINT);
    server.ended();
    for line in server.log().lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(
            line["level"].is_string() && line["timestamp"].is_string(),
            "{line}"
        );
    }
}

#[test]
fn disabled_access_log_writes_no_lines() {
    let server = Server::start(Store::Memory, &[("telemetry.access_log", "false")]);
    let before = server.log();
    server.create("x");
    server.call(&Request::get("/unknown")).expect(404);
    server.signal(nix::sys::signal::Signal::SIGTERM);
    // The next line is that of the signal.
    let lines = more_than(&server, before.lines().count());
    assert!(
        lines[before.lines().count()].contains("SIGTERM"),
        "{lines:?}"
    );
}

/// The log must not allow its reader to join a sign-in, or to identify who signed in.
#[test]
fn log_contains_no_session_client_or_payload() {
    let settings = [
        ("http.trusted_proxies", "127.0.0.1"),
        ("telemetry.log_level", "debug"),
        ("limits.enabled", "true"),
    ];
    for store in [Store::Memory, Store::Redis] {
        let server = Server::start(store, &settings);
        let session = server.create("payload-of-mine");
        let path = format!("{}/txn-of-mine", at(&session.id));
        let before = server.log().lines().count();
        let requests = [
            Request::put(&path).json(&body(&session.token, "payload-of-mine-too")),
            Request::put(&path.replace("-mine", "+mine")).json(&body(&session.token, "x")),
            Request::get("/path/of-mine?query=of-mine"),
            Request::get(UNSTABLE).header("Authorization", "Bearer of-mine"),
            Request::post(UNSTABLE).body("{of-mine"),
            Request::delete(&at(&session.id)),
        ];
        for request in &requests {
            server.call(&request.clone().header("X-Forwarded-For", "203.0.113.77"));
        }
        let log = more_than(&server, before + requests.len() - 1).join("\n");
        for secret in [&*session.id, &*session.token, "of-mine", "203.0.113.77"] {
            assert!(!log.contains(secret), "{secret} stands in\n{log}");
        }
    }
}

/// A collector that hangs, or a stopped terminal: then lines are lost, and no sign-ins.
#[test]
fn unread_log_does_not_block_requests() {
    let mut child = command()
        .env("RENDEZVOUS_MODE", "open")
        .env("RENDEZVOUS_LIMITS__ENABLED", "false")
        .env("RENDEZVOUS_HTTP__LISTEN", "127.0.0.1:0")
        .env("RENDEZVOUS_ADMIN__LISTEN", "127.0.0.1:0")
        .stderr(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let mut log = BufReader::new(child.stderr.take().expect("piped"));
    let mut address = || loop {
        let mut line = String::new();
        log.read_line(&mut line).expect("a line");
        if let Some((_, address)) = line.trim_end().split_once("address=") {
            return address.parse().expect("an address");
        }
    };
    let (http, admin): (SocketAddr, SocketAddr) = (address(), address());
    // From here on nothing reads: a pipe holds 64 KiB, and 10,000 lines wait.
    let mut client = Connection::open(http);
    for _ in 0..12_000 {
        client.send(&Request::get(UNSTABLE)).expect(200);
    }
    let scrape = Connection::open(admin)
        .send(&Request::get("/metrics"))
        .expect(200);
    let metrics = Metrics(String::from_utf8(scrape.body).expect("text"));
    let lost = metrics.sum("rendezvous_log_lines_lost_total", &[]);
    child.kill().expect("it runs");
    child.wait().expect("a child");
    assert!(lost > 0, "{lost}");
}
