//! Invalid settings of `store.redis`: rejected before anything runs, by `config check` and by
//! `serve`, without printing a password.

use super::{check, file, run};
use testkit::certificates::Certificates;
use testkit::server::variable;

#[test]
fn redis_prefix_with_braces_is_rejected() {
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

/// `config check` and `serve` both reject these settings of `store.redis`, with the same message.
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
    // With the memory store these settings are not used.
    check(&settings[1..]).expect(0);
}

const PASSWORD: &str = "correct-horse";

#[test]
fn invalid_redis_url_is_rejected() {
    for url in [
        " ",
        "nonsense",
        PASSWORD,
        &format!("redis://user:{PASSWORD}@127.0.0.1:port/0"),
        &format!("redis://user:{PASSWORD}@/0"),
        &format!("redis://user:{PASSWORD}@127.0.0.1:6379/nonsense"),
        &format!("redis://user:{PASSWORD}@127.0.0.1:6379/0/1"),
        // Another scheme would send the password in plain text.
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
fn password_that_needs_encoding_is_named_as_the_reason() {
    for url in [
        format!("redis://:{PASSWORD}/@127.0.0.1:6379/0"),
        format!("redis://user:12/{PASSWORD}@127.0.0.1:6379/0"),
        format!("redis://user:12#{PASSWORD}@127.0.0.1:6379/0"),
        format!("redis://user:%FF{PASSWORD}@127.0.0.1:6379/0"),
    ] {
        let named = [
            "store.redis.url: ",
            "percent-encode",
            "store.redis.password_file",
        ];
        redis_refused(&[("store.redis.url", &url)], &named);
    }
}

#[test]
fn empty_secret_file_is_reported() {
    let file = file(" \n");
    let path = file.path().to_str().expect("a path");
    redis_refused(
        &[("store.redis.url_file", path)],
        &["store.redis.url_file: ", path, "is empty"],
    );
}

#[test]
fn redis_ca_file_without_certificates_is_rejected() {
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
fn client_certificate_that_does_not_fit_its_key_is_rejected() {
    let certificates = Certificates::make();
    let (cert, key) = (certificates.client_cert_file(), certificates.key_file());
    let settings = [
        ("store.redis.url", "rediss://127.0.0.1:1"),
        ("store.redis.cert_file", cert.to_str().expect("UTF-8")),
        ("store.redis.key_file", key.to_str().expect("UTF-8")),
    ];
    let named = ["store.redis.cert_file: ", "the client certificate"];
    redis_refused(&settings, &named);
}

#[test]
fn unused_password_is_rejected() {
    let held = file(PASSWORD);
    let path = held.path().to_str().expect("a path");
    let with = format!("redis://user:{PASSWORD}@127.0.0.1:1/0");
    let sentinels = "redis-sentinel://127.0.0.1:1/0?sentinelServiceName=m";
    let with_theirs = format!("{sentinels}&sentinelPassword={PASSWORD}");
    let (ours, theirs) = (
        "store.redis.password_file",
        "store.redis.sentinel_password_file",
    );
    for (key, url, file, reason) in [
        (ours, &*with, path, "keep one"),
        (theirs, &*with_theirs, path, "keep one"),
        (theirs, "redis://127.0.0.1:1/0", path, "of Sentinels"),
        (ours, "redis://127.0.0.1:1/0", "not-there", "not-there"),
        (theirs, sentinels, "not-there", "not-there"),
    ] {
        let named = [&format!("{key}: "), reason];
        redis_refused(&[("store.redis.url", url), (key, file)], &named);
    }
}

const BACKEND: [(&str, &str); 2] = [
    ("RENDEZVOUS_STORE__BACKEND", "redis"),
    ("RENDEZVOUS_STORE__REDIS__URL", "redis://127.0.0.1:1/0"),
];

/// Otherwise the request timeout would end a wait.
// R0.3
#[test]
fn wait_must_fit_into_the_request_timeout() {
    let url = ("store.redis.url", "redis://127.0.0.1:1/0");
    let key = "store.redis.retry_timeout: ";
    // By default 8s for the wait and 10s for the body.
    for settings in [
        [url, ("http.request_timeout", "19999ms")],
        [url, ("http.body_timeout", "20001ms")],
        [url, ("store.redis.retry_timeout", "10001ms")],
    ] {
        redis_refused(&settings, &[key]);
    }
    redis_refused(
        &[url, ("store.redis.max_waiting", "0")],
        &["store.redis.max_waiting: "],
    );
    for variables in [
        [("RENDEZVOUS_HTTP__REQUEST_TIMEOUT", "20s"); 2],
        [("RENDEZVOUS_STORE__REDIS__RETRY_TIMEOUT", "10s"); 2],
        [
            ("RENDEZVOUS_HTTP__REQUEST_TIMEOUT", "1s"),
            ("RENDEZVOUS_STORE__REDIS__RETRY_TIMEOUT", "0s"),
        ],
    ] {
        check(&[BACKEND, variables].concat()).expect(0);
    }
}

// R0.3
#[test]
fn wait_longer_than_the_drain_is_warned_about() {
    for (drain, warned) in [("7999ms", true), ("8s", false)] {
        let drain = [("RENDEZVOUS_SHUTDOWN__DRAIN", drain)];
        let run = check(&[&BACKEND[..], &drain].concat()).expect(0);
        let warns = run.warns_of("store.redis.retry_timeout");
        assert_eq!(warns, warned, "{drain:?}: {run:#?}");
        let in_memory = check(&drain).expect(0);
        assert!(!in_memory.warns_of("store.redis.retry_timeout"));
    }
}
