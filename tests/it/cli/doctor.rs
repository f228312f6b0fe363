//! `matrix-rendezvous doctor`: its options, exit codes and reports. `tests/interop/doctor/run` has the
//! deployments with faults.

mod conformance;
mod findings;
mod inside;
mod redis_layouts;
mod watch;

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use testkit::certificates::Certificates;
use testkit::homeserver::{HomeserverStub, TokenReply};
use testkit::server::Store;

use super::run;
use crate::repository;
use crate::server::Server;

/// A service that the doctor can check whole, without the wait of a held read.
fn service() -> Server {
    service_with(&[])
}

/// As [`service`], with more settings.
fn service_with(settings: &[(&str, &str)]) -> Server {
    let whole = [
        ("mode", "open"),
        ("msc4108.enabled", "true"),
        ("msc4108.long_poll.timeout", "0s"),
    ];
    Server::start(Store::Memory, &[&whole, settings].concat())
}

/// The address of a stub.
fn address_of(stub: &HomeserverStub) -> SocketAddr {
    let url = stub.url();
    url.trim_start_matches("http://")
        .parse()
        .expect("an address")
}

fn url_of(server: &Server) -> String {
    format!("http://{}", server.http)
}

/// Runs the doctor with `--format json`, and returns its report.
#[track_caller]
fn report(arguments: &[&str], code: i32) -> Value {
    let run = run(&[&["doctor", "--format", "json"], arguments].concat(), &[]).expect(code);
    assert_eq!(run.stderr, "", "{run:#?}");
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {run:#?}"))
}

#[track_caller]
fn check<'a>(report: &'a Value, id: &str) -> &'a Value {
    let checks = report["checks"].as_array().expect("checks");
    let found = checks.iter().find(|check| check["id"] == id);
    found.unwrap_or_else(|| panic!("{id} is not in {report:#}"))
}

#[track_caller]
fn assert_status(report: &Value, id: &str, status: &str) {
    let check = check(report, id);
    assert_eq!(check["status"], status, "{check:#}");
}

#[test]
fn doctor_of_the_service_itself_passes_and_leaves_no_session() {
    let server = service();
    let report = report(&[&url_of(&server)], 0);
    // The homeserver is elsewhere, and a test has no certificate. There is no configuration either.
    let expected = |id: &str| match id {
        "configuration" | "redis-connection" | "redis-write" | "redis-fit" | "redis-memory"
        | "redis-clock" | "token-verifier" | "replicas-ready" | "replicas-alike"
        | "trusted-proxies" | "certificate" | "steady-polls" | "kept-connection" | "well-known"
        | "well-known-cors" | "versions" | "device-grant" | "device-endpoint" | "link-page" => {
            "skip"
        }
        "session-url" => "warn",
        _ => "pass",
    };
    for check in report["checks"].as_array().expect("checks") {
        let id = check["id"].as_str().expect("an id");
        assert_eq!(check["status"], expected(id), "{check:#}");
    }
    assert_eq!(report["status"], "warn");
    let metrics = server.metrics();
    assert_eq!(metrics.sum("rendezvous_sessions_created_total", &[]), 2);
    assert_eq!(metrics.sum("rendezvous_sessions_deleted_total", &[]), 2);
}

#[test]
fn warning_is_a_failure_with_strict() {
    let server = service();
    let strict = report(&["--strict", &url_of(&server)], 1);
    assert_eq!(strict["status"], "warn");
}

#[test]
fn doctor_with_read_only_creates_no_session() {
    let server = service();
    let report = report(&["--read-only", &url_of(&server)], 0);
    assert_status(&report, "create", "skip");
    assert_status(&report, "read", "skip");
    assert_status(&report, "route-msc4108", "pass");
    let metrics = server.metrics();
    assert_eq!(metrics.sum("rendezvous_sessions_created_total", &[]), 0);
}

