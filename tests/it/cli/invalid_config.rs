//! Configurations that do not start: each error names the key and the source, with exit code 64.

use super::{check, file, run};
use crate::server::{Server, command};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use testkit::server::{Store, variable};

#[test]
fn unknown_key_in_file_is_reported_with_its_file() {
    let texts = [
        ("nonsense = 1\n", "nonsense"),
        ("[session]\nttI = \"300s\"\n", "session.ttI"),
        ("[nonsense]\nttl = \"300s\"\n", "nonsense"),
        (
            "[limits.create.client]\nbursts = 1\n",
            "limits.create.client.bursts",
        ),
        ("[store.redis]\npassword = \"x\"\n", "store.redis.password"),
    ];
    for (text, key) in texts {
        let file = file(text);
        let path = file.path().to_str().expect("a path");
        let line = format!("\n{key}: unknown key");
        for command in [&["config", "check"][..], &["config", "print"], &["serve"]] {
            run(&[command, &["--config", path]].concat(), &[]).expect_refused(&[&line, path]);
        }
    }
}

#[test]
fn unknown_key_in_environment_names_the_variable() {
    for name in [
        "RENDEZVOUS_NONSENSE",
        "RENDEZVOUS_SESSION__NONSENSE",
        "RENDEZVOUS_SESSION_TTL",
        "RENDEZVOUS_NONSENSE__TTL",
    ] {
        let refused = check(&[(name, "x")]).expect_refused(&[name]);
        assert!(!refused.stderr.contains("Kubernetes"), "{refused:#?}");
        run(&["serve"], &[(name, "x")]).expect_refused(&[name]);
    }
}

