//! Sign-ins over TLS, and the scheme of the URLs.

use super::TlsServer;
use super::client::Client;
use rustls::version::TLS12;
use rustls::{ClientConfig, ProtocolVersion};
use testkit::api::{at, body, request};
use testkit::etag::{ETAG, creation};
use testkit::http::{Connection, Request};

const VERSIONS: [&str; 2] = ["http/1.1", "h2"];

#[test]
fn json_sign_in_works_in_each_http_version() {
    let server = TlsServer::start(&[]);
    for alpn in VERSIONS {
        let [mut old, mut new] = [(), ()].map(|()| Client::open(&server, alpn));
        let created = old.call(&request::create("hello")).expect(200);
        let (id, first) = (created.text("id"), created.text("sequence_token"));
        let read = new.call(&request::read(&id)).expect(200);
        assert_eq!(read.text("data"), "hello");
        let write = request::write(&id, None, &first, "ECDH");
        let second = new.call(&write).expect(200).text("sequence_token");
        assert_eq!(new.call(&write).expect(200).text("sequence_token"), second);
        let read = old.call(&request::read(&id)).expect(200);
        assert_eq!(read.text("data"), "ECDH");
        let stale = Request::put(&at(&id)).json(&body(&first, "other"));
        old.call(&stale).expect(409);
        old.call(&request::delete(&id)).expect(200);
        new.call(&request::read(&id)).expect(404);
    }
}

#[test]
fn etag_sign_in_works_in_each_http_version() {
    let server = TlsServer::start(&[]);
    for alpn in VERSIONS {
        let [mut old, mut new] = [(), ()].map(|()| Client::open(&server, alpn));
        let created = old.call(&creation("hello")).expect(201);
        let (url, first) = (created.text("url"), created.etag());
        // Without public_base_url the URL has the scheme of the connection (R2.8).
        let path = url.strip_prefix("https://rendezvous.test").expect("https");
        assert!(path.starts_with(ETAG), "{url}");
        assert_eq!(new.call(&Request::get(path)).expect(200).body, b"hello");
        let write = Request::put(path)
            .header("If-Match", &first)
            .header("Content-Type", "text/plain")
            .body("ECDH");
        let second = new.call(&write).expect(202).etag();
        let poll = Request::get(path).header("If-None-Match", &first);
        let read = old.call(&poll).expect(200);
        assert_eq!((&read.body[..], read.etag()), (&b"ECDH"[..], second));
        old.call(&Request::delete(path)).expect(204);
        new.call(&Request::get(path)).expect(404);
    }
}

/// A client without ALPN, and one of TLS 1.2.
#[test]
fn client_without_alpn_gets_http_1_1() {
    let server = TlsServer::start(&[]);
    let tls = server.client(&[]);
    let mut connection = Connection::try_open_tls(server.server.http, &tls).expect("a handshake");
    connection.send(&request::create("hello")).expect(200);
    let provider = rustls::crypto::ring::default_provider();
    let old = ClientConfig::builder_with_provider(provider.into())
        .with_protocol_versions(&[&TLS12])
        .expect("TLS 1.2")
        .with_root_certificates(server.certificates.roots())
        .with_no_client_auth();
    let old = Connection::try_open_tls(server.server.http, &old.into());
    let mut old = old.expect("a handshake");
    let version = old.tls().protocol_version();
    assert_eq!(version, Some(ProtocolVersion::TLSv1_2));
    old.send(&request::create("hello")).expect(200);
}

/// A trusted proxy knows how its client connected.
// R2.8
#[test]
fn scheme_of_a_trusted_proxy_overrides_that_of_tls() {
    for (trusted, scheme) in [("127.0.0.1/32", "http"), ("192.0.2.1/32", "https")] {
        let server = TlsServer::start(&[("http.trusted_proxies", trusted)]);
        let mut connection = server.open();
        let reported = creation("x").header("X-Forwarded-Proto", "http");
        for (request, scheme) in [(reported, scheme), (creation("x"), "https")] {
            let url = connection.send(&request).expect(201).text("url");
            let start = format!("{scheme}://rendezvous.test/");
            assert!(url.starts_with(&start), "{url} {start}");
        }
    }
}