#[test]
fn doctor_connects_to_the_address_of_resolve() {
    let server = service();
    let resolve = format!("matrix.example.org:80:{}", server.http);
    let report = report(&["--resolve", &resolve, "http://matrix.example.org"], 0);
    assert_status(&report, "delete", "pass");
    let evidence = &check(&report, "create")["evidence"][0];
    assert_eq!(evidence["address"], server.http.to_string());
}

/// The name is misspelt: without the warning, the report is about another machine.
#[test]
fn unused_resolve_is_a_warning_on_standard_error() {
    let server = service();
    let url = url_of(&server);
    let misspelt = format!("matrix.exmple.org:80:{}", server.http);
    let used = format!("127.0.0.1:{}:127.0.0.1", server.http.port());
    let other_port = format!("127.0.0.1:1:{}", server.http);
    let arguments = [
        "doctor",
        "--read-only",
        "--resolve",
        &misspelt,
        "--resolve",
        &used,
        "--resolve",
        &other_port,
        &url,
    ];
    let run = run(&arguments, &[]).expect(0);
    let warnings: Vec<_> = run.stderr.lines().collect();
    let expected = |entry: &str| {
        format!(
            "warning: --resolve {entry} had no effect: no request was to that host and port; the \
             requests were to {}",
            server.http
        )
    };
    assert_eq!(warnings, [expected(&misspelt), expected(&other_port)]);
}

/// Runs the doctor on a server, and returns what it says about the connection, and what to do.
#[track_caller]
fn connect_error(arguments: &[&str]) -> (String, String) {
    let report = report(arguments, 1);
    assert_status(&report, "versions", "fail");
    let check = check(&report, "versions");
    let text = |name: &str| check[name].as_str().expect("text").to_owned();
    (text("what"), text("do"))
}

#[test]
fn certificate_error_is_in_words_and_says_what_to_do() {
    let certificates = Certificates::make();
    let homeserver = HomeserverStub::start_tls(&certificates);
    let url = homeserver.url();
    let (what, action) = connect_error(&[&url]);
    assert!(what.contains("is not signed by an authority"), "{what}");
    assert!(!what.contains("UnknownIssuer"), "{what}");
    assert!(action.contains("--ca-file"), "{action}");

    let ca_file = certificates.ca_file();
    let ca_file = ca_file.to_str().expect("UTF-8");
    let address = url.strip_prefix("https://").expect("a URL with TLS");
    let resolve = format!("other.example:443:{address}");
    let arguments = ["--ca-file", ca_file, "--resolve", &resolve];
    let (what, _) = connect_error(&[&arguments, &["https://other.example"][..]].concat());
    let names = "the certificate is for another name: 127.0.0.1, localhost";
    assert!(what.ends_with(names), "{what}");
}

#[test]
fn https_to_a_port_without_tls_is_named() {
    let server = service();
    let (what, _) = connect_error(&[&format!("https://{}", server.http)]);
    assert!(what.ends_with("the port does not speak TLS"), "{what}");
}

#[test]
fn checks_of_the_report_are_those_of_the_document() {
    let server = service();
    let report = report(&[&url_of(&server)], 0);
    let checks = report["checks"].as_array().expect("checks");
    let ids: Vec<_> = checks.iter().map(|check| &check["id"]).collect();
    let document = repository::root().join("docs/doctor.md");
    let document = std::fs::read_to_string(document).expect("the document");
    let chapter = between(&document, "\n## Checks\n", "\n## ");
    let headings: Vec<_> = chapter
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    assert_eq!(json!(ids), json!(headings));
    for check in checks {
        let section = format!("docs/doctor.md#{}", check["id"].as_str().expect("an id"));
        assert_eq!(check["document"], section);
    }
}

/// The page that makes the checks in a browser.
fn page() -> String {
    std::fs::read_to_string(repository::root().join("docs/check.html")).expect("the page")
}

/// The text between two marks of the page.
fn between<'a>(page: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = page.split_once(start).expect(start);
    rest.split_once(end).expect(end).0
}

