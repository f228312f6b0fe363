//! The ETag dialect: MSC4108 of 2024.
//!
//! Section 2 of docs/protocol.md, and what its clients cannot handle (section 3). Sessions are
//! here; tags, bad requests, errors and URLs are in submodules.

mod bad_requests;
mod errors;
mod holds;
mod metrics;
mod tags;
mod urls;

use crate::server::{Server, on_both_stores};
use std::time::Duration;
use testkit::api::at;
use testkit::etag::{ETAG, Mailbox, creation};
use testkit::http::Request;
use testkit::server::Store;

on_both_stores! {
    with ["msc4108.enabled" = "true"];
    creation_returns_the_session_url,
    read_returns_the_payload_as_text,
    poll_returns_304_until_a_write,
    write_requires_the_current_etag,
    applied_write_is_a_success,
    deleted_session_is_404,
    empty_payload_is_stored,
    session_expires_as_announced,
    head_is_a_read_without_payload,
    payload_is_readable_in_both_dialects,
}

// R2.1, R2.3, R2.7, R2.9, R2.10, R2.17
fn creation_returns_the_session_url(server: &Server) {
    let reply = server.call(&creation("hello")).expect(201);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    reply.assert_dated();
    let etag = reply.etag();
    let token = etag
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or_else(|| panic!("no strong validator: {etag}"));
    assert_eq!(token.len(), 24, "{etag}");
    let url = reply.text("url");
    let (base, id) = url.split_once(ETAG).expect("the dialect's path");
    assert_eq!(base, "http://rendezvous.test");
    assert_eq!(id.len(), 1 + 32, "{url}");
    assert_eq!(reply.json().as_object().expect("an object").len(), 1);
}

// R2.4, R2.10, R2.17, R2.18
fn read_returns_the_payload_as_text(server: &Server) {
    let payload = "é\u{0}\"\\\u{1F980}";
    let mailbox = server.open_mailbox(payload);
    let reply = server.call(&mailbox.get()).expect(200);
    assert_eq!(reply.body, payload.as_bytes());
    // With a charset js-sdk waits for ever and matrix-sdk gives up.
    assert_eq!(reply.all("content-type"), ["text/plain"]);
    assert_eq!(reply.all("content-encoding"), ["identity"]);
    let length = payload.len().to_string();
    assert_eq!(reply.all("content-length"), [length.as_str()]);
    assert_eq!(reply.etag(), mailbox.etag);
    reply.assert_dated();
}

// R2.4, R2.10, R2.17, R2.20
fn poll_returns_304_until_a_write(server: &Server) {
    let mailbox = server.open_mailbox("hello");
    for _ in 0..2 {
        let reply = server.call(&mailbox.poll(&mailbox.etag)).expect(304);
        assert_eq!(reply.body, b"");
        assert_eq!(reply.etag(), mailbox.etag);
        // Some proxies remove the ETag from a response without Content-Type.
        assert_eq!(reply.all("content-type"), ["text/plain"]);
        reply.assert_dated();
        // Content-Length would be that of the 200, which was not read.
        let head = Request::head(&mailbox.path).header("If-None-Match", &mailbox.etag);
        let head = server.call(&head).expect(304);
        assert_eq!(head.all("content-length"), [""; 0], "{head}");
    }
    let etag = server
        .call(&mailbox.put(&mailbox.etag, "ECDH"))
        .expect(202)
        .etag();
    let reply = server.call(&mailbox.poll(&mailbox.etag)).expect(200);
    assert_eq!((reply.body.as_slice(), reply.etag()), (&b"ECDH"[..], etag));
    server.call(&mailbox.poll("\"another\"")).expect(200);
}

// R2.5, R2.10, R2.11, R2.17, R2.19, R2.32, R2.35, R2.36
fn write_requires_the_current_etag(server: &Server) {
    let mailbox = server.open_mailbox("one");
    let reply = server.call(&mailbox.put(&mailbox.etag, "two")).expect(202);
    assert_eq!(reply.body, b"");
    assert_eq!(reply.all("content-type"), ["text/plain"]);
    assert_eq!(reply.all("content-length"), ["0"]);
    reply.assert_dated();
    let second = reply.etag();
    assert_ne!(second, mailbox.etag);
    for stale in [
        &mailbox.etag,
        "\"another\"",
        "\"AAAAAAAAAAAAAAAAAAAAAAAA\"",
        "",
    ] {
        let reply = server.call(&mailbox.put(stale, "three"));
        let reply = reply.expect_error(412, "M_UNKNOWN");
        assert_eq!(
            reply.text("org.matrix.msc4108.errcode"),
            "M_CONCURRENT_WRITE"
        );
        assert_eq!(reply.etag(), second, "the current one");
        reply.assert_dated();
    }
    server.assert_mailbox_holds(&mailbox, "two", &second);
    // Equal data produces a new ETag, so that the other device can notice the write.
    let third = server.call(&mailbox.put(&second, "two")).expect(202).etag();
    assert_ne!(third, second);
}

