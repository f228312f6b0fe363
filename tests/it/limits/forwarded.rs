//! Exactly one header names the client: the configured one.

use serde_json::json;

use super::{CREATES, TRUSTED, start};
use crate::server::Server;
use testkit::api::UNSTABLE;
use testkit::http::Request;

/// Creates as the client that these headers name. Returns whether it had a creation left.
#[track_caller]
fn creates(server: &Server, headers: &[(&str, &str)]) -> bool {
    let create = Request::post(UNSTABLE).json(&json!({"data": "x"}));
    let named = headers
        .iter()
        .fold(create, |create, (name, value)| create.header(name, value));
    match server.call(&named).status {
        200 => true,
        429 => false,
        other => panic!("{other} for {headers:?}"),
    }
}

/// Whether all of these are one client, which has two creations.
#[track_caller]
fn are_one_client(server: &Server, one: &[(&str, &str)], other: &[(&str, &str)]) -> bool {
    assert!(creates(server, one) && creates(server, one) && !creates(server, one));
    !creates(server, other)
}

fn reading(header: &str) -> Server {
    start(&CREATES, &[TRUSTED, ("http.forwarded_header", header)])
}

#[test]
fn configured_forwarded_header_is_read() {
    for header in ["X-Real-IP", "cf-connecting-ip", "Fly.Client_IP"] {
        let server = reading(header);
        let [one, other] = ["203.0.113.1", "203.0.113.2"].map(|client| [(header, client)]);
        assert!(!are_one_client(&server, &one, &other), "{header}");
    }
}

/// A proxy that writes one of these headers passes the others on as the client wrote them.
#[test]
fn other_forwarded_headers_are_ignored() {
    let others = [
        "X-Forwarded-For",
        "Forwarded",
        "X-Real-IP",
        "X-Client-IP",
        "X-Forwarded",
    ];
    for header in ["X-Forwarded-For", "Forwarded", "X-Real-IP"] {
        let server = reading(header);
        let mut creates_left = 2;
        for other in others.iter().filter(|other| **other != header) {
            for value in ["203.0.113.1", "for=203.0.113.1"] {
                let was_new = creates(&server, &[(other, value)]);
                assert_eq!(was_new, creates_left > 0, "{other} beside {header}");
                creates_left -= i32::from(was_new);
            }
        }
    }
}

#[test]
fn forwarded_header_follows_rfc_7239() {
    let server = reading("Forwarded");
    for (one, other, same) in [
        ("for=203.0.113.1", "for=203.0.113.2", false),
        (
            "for=203.0.113.3;proto=https",
            "proto=http;For=\"203.0.113.3:4711\"",
            true,
        ),
        (
            "for=\"[2001:db8:0:1::1]\"",
            "for=\"[2001:db8:0:1::2]:80\"",
            true,
        ),
        (
            "for=\"[2001:db8:0:3::1]\"",
            "for=\"[2001:db8:0:4::1]\"",
            false,
        ),
        (
            "for=198.51.100.1, for=203.0.113.5",
            "for=198.51.100.2, for=203.0.113.5, for=10.0.0.1",
            true,
        ),
        // An unclosed quote of the client does not swallow what the proxy wrote.
        (
            "for=\"198.51.100.1, for=203.0.113.6",
            "for=203.0.113.6",
            true,
        ),
    ] {
        let same_here = are_one_client(&server, &[("Forwarded", one)], &[("Forwarded", other)]);
        assert_eq!(same_here, same, "{one} and {other}");
    }
}

/// All of these resolve to the proxy itself.
#[test]
fn obfuscated_identifier_ends_the_walk() {
    let server = reading("Forwarded");
    let garbage = [
        "for=_hidden",
        "for=unknown",
        "203.0.113.1",
        "for=203.0.113.2, for=_hidden",
        "for=\"203.0.113.3",
        "for=203.0.113.4;for=203.0.113.5",
        "proto=https",
    ];
    let statuses = garbage.map(|value| creates(&server, &[("Forwarded", value)]));
    assert_eq!(statuses, [true, true, false, false, false, false, false]);
}

#[test]
fn configured_header_from_an_untrusted_peer_is_ignored() {
    for (header, one, other) in [
        ("X-Real-IP", "203.0.113.1", "203.0.113.2"),
        ("Forwarded", "for=203.0.113.1", "for=203.0.113.2"),
    ] {
        let untrusted = ("http.trusted_proxies", "10.0.0.0/8");
        let server = start(&CREATES, &[untrusted, ("http.forwarded_header", header)]);
        assert!(are_one_client(
            &server,
            &[(header, one)],
            &[(header, other)]
        ));
    }
}

#[test]
fn repeated_forwarded_headers_form_one_list() {
    let server = reading("Forwarded");
    let lines = |left| [("Forwarded", left), ("Forwarded", "for=203.0.113.1")];
    assert!(creates(&server, &lines("for=198.51.100.1")));
    assert!(creates(&server, &lines("for=198.51.100.2")));
    assert!(!creates(&server, &lines("for=198.51.100.3")));
}
