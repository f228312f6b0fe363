//! The access log: it shows a sign-in over all replicas, and identifies no client.

use crate::server::{Server, ready_on};
use nix::sys::signal::Signal;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fs;
use testkit::api::{UNSTABLE, at, body};
use testkit::etag::creation;
use testkit::eventually;
use testkit::http::{Connection, Request};
use testkit::redis::RedisServer;
use testkit::server::Store;

const JSON: (&str, &str) = ("telemetry.log_format", "json");

/// The last log lines about requests, once there is this number of them.
fn lines(server: &Server, count: usize) -> Vec<Map<String, Value>> {
    eventually("lines about requests", || {
        let of = |line: &str| {
            let line: Map<String, Value> = serde_json::from_str(line).expect("an object");
            (line["target"] == "access").then_some(line)
        };
        let lines: Vec<_> = server.log().lines().filter_map(of).collect();
        (lines.len() >= count).then_some(lines)
    })
}

#[test]
fn access_line_has_request_and_outcome() {
    let settings = [
        JSON,
        ("telemetry.replica", "worker-7"),
        ("msc4108.enabled", "true"),
    ];
    let server = Server::start(Store::Memory, &settings);
    let session = server.create("x");
    let path = at(&session.id);
    server
        .call(&Request::put(&format!("{path}/t1")).json(&body(&session.token, "y")))
        .expect(200);
    server.call(&Request::get(&path)).expect(200);
    server
        .call(&Request::put(&path).json(&body(&session.token, "z")))
        .expect(409);
    server.call(&creation("x")).expect(201);
    server.call(&Request::get("/of/others")).expect(404);
    let lines = lines(&server, 6);
    let fields = |line: &Map<String, Value>| {
        let named = ["api", "method", "route", "status", "reason"];
        named.map(|name| line.get(name).cloned().unwrap_or_default())
    };
    let expected = json!([
        ["msc4388", "POST", "/rendezvous", 200, null],
        ["msc4388", "PUT", "/rendezvous/{id}/{txnId}", 200, null],
        ["msc4388", "GET", "/rendezvous/{id}", 200, null],
        ["msc4388", "PUT", "/rendezvous/{id}", 409, "conflict"],
        ["msc4108", "POST", "/rendezvous", 201, null],
        ["none", "GET", "other", 404, "unrecognized"],
    ]);
    assert_eq!(
        json!(lines.iter().map(fields).collect::<Vec<_>>()),
        expected
    );
    for line in &lines {
        assert_eq!(line["replica"], "worker-7");
        assert!(line["duration_us"].is_u64(), "{line:?}");
        let known = [
            "timestamp",
            "level",
            "target",
            "message",
            "api",
            "method",
            "route",
            "status",
            "reason",
            "duration_us",
            "session",
            "request_id",
            "replica",
        ];
        let more: Vec<_> = line
            .keys()
            .filter(|key| !known.contains(&key.as_str()))
            .collect();
        assert!(more.is_empty(), "{more:?}");
    }
    let sessions: Vec<_> = lines.iter().map(|line| line.get("session")).collect();
    assert!(sessions[0].is_some_and(Value::is_string), "{lines:?}");
    assert!(sessions[..4].iter().all(|session| *session == sessions[0]));
    assert!(
        sessions[4].is_some() && sessions[4] != sessions[0],
        "{lines:?}"
    );
    assert_eq!(sessions[5], None);
}

/// A sign-in has about 120 of them, which would hide its other lines.
#[test]
fn unchanged_polls_are_logged_at_debug_unless_configured() {
    for (level, log_polls, expected) in [
        ("info", "false", None),
        ("info,access=debug", "false", Some("DEBUG")),
        ("info", "true", Some("INFO")),
        ("info,access=warn", "true", None),
    ] {
        let settings = [
            JSON,
            ("msc4108.enabled", "true"),
            ("telemetry.log_level", level),
            ("telemetry.log_polls", log_polls),
        ];
        let server = Server::start(Store::Memory, &settings);
        let mailbox = server.open_mailbox("x");
        server.call(&mailbox.poll(&mailbox.etag)).expect(304);
        server.call(&mailbox.get()).expect(200);
        server.signal(Signal::SIGTERM);
        // The log is written in order: once this line is there, all earlier ones are.
        let log = eventually("the line of the signal", || {
            Some(server.log()).filter(|log| log.contains("SIGTERM"))
        });
        let parsed = log
            .lines()
            .map(|line| serde_json::from_str(line).expect("an object"));
        let requests = parsed.filter(|line: &Value| line["target"] == "access");
        let of_status = |status: u16| {
            let of_it = requests
                .clone()
                .filter(move |line| line["status"] == status);
            of_it.map(|line| line["level"].clone()).collect::<Vec<_>>()
        };
        let expected: Vec<Value> = expected.map(Value::from).into_iter().collect();
        assert_eq!(of_status(304), expected, "{level}, {log_polls}: {log}");
        let others = usize::from(!level.contains("warn"));
        assert_eq!(of_status(200), vec![Value::from("INFO"); others], "{log}");
    }
}