// R2.11, R2.33, R2.34
fn applied_write_is_a_success(server: &Server) {
    let mailbox = server.open_mailbox("one");
    let first = mailbox.put(&mailbox.etag, "mine");
    let mine = server.call(&first).expect(202).etag();
    assert_eq!(server.call(&first).expect(202).etag(), mine);
    let theirs = server
        .call(&mailbox.put(&mine, "theirs"))
        .expect(202)
        .etag();
    let reply = server.call(&first).expect(202);
    assert_eq!(reply.etag(), mine, "its own, though the peer has answered");
    reply.assert_dated();
    // A client that writes the current payload has reached its goal.
    let same = server
        .call(&mailbox.put(&mailbox.etag, "theirs"))
        .expect(202);
    assert_eq!(same.etag(), theirs);
    server.assert_mailbox_holds(&mailbox, "theirs", &theirs);
}

// R2.6, R2.12
fn deleted_session_is_404(server: &Server) {
    let mailbox = server.open_mailbox("hello");
    let delete = Request::delete(&mailbox.path);
    let reply = server.call(&delete).expect(204);
    assert_eq!(
        (reply.body.as_slice(), reply.header("etag")),
        (&b""[..], None)
    );
    for request in [
        delete,
        mailbox.get(),
        mailbox.poll(&mailbox.etag),
        mailbox.put(&mailbox.etag, "x"),
        mailbox.put("*", "x"),
        mailbox.put("\"a\", \"b\"", "x"),
        Request::get(&format!("{ETAG}/no-such-id")).header("If-None-Match", "\"a\""),
    ] {
        let reply = server.call(&request).expect_error(404, "M_NOT_FOUND");
        assert_eq!(reply.header("etag"), None, "{reply}");
    }
}

// R2.18
fn empty_payload_is_stored(server: &Server) {
    let mailbox = server.open_mailbox("");
    let reply = server.call(&mailbox.get()).expect(200);
    assert_eq!(reply.body, b"");
    assert_eq!(reply.all("content-type"), ["text/plain"]);
    assert_eq!(reply.all("content-encoding"), ["identity"]);
    assert_eq!(reply.all("content-length"), ["0"]);
    let etag = server
        .call(&mailbox.put(&mailbox.etag, "x"))
        .expect(202)
        .etag();
    let etag = server.call(&mailbox.put(&etag, "")).expect(202).etag();
    server.assert_mailbox_holds(&mailbox, "", &etag);
}

// R0.22, R2.17
fn session_expires_as_announced(server: &Server) {
    let mailbox = server.open_mailbox("hello");
    let date = |name: &str| {
        let reply = server.call(&mailbox.get()).expect(200);
        let text = reply.header(name).expect("a date").to_owned();
        httpdate::parse_http_date(&text).expect("a date")
    };
    let (created, expires) = (date("last-modified"), date("expires"));
    assert_eq!(expires, created + Duration::from_mins(5), "session.ttl");
    server.call(&mailbox.put(&mailbox.etag, "x")).expect(202);
    assert_eq!(date("expires"), expires, "a write extends nothing");
    assert!(date("last-modified") >= created);
}

// R0.10
fn head_is_a_read_without_payload(server: &Server) {
    let mailbox = server.open_mailbox("hello");
    let reply = server.call(&Request::head(&mailbox.path)).expect(200);
    assert_eq!(reply.body, b"");
    assert_eq!(reply.all("content-length"), ["5"]);
    assert_eq!(reply.etag(), mailbox.etag);
}

// R2.31
fn payload_is_readable_in_both_dialects(server: &Server) {
    let mailbox = server.open_mailbox("text");
    let token = mailbox.etag.trim_matches('"');
    server.assert_holds(mailbox.id(), "text", token);
    let token = server.write(mailbox.id(), token, "json");
    server.assert_mailbox_holds(&mailbox, "json", &format!("\"{token}\""));
    let session = server.create("json");
    let mailbox = Mailbox {
        path: format!("{ETAG}/{}", session.id),
        etag: format!("\"{}\"", session.token),
    };
    server.assert_mailbox_holds(&mailbox, "json", &mailbox.etag);
    let etag = server
        .call(&mailbox.put(&mailbox.etag, "text"))
        .expect(202)
        .etag();
    server.assert_holds(&session.id, "text", etag.trim_matches('"'));
    server.call(&Request::delete(&at(&session.id))).expect(200);
    server.call(&mailbox.get()).expect_error(404, "M_NOT_FOUND");
}

/// The dialect has no authentication by design, and so it has a separate switch.
// R0.9, R2.2
#[test]
fn mode_does_not_govern_the_etag_dialect() {
    let settings = [("mode", "off"), ("msc4108.enabled", "true")];
    let server = Server::start(Store::Memory, &settings);
    let mailbox = server.open_mailbox("hello");
    server.assert_mailbox_holds(&mailbox, "hello", &mailbox.etag);
    server
        .call(&Request::get(&at(mailbox.id())))
        .expect_error(404, "M_UNRECOGNIZED");
}
