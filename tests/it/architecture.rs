//! The picture in `src/lib.rs`, held against the `use` lines: one way down, and nothing hidden.

mod cycles;
mod names;

use crate::repository;

/// The walk of a request, from the top. A module may import what stands below it.
const WALK: [&str; 5] = ["net", "http", "policy", "session", "store"];

/// Anyone may import these; they import only each other.
const LEAVES: [&str; 10] = [
    "model",
    "config",
    "telemetry",
    "clock",
    "tls",
    "http_client",
    "lifecycle",
    "limits",
    "json",
    "file",
];

/// Beside the walk: they may import anything, and nothing imports them.
const BESIDE: [&str; 9] = [
    "main",
    "lib",
    "app",
    "admin",
    "cli",
    "doctor",
    "healthcheck",
    "open_files",
    "startup",
];

/// Crates that belong to one part of the house.
const HOMES: [(&str, &[&str]); 14] = [
    (
        "rustix::",
        &[
            "open_files.rs",
            "healthcheck.rs",
            "net/bind.rs",
            "net/passed_sockets.rs",
            "net/peer_end.rs",
        ],
    ),
    ("sd_notify::", &["app/service_manager.rs"]),
    ("listenfd::", &["net/passed_sockets.rs"]),
    ("fred::", &["store/redis"]),
    ("prometheus::", &["telemetry/metrics", "doctor/watch"]),
    ("governor::", &["limits/keyed_rate"]),
    ("figment::", &["config/sources.rs", "config/toml_file.rs"]),
    ("proxy_header::", &["net/proxy_protocol.rs"]),
    (
        "hyper::",
        &[
            "http",
            "net",
            "policy.rs",
            "policy/admin_access.rs",
            "policy/auth",
            "policy/fetch_metadata.rs",
            "admin",
            "doctor",
            "http_client.rs",
            "telemetry/metrics_push",
            "telemetry/otlp_endpoint.rs",
            "telemetry/traces",
        ],
    ),
    (
        "opentelemetry",
        &["telemetry/metrics_push", "telemetry/traces"],
    ),
    ("prost::", &["telemetry/metrics_push"]),
    // serde's derived code takes an array for a struct.
    ("serde_json::from_", &["json.rs"]),
    // Every file is read up to a bound. The file of a socket is not read.
    (
        "fs::",
        &[
            "file.rs",
            "net/socket_file.rs",
            "app/certificate_renewal/tests.rs",
        ],
    ),
    ("pem_file", &[]),
];

/// Files that may start tasks or threads, and how a panic in those is noticed. Everything else that
/// runs in the background is a `BackgroundTask`, and `app/tasks.rs` starts it.
const SPAWNERS: [(&str, &str); 12] = [
    ("app.rs", "continues in `main`, by `join`"),
    ("app/tasks.rs", "ends the process"),
    ("app/reload.rs", "continues in the reload task, by `join`"),
    (
        "app/certificate_renewal.rs",
        "continues in its task, by `join`",
    ),
    ("app/service_manager.rs", "continues in its task, by `join`"),
    ("net/listener.rs", "ends one connection"),
    ("net/http2.rs", "ends one stream"),
    ("store/redis/supervisor.rs", "continues in its task"),
    (
        "store/redis/survey.rs",
        "is a part of the survey without a result",
    ),
    (
        "store/redis/address.rs",
        "is an address that did not accept",
    ),
    ("store/redis/dial.rs", "is a failed attempt to connect"),
    (
        "telemetry/traces/http_exporter.rs",
        "is a lost batch, counted and logged",
    ),
];

const LONGEST_FILE: usize = 300;

/// Returns the path below `src` and the text of each source file.
pub fn sources() -> Vec<(String, String)> {
    let found = repository::texts(&repository::root().join("src"), "rs");
    assert!(found.len() > 30, "only {} files were found", found.len());
    let named = found.into_iter();
    named
        .map(|(path, text)| (path.display().to_string(), text))
        .collect()
}

/// The top-level module that a file belongs to.
fn module(file: &str) -> &str {
    file.split(['/', '.']).next().expect("a name")
}

