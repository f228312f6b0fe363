//! What the report makes of several findings, and findings that name the nearer of two causes.

use super::{
    address_of, assert_status, check, report, report_on_addresses, run, service, service_with,
    url_of,
};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use tempfile::NamedTempFile;
use testkit::certificates::Certificates;
use testkit::homeserver::{HomeserverStub, TokenReply};

/// A server of another kind: it answers every request with the same page.
fn web_site() -> HomeserverStub {
    let site = HomeserverStub::start();
    let page = "<title>Our company</title>".to_owned();
    site.set_default_reply(Some(TokenReply::Body(200, page)));
    site
}

#[track_caller]
fn text<'a>(report: &'a Value, id: &str, member: &str) -> &'a str {
    check(report, id)[member].as_str().expect("text")
}

/// Advice about a consequence would lead away from the cause.
#[test]
fn only_the_first_failure_has_advice() {
    let run = run(&["doctor", &web_site().url()], &[]).expect(1);
    let lines: Vec<_> = run.stdout.lines().collect();
    assert_eq!(lines[2], "FAIL versions", "{run:#?}");
    let advice = lines.iter().filter(|line| line.starts_with("  do "));
    assert_eq!(advice.count(), 1, "{run:#?}");
    let then = lines.iter().position(|line| line.starts_with("Fix "));
    let then = then.unwrap_or_else(|| panic!("no order: {run:#?}"));
    assert_eq!(
        lines[then],
        "Fix versions first, and run the doctor again: the rest may follow from it."
    );
    let next = lines[then + 1];
    assert!(
        next.starts_with("FAIL device-grant     GET http://"),
        "{next}"
    );
    let last = lines.last().expect("a line");
    assert!(last.ends_with("; fix first: versions"), "{last}");
}

#[test]
fn page_at_the_base_url_says_where_that_url_is_from() {
    let site = web_site();
    let given = report(&[&site.url()], 1);
    let action = text(&given, "versions", "do");
    assert!(
        action.starts_with("give the homeserver's base URL"),
        "{action}"
    );
    // Rendezvous paths are for this service, and others are not.
    let action = text(&given, "device-grant", "do");
    assert!(!action.contains("matrix-rendezvous"), "{action}");
    let action = text(&given, "create", "do");
    assert!(action.contains("to matrix-rendezvous"), "{action}");
}

/// Only a creation of the ETag dialect is delegated, so a proxy that redirects more is the one that redirects.
#[test]
fn proxy_that_redirects_everything_is_named() {
    let proxy = HomeserverStub::start();
    let elsewhere = "https://rendezvous.example.org/".to_owned();
    proxy.set_default_reply(Some(TokenReply::Redirect(elsewhere)));
    let report = report(&["--timeout", "1s", &proxy.url()], 1);
    let action = text(&report, "create", "do");
    assert!(action.contains("it redirects MSC4388 too"), "{action}");
}

#[test]
fn homeserver_at_another_address_of_the_name_is_named() {
    let (site, homeserver) = (web_site(), HomeserverStub::start());
    let versions = json!({"versions": ["v1.11"]});
    homeserver.set_default_reply(Some(TokenReply::json(200, &versions)));
    let addresses: [SocketAddr; 2] = [address_of(&site), address_of(&homeserver)];
    let report = report_on_addresses(&addresses, 1);
    let what = text(&report, "versions", "what");
    let [page, homeserver] = addresses;
    let expected = format!("a homeserver answers at {homeserver}, and none at {page}");
    assert!(what.ends_with(&expected), "{what}");
    let action = text(&report, "versions", "do");
    assert!(
        action.contains(&format!("(A, AAAA) with {page}")),
        "{action}"
    );
}

/// The first address may be the wrong one: then no check before saw this service.
#[test]
fn service_at_another_address_of_the_name_is_named() {
    let (site, server) = (web_site(), service());
    let report = report_on_addresses(&[address_of(&site), server.http], 1);
    assert_status(&report, "create", "fail");
    assert_status(&report, "addresses", "fail");
    let what = text(&report, "addresses", "what");
    assert!(
        what.ends_with("other addresses reach matrix-rendezvous"),
        "{what}"
    );
}

/// The session is used by its right URL, so that the other checks are made, and it is deleted.
#[test]
fn session_with_a_wrong_url_is_checked_and_deleted() {
    let server = service_with(&[("http.public_base_url", "http://rendezvous.invalid")]);
    let url = url_of(&server);
    let report = report(&[&url], 1);
    let what = text(&report, "session-url", "what");
    assert!(what.contains("http://rendezvous.invalid/"), "{what}");
    let action = text(&report, "session-url", "do");
    let setting = format!("set http.public_base_url = \"{url}\" in");
    assert!(action.starts_with(&setting), "{action}");
    for id in ["one-store", "read-after-write", "delete"] {
        assert_status(&report, id, "pass");
    }
    let deleted = server.metrics();
    assert_eq!(deleted.sum("rendezvous_sessions_deleted_total", &[]), 2);
}

