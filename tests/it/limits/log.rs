//! Rejections in the log: a sample with pseudonyms.

use super::{CREATES, TRUSTED, start};
use crate::server::{Server, ready_on};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::api::UNSTABLE;
use testkit::eventually;
use testkit::http::{Connection, Request};
use testkit::redis::RedisServer;

const CLIENT: &str = "203.0.113.77";

fn create_from(server: &Server, client: &str) -> u16 {
    let create = Request::post(UNSTABLE).json(&json!({"data": "x"}));
    server
        .call(&create.header("X-Forwarded-For", client))
        .status
}

/// Creates until a creation is rejected.
fn is_rejected(server: &Server, client: &str) {
    assert!((0..10).any(|_| create_from(server, client) == 429));
}

/// The client pseudonyms in the log lines about rejections, once there are any.
fn logged_clients(server: &Server) -> BTreeSet<String> {
    eventually("a line about a refusal", || {
        let names = logged_clients_so_far(server);
        (!names.is_empty()).then_some(names)
    })
}

fn logged_clients_so_far(server: &Server) -> BTreeSet<String> {
    let of = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("a line of JSON");
        (line["target"] == "refused").then(|| {
            assert_eq!(line["reason"], "create_client", "{line}");
            assert!(
                line["request_id"].is_string() && line["replica"].is_string(),
                "{line}"
            );
            line["client"].as_str().expect("a name").to_owned()
        })
    };
    server.log().lines().filter_map(of).collect()
}

#[test]
fn rejection_flood_logs_few_lines_without_addresses() {
    let server = start(&CREATES, &[TRUSTED]);
    is_rejected(&server, CLIENT);
    let flood = 300;
    for _ in 0..flood {
        assert_eq!(create_from(&server, CLIENT), 429);
    }
    // A thousand client errors are not an attack and cause no lines here.
    server.call(&Request::get("/unknown")).expect(404);
    eventually("a line about a refusal", || {
        server.log().contains("refused").then_some(())
    });
    // The log is written in order: once this line is there, all earlier ones are.
    server.signal(Signal::SIGTERM);
    server.ended();
    let log = server.log();
    let lines = log.lines().count();
    assert!(lines * 5 < flood, "{lines} lines for {flood} refusals");
    assert!(!log.contains(CLIENT), "{log}");
    let of_unknown: Vec<_> = log
        .lines()
        .filter(|line| line.contains("unrecognized"))
        .collect();
    assert!(
        matches!(of_unknown[..], [line] if line.contains("access") && line.contains("status=404")),
        "the access log has it: {log}"
    );
}

/// An operator whose load balancer meets closed connections must be able to find the reason.
#[test]
fn refused_connections_are_logged_by_sample() {
    let server = start(
        &[
            ("limits.enabled", "true"),
            ("http.max_connections_per_client", "1"),
        ],
        &[],
    );
    let mut connection = Connection::open(server.http);
    connection.send(&Request::get(UNSTABLE)).expect(200);
    let flood = 100;
    for _ in 0..flood {
        assert_eq!(Connection::open(server.http).read_to_close(), b"");
    }
    eventually("a line about a connection", || {
        server.log().contains("reason=\"per_client\"").then_some(())
    });
    let lines = server.log().matches("per_client").count();
    assert!(lines * 5 < flood, "{lines} lines for {flood} connections");
}

/// Many limited clients mean an attack or a limit that is too strict; one client means neither.
#[test]
fn limited_clients_are_counted_once_each() {
    let server = start(&CREATES, &[TRUSTED]);
    let refused = || server.metrics().sum("rendezvous_limited_clients", &[]);
    server.call(&Request::get("/unknown")).expect(404);
    assert_eq!(refused(), 0);
    for (count, client) in (1..).zip(["203.0.113.77", "203.0.113.78"]) {
        is_rejected(&server, client);
        is_rejected(&server, client);
        assert_eq!(refused(), count);
    }
}

/// The logs of two replicas show that it is one client.
#[test]
fn client_pseudonym_is_equal_on_all_replicas() {
    let redis = RedisServer::start();
    let settings = [&CREATES[..], &[TRUSTED, ("telemetry.log_format", "json")]].concat();
    let [one, other] = [(); 2].map(|()| ready_on(&redis.url(), &settings));
    for worker in [&one, &other] {
        is_rejected(worker, CLIENT);
    }
    let names = logged_clients(&one);
    assert_eq!(names.len(), 1, "{}", one.log());
    assert_eq!(names, logged_clients(&other));
    let third = ready_on(&redis.url(), &settings);
    is_rejected(&third, "203.0.113.78");
    assert_ne!(names, logged_clients(&third));
}
