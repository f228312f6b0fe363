//! The command line: the output and the exit code of each command.
//!
//! Exit codes: 0; 1 for "no" or a crash; 64 for invalid configuration or usage. Configuration
//! sources are in `cli/sources.rs`, rejected configurations in `cli/invalid_config.rs`, homeservers
//! in `cli/homeservers.rs`, Redis in `cli/redis.rs`, man pages and completions in
//! `cli/reference.rs`, the doctor in `cli/doctor.rs`, warnings in `cli/warnings.rs`.

mod doctor;
mod empty_values;
mod files;
mod homeservers;
mod invalid_config;
mod listen;
mod redis;
mod reference;
mod sources;
mod tls;
mod warnings;

use std::io::Read;
use std::process::Stdio;

use nix::sys::signal::Signal;

use crate::server::{Server, command};
use testkit::api::UNSTABLE;
use testkit::eventually;
use testkit::http::Request;
use testkit::server::Store;

/// The result of one run of the binary.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    #[track_caller]
    fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Expects exit code 64 and a message that contains all of these.
    #[track_caller]
    fn expect_refused(self, named: &[&str]) -> Self {
        let run = self.expect(64);
        for name in named {
            assert!(run.stderr.contains(name), "{name} is not named: {run:#?}");
        }
        run
    }

    /// Whether the output warns about this key.
    fn warns_of(&self, key: &str) -> bool {
        let line = |line: &str| line.to_lowercase().contains("warn") && line.contains(key);
        self.stderr.lines().any(line)
    }
}

/// Runs the binary to its end with these arguments and environment variables.
#[track_caller]
pub fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Run {
    let mut command = command();
    command.args(arguments).envs(variables.iter().copied());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let text = |output: Option<&mut dyn Read>| {
        let mut text = String::new();
        output
            .expect("piped")
            .read_to_string(&mut text)
            .expect("text");
        text
    };
    // Its output fits into a pipe, so it ends without a reader.
    let waited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        eventually("the command ends", || child.try_wait().expect("a child"))
    }));
    if waited.is_err() {
        let _ = child.kill();
    }
    let status = waited.unwrap_or_else(|_| child.wait().expect("a child"));
    let stdout = text(child.stdout.as_mut().map(|output| output as &mut dyn Read));
    let stderr = text(child.stderr.as_mut().map(|output| output as &mut dyn Read));
    Run {
        code: status.code(),
        stdout,
        stderr,
    }
}

fn check(variables: &[(&str, &str)]) -> Run {
    run(&["config", "check"], variables)
}

/// The output of `config print` as TOML.
#[track_caller]
fn print(arguments: &[&str], variables: &[(&str, &str)]) -> toml::Table {
    let run = run(&[&["config", "print"], arguments].concat(), variables).expect(0);
    run.stdout
        .parse()
        .unwrap_or_else(|error| panic!("no TOML ({error}): {run:#?}"))
}

#[test]
fn help_and_version_exit_0() {
    let help = run(&["--help"], &[]).expect(0);
    for command in ["serve", "config", "doctor", "healthcheck"] {
        assert!(
            help.stdout.contains(command),
            "{command} is not in {help:#?}"
        );
    }
    let version = run(&["--version"], &[]).expect(0);
    assert!(
        version.stdout.contains(env!("CARGO_PKG_VERSION")),
        "{version:#?}"
    );
}

/// Each default in the help is the default that `config print` shows.
#[test]
fn help_names_modes_defaults_exit_codes_and_documentation() {
    let help = run(&["--help"], &[]).expect(0).stdout;
    let printed = print(&[], &[]);
    for default in [
        &printed["mode"],
        &printed["http"]["listen"],
        &printed["admin"]["listen"],
    ] {
        let text = format!("[default: {}]", default.as_str().expect("text"));
        assert!(help.contains(&text), "{text} is not in {help}");
    }
    for text in ["off", "authenticated", "open"] {
        let mode = format!("{text} (");
        assert!(help.contains(&mode), "{mode} is not in {help}");
    }
    for text in [
        "\n  0 ",
        "\n  1 ",
        "\n  2 ",
        "\n  64 ",
        "docs/configuration.md",
    ] {
        assert!(help.contains(text), "{text:?} is not in {help}");
    }
    let serve = run(&["serve", "--help"], &[]).expect(0).stdout;
    for flag in ["--config", "--mode", "--listen", "--admin-listen", "--set"] {
        assert!(serve.contains(flag), "{flag} is not in {serve}");
    }
}

#[test]
fn invalid_arguments_are_a_usage_error() {
    let usages: [&[&str]; 10] = [
        &["nonsense"],
        &["--nonsense"],
        &["serve", "--nonsense"],
        &["config"],
        &["config", "nonsense"],
        &["serve", "--mode"],
        &["serve", "extra"],
        &["serve", "--set", "session.ttl"],
        &["serve", "--set", "=120s"],
        &["healthcheck", "extra"],
    ];
    for usage in usages {
        let run = run(usage, &[]).expect(64);
        assert!(!run.stderr.is_empty(), "{usage:?}: {run:#?}");
        assert_eq!(run.stdout, "", "{usage:?}");
    }
}

#[test]
fn defaults_are_valid() {
    check(&[]).expect(0);
}

