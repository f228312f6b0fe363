//! What the log says at start: one line about the process and its configuration.

use crate::server::{Server, launch_on};
use serde_json::{Value, json};
use testkit::eventually;
use testkit::redis::RedisServer;

const JSON: (&str, &str) = ("telemetry.log_format", "json");

/// The fields of the line, which there is once.
fn summary(server: &Server) -> Value {
    let lines = eventually("the line", || {
        let parsed = |line: &str| serde_json::from_str(line).expect("an object");
        let log = server.log();
        let lines = log.lines().map(parsed);
        let lines: Vec<Value> = lines
            .filter(|line: &Value| line["message"] == "starting")
            .collect();
        (!lines.is_empty()).then_some(lines)
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["level"], "INFO");
    lines[0].clone()
}

#[track_caller]
fn assert_fields(line: &Value, expected: &Value) {
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&line[name], value, "{name}: {line}");
    }
}

#[test]
fn first_line_has_build_and_configuration() {
    let defaults = Server::launch(&[JSON]);
    let expected = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "mode": "off",
        "dialects": "none",
        "store": "memory",
        "public_base_url": "none",
        "trusted_proxies": "none",
        "limits": "on",
    });
    assert_fields(&summary(&defaults), &expected);
    let log = defaults.log();
    let first = log.lines().next().expect("a line");
    assert!(first.contains("\"starting\""), "{log}");

    let redis = RedisServer::start();
    let settings = [
        JSON,
        ("mode", "authenticated"),
        ("auth.homeserver_url", "http://127.0.0.1:9"),
        ("msc4108.enabled", "true"),
        ("api.stable", "true"),
        ("http.public_base_url", "https://matrix.example.org/"),
        ("http.trusted_proxies", "10.0.0.0/8,127.0.0.1"),
        ("limits.enabled", "false"),
    ];
    let address = redis.url().replace("redis://", "");
    let url = format!("redis://user:hunter2@{address}");
    let line = summary(&launch_on(&url, &settings));
    let host = address.split('/').next().expect("host and port");
    let expected = json!({
        "mode": "authenticated",
        "dialects": "msc4388, v1, msc4108",
        "store": format!("redis {host}"),
        "public_base_url": "https://matrix.example.org",
        "trusted_proxies": "10.0.0.0/8, 127.0.0.1/32",
        "limits": "off",
    });
    assert_fields(&line, &expected);
    assert!(!line.to_string().contains("hunter2"), "{line}");
}

#[test]
fn first_line_names_each_homeserver() {
    let file = crate::cli::file(
        "telemetry.log_format = \"json\"\n\
         [[auth.homeserver]]\nhost = [\"a.example\", \"alias.example\"]\nmode = \"open\"\n\
         public_base_url = \"https://a.example\"\n\
         [[auth.homeserver]]\nhost = \"b.example\"\nmode = \"off\"\n",
    );
    let path = file.path().to_str().expect("a path");
    let server = Server::launch_with_arguments(&["--config", path]);
    let expected = json!({
        "mode": "a.example: open, b.example: off",
        "dialects": "msc4388",
        "public_base_url": "a.example: https://a.example, b.example: none",
    });
    assert_fields(&summary(&server), &expected);
}
