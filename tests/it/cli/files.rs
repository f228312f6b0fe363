//! Files that the configuration names: regular, at most 1 MiB, and a configuration with keys.

use super::{check, file, run};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::path::PathBuf;
use testkit::certificates::Certificates;
use testkit::server::variable;

/// A file of `length` bytes.
fn long(length: u64) -> tempfile::NamedTempFile {
    let file = file("");
    file.as_file().set_len(length).expect("a length");
    file
}

/// The files that keys name, each with the settings that make this process read it.
fn file_keys(certificates: &Certificates) -> Vec<(&'static str, Vec<(&'static str, String)>)> {
    let redis = |url: &str| {
        vec![
            ("store.backend", "redis".to_owned()),
            ("store.redis.url", url.to_owned()),
        ]
    };
    let with = |mut settings: Vec<_>, key, value: String| {
        settings.push((key, value));
        settings
    };
    let path = |path: PathBuf| path.to_str().expect("a path").to_owned();
    let homeserver = ("auth.homeserver_url", "http://127.0.0.1:1".to_owned());
    let endpoint = (
        "auth.introspection.endpoint",
        "http://127.0.0.1:1".to_owned(),
    );
    let collector = |key| (key, "http://127.0.0.1:1".to_owned());
    let sentinel = "redis-sentinel://127.0.0.1:1/0?sentinelServiceName=m";
    let cert = ("http.tls_cert_file", path(certificates.cert_file()));
    let key = ("http.tls_key_file", path(certificates.key_file()));
    vec![
        ("http.tls_cert_file", vec![key]),
        ("http.tls_key_file", vec![cert]),
        ("auth.ca_file", vec![homeserver]),
        ("admin.token_file", vec![]),
        ("auth.introspection.client_secret_file", vec![endpoint]),
        (
            "telemetry.traces.ca_file",
            vec![collector("telemetry.traces.endpoint")],
        ),
        (
            "telemetry.metrics.ca_file",
            vec![collector("telemetry.metrics.endpoint")],
        ),
        ("store.redis.url_file", redis("")),
        ("store.redis.password_file", redis("redis://127.0.0.1:1")),
        ("store.redis.sentinel_password_file", redis(sentinel)),
        ("store.redis.ca_file", redis("rediss://127.0.0.1:1")),
        (
            "store.redis.cert_file",
            with(
                redis("rediss://127.0.0.1:1"),
                "store.redis.key_file",
                path(certificates.key_file()),
            ),
        ),
        (
            "store.redis.key_file",
            with(
                redis("rediss://127.0.0.1:1"),
                "store.redis.cert_file",
                path(certificates.client_cert_file()),
            ),
        ),
    ]
}

/// A device without end would fill the memory, and a FIFO without a writer would block the start.
#[test]
fn endless_or_special_file_is_refused_by_every_key() {
    let certificates = Certificates::make();
    let directory = tempfile::tempdir().expect("a directory");
    let fifo = directory.path().join("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).expect("a FIFO");
    let fifo = fifo.to_str().expect("a path");
    let (long, empty) = (long(1024 * 1024 + 1), file(""));
    let [long, empty] = [&long, &empty].map(|file| file.path().to_str().expect("a path"));
    let keys = file_keys(&certificates);
    let optional = matrix_rendezvous::config::optional_keys::OPTIONAL_KEYS;
    let named = optional.iter().filter(|key| key.ends_with("_file"));
    assert_eq!(named.count(), keys.len(), "a key is missing in this test");
    for (key, settings) in keys {
        for (path, reason) in [
            ("/dev/zero", "is not a regular file"),
            (fifo, "is not a regular file"),
            (long, "is longer than 1 MiB"),
            (empty, ""),
        ] {
            let mut variables: Vec<(String, &str)> = settings
                .iter()
                .map(|(key, value)| (variable(key), value.as_str()))
                .collect();
            variables.push((variable(key), path));
            let variables: Vec<_> = variables
                .iter()
                .map(|(name, value)| (name.as_str(), *value))
                .collect();
            check(&variables).expect_refused(&[&format!("{key}: "), path, reason]);
        }
    }
}

#[test]
fn special_or_endless_config_file_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let fifo = directory.path().join("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).expect("a FIFO");
    let fifo = fifo.to_str().expect("a path");
    let long = long(1024 * 1024 + 1);
    let long = long.path().to_str().expect("a path");
    for (path, reason) in [
        ("/dev/zero", "is not a regular file"),
        ("/dev/null", "is not a regular file"),
        (fifo, "is not a regular file"),
        (long, "is longer than 1 MiB"),
    ] {
        run(&["config", "check", "--config", path], &[]).expect_refused(&[path, reason]);
    }
}

/// Kubernetes mounts a `ConfigMap` or a Secret as symbolic links.
#[test]
fn symbolic_link_to_a_file_is_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let target = file("maintenance = true\n");
    let link = directory.path().join("link.toml");
    std::os::unix::fs::symlink(target.path(), &link).expect("a link");
    let path = link.to_str().expect("a path");
    let printed = super::print(&["--config", path], &[]);
    assert_eq!(printed["maintenance"].as_bool(), Some(true));
}

/// Editors truncate a file before they write it.
#[test]
fn config_file_without_a_key_is_refused() {
    for text in [
        "",
        " \n\n",
        "# maintenance = true\n",
        "[limits.deny]\n[http]\n",
    ] {
        let file = file(text);
        let path = file.path().to_str().expect("a path");
        for command in [&["config", "check"][..], &["serve"]] {
            run(&[command, &["--config", path]].concat(), &[])
                .expect_refused(&[path, "contains no key"]);
        }
    }
}