/// A cache in front may have the response of an earlier run.
#[test]
fn response_to_another_request_is_that_of_a_cache() {
    let cache = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", cache.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in cache.incoming() {
            let mut stream = stream.expect("a connection");
            let mut lines = BufReader::new(stream.try_clone().expect("a socket")).lines();
            while lines
                .next()
                .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
            {}
            let response = "HTTP/1.1 201 Created\r\nX-Rendezvous-Probe: of-last-week\r\nAge: 7\r\n\
                            Cache-Control: no-store\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            // A client that has seen enough may close first.
            let _sent = stream.write_all(response.as_bytes());
        }
    });
    let report = report(&[&url], 1);
    let what = text(&report, "create", "what");
    assert!(
        what.ends_with(
            "given to another request (X-Rendezvous-Probe); it has age: 7, cache-control: no-store"
        ),
        "{what}"
    );
    let why = text(&report, "create", "why");
    assert!(why.starts_with("a cache answers"), "{why}");
}

#[test]
fn doctor_with_via_passes_the_proxy_by() {
    let server = service_with(&[("http.public_base_url", "https://matrix.example.org")]);
    let via = url_of(&server);
    let report = report(&["--via", &via, "https://matrix.example.org"], 0);
    for id in [
        "create",
        "session-url",
        "one-store",
        "delete",
        "cors",
        "json-exchange",
    ] {
        assert_status(&report, id, "pass");
    }
    for id in ["versions", "addresses", "certificate"] {
        assert_status(&report, id, "skip");
    }
    let target = format!("https://matrix.example.org via {via}/");
    assert_eq!(report["target"], target);
    let evidence = &check(&report, "create")["evidence"][0];
    assert_eq!(evidence["address"], server.http.to_string());
    assert!(
        evidence["url"]
            .as_str()
            .expect("a URL")
            .starts_with("https://matrix.")
    );
}

#[test]
fn via_says_https_in_the_place_of_the_proxy() {
    let server = service_with(&[("http.trusted_proxies", "127.0.0.1")]);
    let via = url_of(&server);
    let report = report(&["--via", &via, "https://matrix.example.org"], 0);
    assert_status(&report, "session-url", "pass");
}

#[test]
fn via_https_checks_the_certificate_of_the_listener() {
    let certificates = Certificates::make();
    let path = |path: PathBuf| path.to_str().expect("UTF-8").to_owned();
    let files = [certificates.cert_file(), certificates.key_file()].map(path);
    let server = service_with(&[
        ("http.tls_cert_file", &files[0]),
        ("http.tls_key_file", &files[1]),
        ("http.public_base_url", "https://matrix.example.org"),
    ]);
    let via = format!("https://localhost:{}", server.http.port());
    let target = "https://matrix.example.org";
    let ca = path(certificates.ca_file());
    let trusted = report(&["--via", &via, "--ca-file", &ca, target], 0);
    assert_status(&trusted, "create", "pass");
    let what = text(&trusted, "certificate", "what");
    assert!(what.starts_with("localhost: TLS 1.3"), "{what}");
    let others = report(&["--via", &via, target], 1);
    assert_status(&others, "create", "fail");
}

#[test]
fn via_without_a_base_url_is_a_usage_error() {
    let file = NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "mode = \"open\"\nstore.backend = \"memory\"\n").expect("a file");
    let path = file.path().to_str().expect("a path");
    for (arguments, named) in [
        (
            &["--via", "http://127.0.0.1:1", "example.org"][..],
            "example.org is a server name; give the base URL of the homeserver as SERVER, as \
             https://example.org/.well-known/matrix/client names it, for example: matrix-rendezvous doctor --via \
             http://127.0.0.1:1 https://matrix.example.org",
        ),
        (
            &["--via", "http://127.0.0.1:1", "--config", path],
            "since the configuration has none or several, for example: matrix-rendezvous doctor --via \
             http://127.0.0.1:1 https://matrix.example.org",
        ),
        (
            &["--via", "ftp://127.0.0.1:1", "https://a.example"],
            "HTTP listener",
        ),
        (
            &["--via", "http://127.0.0.1:1/path", "https://a.example"],
            "HTTP listener",
        ),
    ] {
        run(&[&["doctor"], arguments].concat(), &[]).expect_refused(&[named]);
    }
}