#[test]
fn printed_defaults_are_a_valid_configuration() {
    let printed = run(&["config", "print"], &[]).expect(0).stdout;
    let file = file(&printed);
    let path = file.path().to_str().expect("a path");
    run(&["config", "check", "--config", path], &[]).expect(0);
    assert_eq!(
        run(&["config", "print", "--config", path], &[])
            .expect(0)
            .stdout,
        printed
    );
}

#[test]
fn suspicious_settings_are_warned_about() {
    for (key, value, warning) in [
        ("http.trusted_proxies", "0.0.0.0/0", "contains a /0 range"),
        (
            "http.trusted_proxies",
            "10.0.0.0/8,::/0",
            "contains a /0 range",
        ),
        (
            "limits.live.client",
            "80",
            "sign-ins run behind one address",
        ),
        (
            "limits.requests.client.per_second",
            "99",
            "sign-ins run behind one address",
        ),
    ] {
        let name = testkit::server::variable(key);
        let run = check(&[(&name, value)]).expect(0);
        assert!(run.stderr.contains(warning), "{key}={value}: {run:#?}");
    }
    let defaults = check(&[]).expect(0);
    for warning in ["contains a /0 range", "sign-ins run behind one address"] {
        assert!(!defaults.stderr.contains(warning), "{defaults:#?}");
    }
}

/// A configuration file with this content, deleted when the value is dropped.
pub fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("a file");
    file
}

#[test]
fn serve_is_the_default_command() {
    let server = Server::start(Store::Memory, &[]);
    server.raw(&Request::get(UNSTABLE)).expect(200);
}

#[test]
fn port_in_use_exits_with_1() {
    let server = Server::start(Store::Memory, &[]);
    for (taken, free) in [("HTTP", "ADMIN"), ("ADMIN", "HTTP")] {
        let address = if taken == "HTTP" {
            server.http
        } else {
            server.admin
        }
        .to_string();
        let [taken, free] = [taken, free].map(|listener| format!("RENDEZVOUS_{listener}__LISTEN"));
        let run = run(&["serve"], &[(&taken, &address), (&free, "127.0.0.1:0")]).expect(1);
        assert!(run.stderr.contains(&address), "{run:#?}");
    }
}

/// Tokio would panic.
#[test]
fn empty_number_of_worker_threads_is_unset() {
    let name = "TOKIO_WORKER_THREADS";
    for wrong in ["0", "x", "-1"] {
        let refused = run(&["serve"], &[(name, wrong)]).expect(1);
        assert!(refused.stderr.contains(name), "{refused:#?}");
    }
    // It comes as far as the listener.
    let server = Server::start(Store::Memory, &[]);
    let address = server.http.to_string();
    let run = run(
        &["serve"],
        &[(name, ""), ("RENDEZVOUS_HTTP__LISTEN", &address)],
    )
    .expect(1);
    assert!(run.stderr.contains(&address), "{run:#?}");
}

/// What a terminal would interpret is escaped, wherever it came from.
#[test]
fn arguments_and_values_are_printed_without_escapes() {
    let hostile = "\u{1b}[31m\u{202e}x\u{9b}";
    let refused = run(&[hostile], &[]).expect(64);
    let set = format!("auth.introspection.client_id={hostile}");
    let endpoint = "auth.introspection.endpoint=https://as.example/introspect";
    let secret = "auth.introspection.client_secret=secret";
    let sets = ["--set", &set, "--set", endpoint, "--set", secret];
    let printed = run(&[&["config", "print"], &sets[..]].concat(), &[]).expect(0);
    assert!(printed.stdout.contains("\\u202e"), "{printed:#?}");
    for output in [&refused.stderr, &printed.stdout] {
        let is_printable = |c: char| c == '\n' || !c.is_control() && c != '\u{202e}';
        assert!(output.chars().all(is_printable), "{output:?}");
    }
    assert!(refused.stderr.contains("\\u202e"), "{refused:#?}");
}

fn healthcheck(admin: &str) -> Run {
    run(&["healthcheck"], &[("RENDEZVOUS_ADMIN__LISTEN", admin)])
}

#[test]
fn healthcheck_reports_readiness() {
    let server = Server::start(Store::Memory, &[("shutdown.grace", "300s")]);
    let admin = server.admin.to_string();
    healthcheck(&admin).expect(0);
    run(&["healthcheck", "--admin-listen", &admin], &[]).expect(0);
    server.signal(Signal::SIGTERM);
    eventually("not ready", || {
        (server.admin_get("/readyz").status == 503).then_some(())
    });
    let not_ready = healthcheck(&admin).expect(1).stderr;
    drop(server);
    let unreachable = healthcheck(&admin).expect(1).stderr;
    let address = format!("http://{admin}/readyz (admin.listen): ");
    for (text, reason) in [
        (not_ready, "not ready: shutting down"),
        (unreachable, "Connection refused"),
    ] {
        assert!(text.contains(&format!("{address}{reason}")), "{text}");
    }
}

#[test]
fn healthcheck_of_a_wildcard_address_uses_loopback() {
    let server = Server::start(Store::Memory, &[("admin.listen", "0.0.0.0:0")]);
    healthcheck(&format!("0.0.0.0:{}", server.admin.port())).expect(0);
}

#[test]
fn misconfigured_healthcheck_exits_with_64() {
    healthcheck("nonsense").expect(64);
}