/// The top-level modules that a text names by `crate::`.
fn imports(text: &str) -> Vec<&str> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| {
            rest.split(|c: char| !(c.is_alphanumeric() || c == '_'))
                .next()
                .unwrap_or("")
        })
        .collect()
}

fn may_import(from: &str, to: &str) -> bool {
    let place = |module: &str| WALK.iter().position(|step| *step == module);
    if from == to || BESIDE.contains(&from) {
        return true;
    }
    match (place(from), place(to)) {
        (Some(from), Some(to)) => from < to,
        _ => LEAVES.contains(&to),
    }
}

#[test]
fn imports_run_one_way_down() {
    for (file, text) in sources() {
        let from = module(&file);
        let known = WALK.contains(&from) || LEAVES.contains(&from) || BESIDE.contains(&from);
        assert!(known, "{file} belongs to no part of the picture");
        for to in imports(&text) {
            assert!(
                may_import(from, to),
                "{file} imports crate::{to}, against the arrow"
            );
        }
    }
}

#[test]
fn each_crate_has_its_home() {
    for (file, text) in sources() {
        for (name, homes) in HOMES {
            let used = without_tests(&text).lines().any(|line| {
                let line = line.trim_start();
                !line.starts_with("//") && line.contains(name)
            });
            let at_home = homes.iter().any(|home| file.starts_with(home));
            assert!(
                !used || at_home,
                "{file} uses {name}, whose home is {homes:?}"
            );
        }
    }
}

/// The text of a file without its unit tests, which stand at its end.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or("")
}

/// Whether a text starts a task or a thread.
fn starts_tasks(text: &str) -> bool {
    ["spawn(", "spawn_blocking("].iter().any(|call| {
        text.match_indices(call)
            .any(|(at, _)| !is_method_of_app(text, at))
    })
}

/// `self.spawn(name, future)` in `app` adds to the list of tasks and starts nothing.
fn is_method_of_app(text: &str, at: usize) -> bool {
    let before = &text[..at];
    before.ends_with("self.") || before.ends_with("fn ")
}

#[test]
fn background_work_is_started_in_one_place() {
    for (file, text) in sources() {
        if file.ends_with("tests.rs") || SPAWNERS.iter().any(|(name, _)| *name == file) {
            continue;
        }
        assert!(
            !starts_tasks(without_tests(&text)),
            "{file} starts a task; return a BackgroundTask to app in place of that"
        );
    }
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    for (file, text) in sources() {
        assert!(
            text.starts_with("//!"),
            "{file} does not say what it is for"
        );
        assert!(
            text.lines().count() <= LONGEST_FILE,
            "{file} is longer than {LONGEST_FILE} lines"
        );
        assert!(
            !file.ends_with("mod.rs") && !file.contains("util"),
            "{file}: what is it for?"
        );
    }
}

/// The variables that are read while the binary is built.
fn build_variables(text: &str) -> Vec<&str> {
    text.split("env!(\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect()
}

/// Left in the environment of an image, such a variable would be an unknown key, and end the server.
#[test]
fn build_variables_have_no_configuration_prefix() {
    let mut found = 0;
    for (file, text) in sources() {
        for name in build_variables(&text) {
            found += 1;
            assert!(!name.starts_with("RENDEZVOUS_"), "{file} reads {name}");
        }
    }
    assert!(found > 1, "only {found} variables were found");
}

/// A rule that never fires guards nothing.
#[test]
fn architecture_rules_can_fail() {
    assert_eq!(
        imports("use crate::net::x;\nlet a = crate::http::y;"),
        ["net", "http"]
    );
    assert!(!may_import("store", "session"));
    assert!(!may_import("policy", "http"));
    assert!(!may_import("model", "store"));
    assert!(may_import("http", "store"));
    assert!(starts_tasks("tokio::spawn(async {})"));
    assert!(starts_tasks("task::spawn_blocking(|| {})"));
    assert!(!starts_tasks("self.spawn(\"name\", future)"));
    assert_eq!(without_tests("a\n#[cfg(test)]\nspawn()"), "a\n");
    assert_eq!(
        build_variables("env!(\"A\"), option_env!(\"B\")"),
        ["A", "B"]
    );
}