#[test]
fn page_has_the_ids_and_the_words_of_the_command() {
    let server = service();
    let report = report(&[&url_of(&server)], 0);
    let checks = report["checks"].as_array().expect("checks");
    let ids: Vec<_> = checks.iter().map(|check| &check["id"]).collect();
    let page = page();
    let data = between(
        &page,
        "<script type=\"application/json\" id=\"words\">",
        "</script>",
    );
    let data: Value = serde_json::from_str(data).expect("JSON");
    assert_eq!(data["checks"], json!(ids));
    for id in data["not_in_a_browser"].as_array().expect("a list") {
        assert!(ids.contains(&id), "{id} is no check");
    }
    // The literals of the command, in one line each.
    let sources = repository::texts(&repository::root().join("src/doctor"), "rs");
    let joined = sources.iter().flat_map(|(_, text)| {
        let pieces = text.split("\\\n").enumerate();
        pieces.map(|(at, piece)| if at == 0 { piece } else { piece.trim_start() })
    });
    let joined = joined.collect::<String>().replace("\\\"", "\"");
    let words = data["words"].as_object().expect("a map");
    assert!(words.len() > 50, "{} texts", words.len());
    for (name, text) in words {
        let text = text.as_str().expect("text");
        assert!(joined.contains(text), "{name} is not in src/doctor: {text}");
        let uses = page.matches(&format!("WORDS.{name}")).count();
        assert!(uses > 0, "the page does not use {name}");
    }
}

/// A browser runs neither the script nor the style of the page if the hash is another one.
#[test]
fn page_has_the_hashes_of_its_script_and_style() {
    let page = page();
    for (directive, start, end) in [
        ("script-src", "<script>", "</script>"),
        ("style-src", "<style>", "</style>"),
    ] {
        let hash = Sha256::digest(between(&page, start, end));
        let expected = format!("{directive} 'sha256-{}';", STANDARD.encode(hash));
        assert!(page.contains(&expected), "the page needs: {expected}");
    }
}

/// Checks the members of an object against `properties` and `required` of a schema.
#[track_caller]
fn assert_members(object: &Value, schema: &Value) {
    let members: BTreeSet<_> = object.as_object().expect("an object").keys().collect();
    let known: BTreeSet<_> = schema["properties"]
        .as_object()
        .expect("a map")
        .keys()
        .collect();
    assert!(members.is_subset(&known), "{object:#} has unknown members");
    for required in schema["required"].as_array().expect("a list") {
        let required = required.as_str().expect("a name").to_owned();
        assert!(members.contains(&required), "{object:#} lacks {required}");
    }
}

#[test]
fn json_report_has_the_members_of_its_schema() {
    let schema = repository::root().join("docs/doctor.schema.json");
    let schema = std::fs::read_to_string(schema).expect("the schema");
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    let server = service();
    let unreachable = TcpListener::bind("127.0.0.1:0").expect("a port");
    let closed = unreachable.local_addr().expect("an address");
    drop(unreachable);
    for report in [
        report(&[&url_of(&server)], 0),
        report(&[&format!("http://{closed}")], 1),
    ] {
        assert_members(&report, &schema);
        for check in report["checks"].as_array().expect("a list") {
            assert_members(check, &schema["$defs"]["check"]);
            for evidence in check["evidence"].as_array().expect("a list") {
                assert_members(evidence, &schema["$defs"]["evidence"]);
            }
        }
    }
}

#[test]
fn report_shows_header_fields_and_no_payload() {
    let server = service();
    let report = report(&[&url_of(&server)], 0);
    let evidence = &check(&report, "read")["evidence"][0];
    assert_eq!(evidence["status"], 200);
    assert_eq!(evidence["address"], server.http.to_string());
    let content_type = json!(["content-type", "text/plain"]);
    let headers = evidence["headers"].as_array().expect("a list");
    assert!(headers.contains(&content_type), "{evidence:#}");
    assert!(
        !report.to_string().contains("doctor, message"),
        "{report:#}"
    );
}

