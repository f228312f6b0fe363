//! Configurations that do not start: each is named by its key and its source, with exit code 64.

use super::{check, file, run};
use crate::harness::server::{Server, Store, variable};

#[test]
fn an_unknown_key_in_a_file_is_named_with_the_file() {
    let texts = [
        ("nonsense = 1\n", "nonsense"),
        ("[session]\nttI = \"300s\"\n", "session.ttI"),
        ("[nonsense]\nttl = \"300s\"\n", "nonsense"),
        ("[limits.create]\nbursts = 1\n", "limits.create.bursts"),
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
fn an_unknown_key_in_the_environment_is_named_with_its_variable() {
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

/// Kubernetes sets these in every pod beside a Service called `rendezvous`, or `rendezvous-http`: who
/// runs into it has made no mistake in the configuration, and finds none there.
#[test]
fn a_service_link_of_kubernetes_is_refused_with_what_to_do() {
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

#[test]
fn an_unknown_key_on_the_command_line_is_named_with_its_flag() {
    let set = ["config", "check", "--set", "session.nonsense=1"];
    run(&set, &[]).expect_refused(&["\nsession.nonsense: unknown key", "--set"]);
}

#[test]
fn a_value_that_is_wrong_is_named_with_key_and_source() {
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
        ("http.trusted_proxies", "10.0.0.0/33"),
        ("http.trusted_proxies", "10.0.0.0/8,nonsense"),
        ("http.max_connections", "0"),
        ("http.header_timeout", "0s"),
        // A proxy's pool would lose requests.
        ("http.idle_timeout", "74s"),
        ("limits.create.burst", "0"),
        ("limits.create.per_second", "0"),
        ("limits.create.per_second", "-1"),
        ("limits.create.per_second", "NaN"),
        ("limits.session.per_second", "inf"),
        ("limits.max_keys", "0"),
        ("store.backend", "nonsense"),
        ("telemetry.log_format", "xml"),
        ("telemetry.log_level", "info,=,"),
        ("shutdown.grace", "soon"),
        // Of a later release.
        ("msc4108.enabled", "true"),
        ("mode", "authenticated"),
    ];
    for (key, value) in wrong {
        let name = variable(key);
        check(&[(&name, value)]).expect_refused(&[key, &name]);
        let set = format!("{key}={value}");
        run(&["config", "check", "--set", &set], &[]).expect_refused(&[key, "--set"]);
    }
}

#[test]
fn a_redis_prefix_with_braces_is_refused() {
    for prefix in ["{a}:", "a{", "}a"] {
        let variables = [
            ("RENDEZVOUS_STORE__BACKEND", "redis"),
            ("RENDEZVOUS_STORE__REDIS__URL", "redis://127.0.0.1:1/0"),
            ("RENDEZVOUS_STORE__REDIS__PREFIX", prefix),
        ];
        check(&variables)
            .expect_refused(&["store.redis.prefix", "RENDEZVOUS_STORE__REDIS__PREFIX"]);
    }
}

/// Neither `config check` nor `serve` takes these settings of `store.redis`, and both say alike why.
#[track_caller]
fn redis_refused(settings: &[(&str, &str)], named: &[&str]) {
    let settings: Vec<_> = [("store.backend", "redis")]
        .iter()
        .chain(settings)
        .map(|(key, value)| (variable(key), *value))
        .collect();
    let settings: Vec<_> = settings
        .iter()
        .map(|(key, value)| (&**key, *value))
        .collect();
    for command in [&["config", "check"][..], &["serve"]] {
        let run = run(command, &settings).expect_refused(named);
        assert!(!run.stderr.contains(PASSWORD), "{run:#?}");
    }
    // On the embedded store nobody asks for them.
    check(&settings[1..]).expect(0);
}

const PASSWORD: &str = "correct-horse";

#[test]
fn a_url_that_no_redis_can_have_is_refused() {
    for url in [
        "",
        "nonsense",
        PASSWORD,
        &format!("redis://user:{PASSWORD}@127.0.0.1:port/0"),
        &format!("redis://user:{PASSWORD}@/0"),
        &format!("redis://user:{PASSWORD}@127.0.0.1:6379/nonsense"),
        &format!("redis://user:{PASSWORD}@127.0.0.1:6379/0/1"),
        // Another scheme would be plain text, with the password in it.
        &format!("http://user:{PASSWORD}@127.0.0.1:6379/0"),
        &format!("redis+tls://user:{PASSWORD}@127.0.0.1:6379/0"),
        &format!("redis-sentinel://127.0.0.1:26379/0?sentinelPassword={PASSWORD}"),
        &format!("redis-cluster://127.0.0.1:7000?node=user:{PASSWORD}@127.0.0.2:7000"),
    ] {
        let named = ["store.redis.url: ", "RENDEZVOUS_STORE__REDIS__URL"];
        redis_refused(&[("store.redis.url", url)], &named);
        let file = file(url);
        let path = file.path().to_str().expect("a path");
        let named = [
            "store.redis.url_file: ",
            "RENDEZVOUS_STORE__REDIS__URL_FILE",
        ];
        redis_refused(&[("store.redis.url_file", path)], &named);
    }
}

#[test]
fn a_file_of_a_secret_that_is_empty_says_so() {
    let file = file(" \n");
    let path = file.path().to_str().expect("a path");
    redis_refused(
        &[("store.redis.url_file", path)],
        &["store.redis.url_file: ", path, "is empty"],
    );
}

#[test]
fn a_file_of_certificates_that_has_none_is_refused() {
    let (empty, key) = (
        file(""),
        file("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    );
    let [empty, key] = [&empty, &key].map(|file| file.path().to_str().expect("a path"));
    for url in ["redis://127.0.0.1:1", "rediss://127.0.0.1:1"] {
        for ca_file in ["not-there.pem", "/", empty, key] {
            redis_refused(
                &[("store.redis.url", url), ("store.redis.ca_file", ca_file)],
                &[
                    "store.redis.ca_file: ",
                    ca_file,
                    "RENDEZVOUS_STORE__REDIS__CA_FILE",
                ],
            );
        }
    }
    let both = [
        ("store.redis.url", "nonsense"),
        ("store.redis.ca_file", "not-there.pem"),
    ];
    redis_refused(&both, &["store.redis.url: ", "store.redis.ca_file: "]);
}

#[test]
fn what_is_not_toml_is_named_with_its_file() {
    let file = file("mode = \"open\"\n[session\n");
    let path = file.path().to_str().expect("a path");
    run(&["config", "check", "--config", path], &[]).expect_refused(&[path]);
}

#[test]
fn every_mistake_is_told_at_once() {
    let run = check(&[
        ("RENDEZVOUS_SESSION__TTL", "1s"),
        ("RENDEZVOUS_SESSION__MAX_LIVE", "0"),
    ]);
    run.expect_refused(&["session.ttl", "session.max_live"]);
}

#[test]
fn the_mode_authenticated_does_not_start_yet_and_says_so() {
    for serve in [
        &["serve", "--mode", "authenticated"][..],
        &["--mode", "authenticated"],
    ] {
        run(serve, &[]).expect_refused(&["mode", "authenticated", "not available"]);
    }
}

#[test]
fn a_life_outside_ten_seconds_to_an_hour_does_not_start() {
    for ttl in ["0s", "9s", "9999ms", "3601s", "2h"] {
        let variables = [("RENDEZVOUS_SESSION__TTL", ttl)];
        check(&variables).expect_refused(&["session.ttl", "RENDEZVOUS_SESSION__TTL"]);
        run(&["serve"], &variables).expect_refused(&["session.ttl"]);
    }
}

#[test]
fn a_life_outside_two_to_five_minutes_starts_with_a_warning() {
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
