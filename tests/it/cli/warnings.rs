//! Warnings about settings that are valid but probably unintended, from `config check` and at start.

use super::{check, file, run};
use crate::server::Server;
use testkit::api::UNSTABLE;
use testkit::etag::creation;
use testkit::http::Request;

/// An operator who starts the binary without arguments reads why it serves nothing, and how to try it.
#[test]
fn mode_off_names_the_flag_that_tries_the_server() {
    let log = Server::launch(&[]).log();
    let hints = |line: &str| line.contains("mode is off") && line.contains("--mode open");
    assert!(log.lines().any(hints), "{log}");
    let open = check(&[("RENDEZVOUS_MODE", "open")]).expect(0);
    assert!(!open.stderr.contains("--mode open"), "{open:#?}");
    // The hint works.
    let hint = ["--mode", "open", "--set", "msc4108.enabled=true"];
    let server = Server::launch_with_arguments(&hint);
    server.call(&Request::get(UNSTABLE)).expect(200);
    server.call(&creation("x")).expect(201);
}

/// The path of a session's URL begins with `/_matrix`, which a path would precede.
#[test]
fn base_url_with_a_path_is_warned_about() {
    let warning = "public_base_url has a path";
    for (url, warned) in [
        ("https://matrix.example.org", false),
        ("https://matrix.example.org/", false),
        ("https://matrix.example.org:8443", false),
        ("https://matrix.example.org/rendezvous", true),
        ("https://matrix.example.org/_matrix/client/", true),
    ] {
        let only = check(&[("RENDEZVOUS_HTTP__PUBLIC_BASE_URL", url)]).expect(0);
        let key = format!("http.{warning}");
        assert_eq!(only.warns_of(&key), warned, "{url}: {only:#?}");
        let entry = file(&format!(
            "[[auth.homeserver]]\nhost = \"a.example\"\nmode = \"open\"\npublic_base_url = \"{url}\"\n"
        ));
        let path = entry.path().to_str().expect("a path");
        let several = run(&["config", "check", "--config", path], &[]).expect(0);
        let key = format!("auth.homeserver.0.{warning}");
        assert_eq!(several.warns_of(&key), warned, "{url}: {several:#?}");
    }
}

/// To ignore the check does not give an old Redis the commands that it lacks.
#[test]
fn ignored_version_check_is_warned_about() {
    for (ignored, warned) in [
        ("version", true),
        ("acl,version", true),
        ("acl", false),
        ("", false),
    ] {
        let run = check(&[
            ("RENDEZVOUS_STORE__BACKEND", "redis"),
            ("RENDEZVOUS_STORE__REDIS__URL", "redis://127.0.0.1:1/0"),
            ("RENDEZVOUS_STORE__REDIS__IGNORE_CHECKS", ignored),
        ]);
        let run = run.expect(0);
        let warning = "Redis before 7.0 lacks commands";
        assert_eq!(run.warns_of(warning), warned, "{ignored}: {run:#?}");
    }
}

/// A released client asks for the ETag dialect only.
#[test]
fn mode_without_the_etag_dialect_is_warned_about() {
    let (mode, etag) = ("RENDEZVOUS_MODE", "RENDEZVOUS_MSC4108__ENABLED");
    let warning = "msc4108.enabled is false";
    for (variables, warned) in [
        (&[(mode, "open")][..], true),
        (&[(mode, "open"), (etag, "true")], false),
        (&[(mode, "off"), (etag, "true")], false),
        // Then nothing is served, and the warning about that is enough.
        (&[], false),
    ] {
        let run = check(variables).expect(0);
        assert_eq!(run.warns_of(warning), warned, "{variables:?}: {run:#?}");
    }
    let log = Server::launch(&[("mode", "open")]).log();
    let warns = |line: &str| line.contains("WARN") && line.contains(warning);
    assert!(log.lines().any(warns), "{log}");
}