#[test]
fn invalid_target_or_option_is_a_usage_error() {
    for (arguments, named) in [
        (&["example.org/path"][..], "expected a server name"),
        (
            &["--resolve", "a.example:443", "a.example"],
            "HOST:PORT:ADDRESS",
        ),
        (&["--ipv4", "--ipv6", "a.example"], "--ipv6"),
        (&["--format", "xml", "a.example"], "json"),
        (&["--timeout", "soon", "a.example"], "--timeout"),
        (&[], "--config FILE"),
        (
            &["--replica", "10.0.0.7", "a.example"],
            "http://10.0.0.7:8081",
        ),
    ] {
        run(&[&["doctor"], arguments].concat(), &[]).expect_refused(&[named]);
    }
    let invalid = [("RENDEZVOUS_MODE", "nonsense")];
    run(&["doctor"], &invalid).expect_refused(&["cannot be used", "RENDEZVOUS_MODE"]);
}

/// A user who gives an option expects an effect.
#[test]
fn option_without_effect_is_a_usage_error() {
    let conformance = |option: &[&'static str]| [&["--conformance"], option].concat();
    let other = [
        &["--replica", "http://127.0.0.1:1"][..],
        &["--long"],
        &["--read-only"],
        &["--watch", "10s"],
        &["--strict"],
        &["--config", "/not/there"],
        &["--mode", "open"],
        &["--listen", "127.0.0.1:1"],
        &["--admin-listen", "127.0.0.1:1"],
        &["--set", "mode=open"],
    ];
    let mut combinations: Vec<_> = other.into_iter().map(conformance).collect();
    combinations.extend([
        vec!["--metrics-listen", "127.0.0.1:1"],
        vec!["--strict", "--watch", "10s"],
        vec!["--long", "--read-only"],
    ]);
    for options in combinations {
        let arguments = [&["doctor"], &*options, &["http://127.0.0.1:1"]].concat();
        let run = run(&arguments, &[]).expect(64);
        let named = [
            "cannot be used with",
            "required arguments were not provided",
        ];
        let is_of_usage = named.iter().any(|words| run.stderr.contains(words));
        assert!(is_of_usage, "{options:?}: {run:#?}");
    }
}

#[test]
fn doctor_that_cannot_look_exits_with_2() {
    let run = run(&["doctor", "--ca-file", "/not/there", "a.example"], &[]).expect(2);
    assert!(run.stderr.contains("--ca-file /not/there"), "{run:#?}");
    assert_eq!(run.stdout, "");
}

#[test]
fn doctor_without_server_checks_the_configured_base_url() {
    let server = service();
    let url = url_of(&server);
    let variables = [("RENDEZVOUS_HTTP__PUBLIC_BASE_URL", url.as_str())];
    let run = run(&["doctor", "--read-only"], &variables).expect(0);
    assert!(run.stdout.contains(&url), "{run:#?}");
}

/// Each wait of the doctor ends, and each response has a bound.
#[test]
fn homeserver_that_misbehaves_fails_its_checks() {
    let homeserver = HomeserverStub::start();
    let url = homeserver.url();
    let loops = TokenReply::Redirect(format!("{url}/again"));
    for (reply, found) in [
        (TokenReply::Hang, "sent no response within 200ms"),
        (TokenReply::Close, "the connection to 127.0.0.1 broke"),
        (TokenReply::Endless(1 << 20), "is longer than 256 KiB"),
        (loops, "redirects more than 5 times"),
        (
            TokenReply::Body(200, "[]".to_owned()),
            "expected 200 with JSON of a homeserver",
        ),
    ] {
        homeserver.set_default_reply(Some(reply));
        let report = report(&["--timeout", "200ms", &url], 1);
        assert_status(&report, "versions", "fail");
        let what = check(&report, "versions")["what"].as_str().expect("text");
        assert!(what.contains(found), "{what}");
    }
}

#[test]
fn text_of_another_party_is_printed_in_one_line() {
    let homeserver = HomeserverStub::start();
    let error = json!({"errcode": "M_UNKNOWN", "error": "\u{1b}[2J\nFAIL none\u{202e}"});
    homeserver.set_default_reply(Some(TokenReply::json(500, &error)));
    let run = run(&["doctor", &homeserver.url()], &[]).expect(1);
    assert!(!run.stdout.contains('\u{1b}'), "{run:#?}");
    assert!(!run.stdout.contains('\u{202e}'), "{run:#?}");
    let forged = run.stdout.lines().any(|line| line.starts_with("FAIL none"));
    assert!(!forged, "{run:#?}");
}

#[test]
fn problems_are_printed_before_what_passed() {
    let server = service();
    let run = run(&["doctor", &url_of(&server)], &[]).expect(0);
    // `create` was checked before.
    let mut words = run.stdout.lines().skip(2);
    assert_eq!(words.next(), Some("WARN session-url"), "{run:#?}");
    let summary = run.stdout.lines().last();
    let summary = summary.expect("a line");
    assert!(summary.starts_with("failed: 0, warnings: 1, "), "{run:#?}");
}

/// Without a session it cannot know whether the homeserver delegates creations.
#[test]
fn read_only_doctor_skips_the_route_that_may_be_delegated() {
    let homeserver = HomeserverStub::start();
    let versions = json!({
        "unstable_features": {"org.matrix.msc4108": true},
        "issuer": homeserver.url(),
        "device_authorization_endpoint": homeserver.url(),
        "grant_types_supported": ["urn:ietf:params:oauth:grant-type:device_code"],
    });
    homeserver.set_default_reply(Some(TokenReply::json(200, &versions)));
    let report = report(&["--read-only", &homeserver.url()], 1);
    assert_status(&report, "versions", "pass");
    assert_status(&report, "route-msc4108", "skip");
}

#[test]
fn short_lifetime_is_no_fault_of_a_clock() {
    let settings = [
        ("msc4108.enabled", "true"),
        ("msc4108.long_poll.timeout", "0s"),
        ("session.ttl", "60s"),
    ];
    let server = Server::start(Store::Memory, &settings);
    let report = report(&[&url_of(&server)], 0);
    assert_status(&report, "clock", "warn");
    let what = &check(&report, "clock")["what"];
    assert_eq!(what, "POST: the session lasts 60 s");
}

/// Runs the doctor on a name that has these addresses.
#[track_caller]
fn report_on_addresses(addresses: &[SocketAddr], code: i32) -> Value {
    let resolve = addresses.iter();
    let resolve = resolve.map(|address| format!("matrix.example.org:80:{address}"));
    let resolve: Vec<_> = resolve.collect();
    let mut arguments = vec!["http://matrix.example.org"];
    for entry in &resolve {
        arguments.extend(["--resolve", entry]);
    }
    report(&arguments, code)
}

#[test]
fn address_that_refuses_is_reported() {
    let server = service();
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port");
    let refusing = closed.local_addr().expect("an address");
    drop(closed);
    for addresses in [[refusing, server.http], [server.http, refusing]] {
        let report = report_on_addresses(&addresses, 0);
        assert_status(&report, "delete", "pass");
        assert_status(&report, "addresses", "warn");
        let what = check(&report, "addresses")["what"].as_str().expect("text");
        assert!(what.contains(&refusing.to_string()), "{what}");
    }
}

/// An AAAA record that was forgotten, for example.
#[test]
fn address_of_another_server_is_a_failure() {
    let (server, other) = (service(), HomeserverStub::start());
    let page = "<title>An old server</title>".to_owned();
    other.set_default_reply(Some(TokenReply::Body(200, page)));
    let report = report_on_addresses(&[server.http, address_of(&other)], 1);
    assert_status(&report, "delete", "pass");
    assert_status(&report, "addresses", "fail");
}