/// Kubernetes sets these variables in every pod next to a Service named `rendezvous` or
/// `rendezvous-http`. The operator's configuration contains no error, so the message must explain
/// it.
#[test]
fn kubernetes_service_link_is_rejected_with_a_hint() {
    for (name, value) in [
        ("RENDEZVOUS_SERVICE_HOST", "10.0.0.1"),
        ("RENDEZVOUS_SERVICE_PORT", "80"),
        ("RENDEZVOUS_SERVICE_PORT_HTTP", "80"),
        ("RENDEZVOUS_PORT", "tcp://10.0.0.1:80"),
        ("RENDEZVOUS_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("RENDEZVOUS_PORT_80_TCP_PROTO", "tcp"),
        ("RENDEZVOUS_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("RENDEZVOUS_HTTP_SERVICE_HOST", "10.0.0.1"),
        ("RENDEZVOUS_HTTP_SERVICE_PORT", "80"),
        ("RENDEZVOUS_HTTP_PORT_80_TCP_PORT", "80"),
        ("RENDEZVOUS_X", "tcp://10.0.0.1:80"),
        ("RENDEZVOUS_X", "udp://10.0.0.1:80"),
    ] {
        let named = [name, "unknown key", "enableServiceLinks: false"];
        for command in [&["config", "check"][..], &["serve"]] {
            run(command, &[(name, value)]).expect_refused(&named);
        }
    }
}

/// The variable must not be ignored: `RENDEZVOUS_MODE=…` in a wrong encoding would then mean `off`.
#[test]
fn non_utf8_variable_is_reported_by_name() {
    let text = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
    for (name, value) in [
        (text(b"RENDEZVOUS_MODE"), text(b"op\xe9n")),
        (
            text(b"RENDEZVOUS_STORE__REDIS__URL"),
            text(b"correct-horse\xff"),
        ),
        (text(b"RENDEZVOUS_NAME\xff"), text(b"x")),
    ] {
        for arguments in [&["config", "check"][..], &["serve"]] {
            let mut command = command();
            command.args(arguments).env(&name, &value);
            let output = command.output().expect("the binary starts");
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(64), "{name:?}: {said}");
            assert!(said.contains(&*name.to_string_lossy()), "{name:?}: {said}");
            assert!(said.contains("UTF-8"), "{name:?}: {said}");
            assert!(!said.contains("correct-horse"), "{said}");
        }
    }
    // Other programs' variables are ignored, and a path need not be UTF-8.
    let mut others = command();
    others.args(["config", "check"]).env("LANG", text(b"\xff"));
    assert!(others.output().expect("the binary starts").status.success());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(text(b"\xff.toml"));
    std::fs::write(&path, "mode = \"open\"\n").expect("a file");
    let mut named = command();
    named
        .args(["config", "check"])
        .env("RENDEZVOUS_CONFIG", &path);
    assert!(named.output().expect("the binary starts").status.success());
}

#[test]
fn unknown_key_on_command_line_names_the_flag() {
    let set = ["config", "check", "--set", "session.nonsense=1"];
    run(&set, &[]).expect_refused(&["\nsession.nonsense: unknown key", "--set"]);
}

#[test]
fn renamed_key_is_rejected_with_its_new_name() {
    let (old, new) = ("store.redis.accept", "store.redis.ignore_checks");
    let expected = format!("\n{old}: unknown key, it was renamed to {new} (from ");
    let file = file("[store.redis]\naccept = [\"memory\"]\n");
    let path = file.path().to_str().expect("a path");
    let name = variable(old);
    for command in [&["config", "check"][..], &["config", "print"], &["serve"]] {
        run(&[command, &["--config", path]].concat(), &[]).expect_refused(&[&expected, path]);
        run(command, &[(&name, "memory")]).expect_refused(&[&expected, &name]);
        let set = format!("{old}=memory");
        run(&[command, &["--set", &set]].concat(), &[]).expect_refused(&[&expected, "--set"]);
    }
}

#[test]
fn wrong_value_is_reported_with_key_and_source() {
    let wrong = [
        ("mode", "nonsense"),
        ("mode", ""),
        ("http.listen", "nonsense"),
        ("http.listen", "127.0.0.1"),
        ("admin.listen", "localhost:port"),
        ("api.stable", "perhaps"),
        ("session.ttl", "300"),
        ("session.ttl", "nonsense"),
        ("session.max_live", "-1"),
        ("session.max_live", "0"),
        ("session.max_live", "many"),
        ("session.max_txn_ids", "0"),
        ("msc4108.long_poll.window", "31s"),
        ("msc4108.long_poll.timeout", "11s"),
        ("msc4108.long_poll.max_waiting", "1000001"),
        ("http.trusted_proxies", "10.0.0.0/33"),
        ("http.trusted_proxies", "10.0.0.0/8,nonsense"),
        ("http.forwarded_header", ""),
        ("http.forwarded_header", "X Forwarded For"),
        ("http.forwarded_header", "X-Forwarded-For:"),
        ("http.forwarded_header", "X-Forwarded-For\u{e4}"),
        ("http.max_connections", "0"),
        ("http.max_connections", "1000001"),
        ("http.max_connections_per_client", "0"),
        ("http.max_connections_per_client", "1000001"),
        ("http.header_timeout", "0s"),
        // The PROXY protocol without a trusted proxy that may send it.
        ("http.proxy_protocol", "true"),
        // A proxy's connection pool would lose requests.
        ("http.idle_timeout", "74s"),
        ("http.readiness_path", "readyz"),
        ("http.readiness_path", "/"),
        ("http.readiness_path", "//readyz"),
        ("http.readiness_path", "/ready?z"),
        ("http.readiness_path", "/_matrix/client/versions"),
        ("http.public_base_url", "matrix.example.org"),
        ("http.public_base_url", "ftp://matrix.example.org"),
        ("http.public_base_url", "https://matrix.example.org/?a=b"),
        ("http.public_base_url", "https://matrix.example.org/#a"),
        ("http.public_base_url", "https://user@matrix.example.org"),
        ("limits.create.client.burst", "0"),
        // The bucket needs more than a day to refill; in nanoseconds the number overflows.
        ("limits.create.client.burst", "50000"),
        ("limits.create.user.burst", "4294967295"),
        ("session.max_live", "100000001"),
        ("limits.create.client.per_second", "0"),
        ("limits.create.client.per_second", "-1"),
        ("limits.create.client.per_second", "NaN"),
        ("limits.requests.client.per_second", "inf"),
        // A fraction of session.max_live, and not a number of sessions.
        ("limits.live.ipv4_24", "0"),
        ("limits.live.ipv4_16", "1.1"),
        ("limits.live.ipv6_40", "500"),
        ("limits.live.ipv6_32", "NaN"),
        ("limits.max_keys", "0"),
        ("limits.max_keys", "10000001"),
        ("store.backend", "nonsense"),
        ("telemetry.log_format", "xml"),
        ("telemetry.log_level", "info,=,"),
        // The library reads these as targets, and turns everything else off.
        ("telemetry.log_level", "warning"),
        ("telemetry.log_level", ""),
        ("telemetry.log_level", "fred=debug"),
        ("telemetry.replica", "worker 7"),
        ("telemetry.traces.endpoint", "otel-collector:4318"),
        ("telemetry.traces.sample", "1.1"),
        ("telemetry.traces.sample", "-0.1"),
        ("telemetry.traces.sample", "NaN"),
        ("telemetry.metrics.endpoint", "otel-collector:4318"),
        ("telemetry.metrics.interval", "999ms"),
        ("telemetry.metrics.interval", "61m"),
        ("shutdown.grace", "soon"),
        ("shutdown.grace", "25h"),
        ("admin.listen", "127.0.0.1:8080"),
        // Without a token verifier.
        ("mode", "authenticated"),
        ("auth.homeserver_url", "matrix.example.org"),
        ("auth.homeserver_url", "ftp://matrix.example.org"),
        ("auth.homeserver_url", "https://user@matrix.example.org"),
        ("auth.introspection.endpoint", "https://auth.example.org/?x"),
    ];
    for (key, value) in wrong {
        let name = variable(key);
        check(&[(&name, value)]).expect_refused(&[key, &name]);
        let set = format!("{key}={value}");
        run(&["config", "check", "--set", &set], &[]).expect_refused(&[key, "--set"]);
    }
}

#[test]
fn invalid_toml_is_reported_with_its_file() {
    let file = file("mode = \"open\"\n[session\n");
    let path = file.path().to_str().expect("a path");
    run(&["config", "check", "--config", path], &[]).expect_refused(&[path]);
}

#[test]
fn all_errors_are_reported_at_once() {
    let run = check(&[
        ("RENDEZVOUS_SESSION__TTL", "1s"),
        ("RENDEZVOUS_SESSION__MAX_LIVE", "0"),
    ]);
    run.expect_refused(&["session.ttl", "session.max_live"]);
}

// R0.23
#[test]
fn ttl_outside_10s_to_1h_is_rejected() {
    for ttl in ["0s", "9s", "9999ms", "3601s", "2h"] {
        let variables = [("RENDEZVOUS_SESSION__TTL", ttl)];
        check(&variables).expect_refused(&["session.ttl", "RENDEZVOUS_SESSION__TTL"]);
        run(&["serve"], &variables).expect_refused(&["session.ttl"]);
    }
}

// R0.23
#[test]
fn ttl_outside_2_to_5_minutes_is_warned_about() {
    for (ttl, warned) in [
        ("10s", true),
        ("119s", true),
        ("120s", false),
        ("2m", false),
        ("300s", false),
        ("301s", true),
        ("3600s", true),
    ] {
        let run = check(&[("RENDEZVOUS_SESSION__TTL", ttl)]).expect(0);
        assert_eq!(run.warns_of("session.ttl"), warned, "{ttl}: {run:#?}");
        let server = Server::start(Store::Memory, &[("session.ttl", ttl)]);
        let log = server.log();
        let line = |line: &str| line.contains("WARN") && line.contains("session.ttl");
        assert_eq!(log.lines().any(line), warned, "{ttl}: {log}");
        assert!(server.create("hello").expires_in_ms <= 3_600_000);
    }
}

#[test]
fn ca_file_without_certificates_is_reported() {
    for section in ["traces", "metrics"] {
        let variable = |key| format!("RENDEZVOUS_TELEMETRY__{}__{key}", section.to_uppercase());
        let (url, file) = (variable("ENDPOINT"), variable("CA_FILE"));
        let named = [(&*url, "https://collector/v1"), (&*file, "/nonexistent")];
        check(&named).expect_refused(&[&format!("telemetry.{section}.ca_file: /nonexistent: ")]);
    }
}

/// serde's derived code takes an array for a section, and its elements for the keys in order.
#[test]
fn section_written_as_a_list_is_rejected() {
    for (text, key) in [
        ("shutdown = [\"5s\", \"20s\"]\n", "shutdown: "),
        (
            "limits.create.client = [5, 1.0]\n",
            "limits.create.client: ",
        ),
        ("auth.introspection = []\n", "auth.introspection: "),
        ("store.redis = 1\n", "store.redis: "),
        ("http = \"127.0.0.1:1\"\n", "http: "),
        ("[[shutdown]]\ngrace = \"5s\"\n", "shutdown: "),
    ] {
        let file = file(text);
        let path = file.path().to_str().expect("a path");
        let refused = run(&["config", "check", "--config", path], &[]);
        refused.expect_refused(&[key, "expected a section", path]);
    }
}