// R0.37
#[test]
fn request_id_is_equal_in_response_and_log() {
    let server = Server::start(Store::Memory, &[JSON]);
    let mut connection = Connection::open(server.http);
    let brought = Request::get(UNSTABLE).header("X-Request-Id", "proxys-own.1");
    let mut names: Vec<String> = [
        brought.clone(),
        Request::get(UNSTABLE),
        Request::get(UNSTABLE),
    ]
    .iter()
    .map(|request| {
        connection
            .send(request)
            .header("x-request-id")
            .expect("a name")
            .to_owned()
    })
    .collect();
    assert_eq!(names[0], "proxys-own.1");
    let two_words = Request::get(UNSTABLE).header("X-Request-Id", "no name status=200");
    names.push(
        server
            .call(&two_words)
            .header("x-request-id")
            .expect("a name")
            .to_owned(),
    );
    let fields: Vec<_> = lines(&server, 4)
        .iter()
        .map(|line| line["request_id"].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(fields, names);
    let distinct: BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), 4, "{names:?}");
    assert!(!names[3].contains(' '), "{names:?}");
}

// R0.37
#[test]
fn request_id_is_repeated_only_for_a_trusted_proxy() {
    let brought = Request::get(UNSTABLE).header("X-Request-Id", "proxys-own.1");
    let header = b"PROXY TCP4 203.0.113.1 192.0.2.80 4711 443\r\n";
    for (trusted, proxy_protocol, is_repeated) in [
        ("", false, true),
        ("127.0.0.0/8", false, true),
        ("10.0.0.0/8", false, false),
        // Behind the PROXY protocol the client is the one that the header names.
        ("127.0.0.0/8", true, false),
        ("127.0.0.0/8,203.0.113.0/24", true, true),
    ] {
        let settings = [
            ("http.trusted_proxies", trusted),
            ("http.proxy_protocol", &proxy_protocol.to_string()),
        ];
        let server = Server::start(Store::Memory, &settings);
        let mut connection = Connection::open(server.http);
        let header = if proxy_protocol { &header[..] } else { &[] };
        connection.write(&[header, &brought.bytes()].concat());
        let reply = connection.reply().expect(200);
        let id = reply.header("x-request-id").expect("an id");
        assert_eq!(id == "proxys-own.1", is_repeated, "{settings:?}: {reply}");
    }
}

fn session_of(line: &Map<String, Value>) -> String {
    line["session"].as_str().expect("a name").to_owned()
}

/// The logs of two replicas show that it is one sign-in. The log alone does not reveal the session,
/// because the hash is keyed.
#[test]
fn session_pseudonym_is_equal_on_all_replicas() {
    let redis = RedisServer::start();
    let [one, other] = [(); 2].map(|()| ready_on(&redis.url(), &[JSON]));
    let session = one.create("x");
    other.read(&session.id);
    let name = session_of(&lines(&one, 1)[0]);
    assert_eq!(session_of(&lines(&other, 1)[0]), name);
    assert!(!session.id.contains(&name) && name.len() == 12, "{name}");
    let stranger = Server::start(Store::Memory, &[JSON]);
    stranger.call(&Request::get(&at(&session.id))).expect(404);
    assert_ne!(session_of(&lines(&stranger, 1)[0]), name);
}

#[test]
fn replica_name_defaults_to_the_host_name() {
    let server = Server::start(Store::Memory, &[JSON]);
    server.create("x");
    let host = fs::read_to_string("/proc/sys/kernel/hostname").expect("the host's name");
    assert_eq!(lines(&server, 1)[0]["replica"], host.trim());
}
