//! The URL of a session: the configured base URL, or the request's own host.

use crate::server::Server;
use testkit::etag::{ETAG, creation};
use testkit::http::{Connection, Request};
use testkit::server::Store;

/// Returns the URL in the response to a creation with these headers, up to the dialect's path.
fn base(server: &Server, headers: &[(&str, &str)]) -> String {
    let request = headers
        .iter()
        .fold(creation("x"), |request, (name, value)| {
            request.header(name, value)
        });
    let url = server.call(&request).expect(201).text("url");
    let (base, _) = url.split_once(ETAG).expect("the dialect's path");
    base.to_owned()
}

fn start(settings: &[(&str, &str)]) -> Server {
    Server::start(
        Store::Memory,
        &[settings, &[("msc4108.enabled", "true")]].concat(),
    )
}

// R2.7
#[test]
fn configured_base_url_overrides_the_request() {
    for (set, expected) in [
        ("https://matrix.example.org", "https://matrix.example.org"),
        ("https://matrix.example.org/", "https://matrix.example.org"),
        ("http://10.0.0.1:8008/sub/", "http://10.0.0.1:8008/sub"),
    ] {
        let server = start(&[("http.public_base_url", set)]);
        let spoofed = [
            ("X-Forwarded-Proto", "gopher"),
            ("X-Forwarded-Host", "evil"),
        ];
        assert_eq!(base(&server, &spoofed), expected);
    }
}

// R2.8
#[test]
fn session_url_falls_back_to_host_and_proxy_scheme() {
    let server = start(&[]);
    let https = [("X-Forwarded-Proto", "https")];
    assert_eq!(base(&server, &[]), "http://rendezvous.test");
    assert_eq!(
        base(&server, &https),
        "http://rendezvous.test",
        "from anyone"
    );
    assert!(server.log().contains("public_base_url is not set"));
    let server = start(&[("http.trusted_proxies", "127.0.0.1/32")]);
    assert_eq!(base(&server, &[]), "http://rendezvous.test");
    assert_eq!(base(&server, &https), "https://rendezvous.test");
    let hops = [("X-Forwarded-Proto", "https, http")];
    assert_eq!(base(&server, &hops), "https://rendezvous.test");
    let plain = [("X-Forwarded-Proto", "http")];
    assert_eq!(base(&server, &plain), "http://rendezvous.test");
}

// R2.8
#[test]
fn invalid_host_is_rejected() {
    let server = start(&[]);
    for host in ["", "a b", "user@host", "a/b", "\"quoted\""] {
        let mut connection = Connection::open(server.http);
        let head = format!("POST {ETAG} HTTP/1.1\r\nHost: {host}\r\n");
        let rest = "Content-Type: text/plain\r\nContent-Length: 1\r\n\r\nx";
        connection.write(format!("{head}{rest}").as_bytes());
        let reply = connection.reply();
        assert_eq!(reply.status, 400, "{host}: {reply}");
        reply.expect_error(400, "M_INVALID_PARAM");
    }
}

// R0.40
#[test]
fn one_trailing_slash_after_rendezvous_is_ignored() {
    let server = start(&[]);
    let path = format!("{ETAG}/");
    let create = Request::post(&path)
        .header("Content-Type", "text/plain")
        .body("x");
    let url = server.call(&create).expect(201).text("url");
    let session = url.strip_prefix("http://rendezvous.test").expect(&url);
    assert!(session.starts_with(&path), "{url}");
    assert_eq!(server.call(&Request::get(session)).expect(200).body, b"x");
    server
        .call(&Request::get(&path))
        .expect_error(405, "M_UNRECOGNIZED");
    server
        .call(&Request::get(&format!("{session}/")))
        .expect_error(404, "M_UNRECOGNIZED");
    server
        .call(&Request::get(&format!("{path}/")))
        .expect_error(404, "M_UNRECOGNIZED");
}
