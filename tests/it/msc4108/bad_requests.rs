//! Requests that the dialect does not know, or that lack a required part. None changes anything.

use crate::server::{Server, on_both_stores};
use testkit::etag::{ETAG, creation};
use testkit::http::Request;

on_both_stores! {
    with ["msc4108.enabled" = "true"];
    content_type_must_be_text_plain,
    write_requires_if_match,
    payload_over_4096_bytes_is_too_large,
    payload_must_be_utf8,
    unknown_etag_path_is_unrecognized,
    every_response_exposes_the_etag,
}

// R2.27, R2.28
fn content_type_must_be_text_plain(server: &Server) {
    let mailbox = server.open_mailbox("hello");
    let write = || Request::put(&mailbox.path).header("If-Match", &mailbox.etag);
    let requests = || [Request::post(ETAG), write()];
    for request in requests() {
        server
            .call(&request.body("x"))
            .expect_error(400, "M_MISSING_PARAM");
    }
    for wrong in ["application/json", "text/html", "text/plainer", "", ";"] {
        for request in requests() {
            let reply = server.call(&request.header("Content-Type", wrong).body("x"));
            assert_eq!(reply.status, 400, "{wrong}: {reply}");
            reply.expect_error(400, "M_INVALID_PARAM");
        }
    }
    server.assert_mailbox_holds(&mailbox, "hello", &mailbox.etag);
    let mut etag = mailbox.etag.clone();
    for right in ["text/plain; charset=utf-8", "TEXT/PLAIN", "text/plain ;q"] {
        let create = Request::post(ETAG).header("Content-Type", right);
        server.call(&create.body(right)).expect(201);
        let write = Request::put(&mailbox.path).header("If-Match", &etag);
        let reply = server.call(&write.header("Content-Type", right).body(right));
        etag = reply.expect(202).etag();
    }
}

// R2.26
fn write_requires_if_match(server: &Server) {
    let mailbox = server.open_mailbox("hello");
    let write = Request::put(&mailbox.path).header("Content-Type", "text/plain");
    server
        .call(&write.body("x"))
        .expect_error(400, "M_MISSING_PARAM");
    server.assert_mailbox_holds(&mailbox, "hello", &mailbox.etag);
}

// R2.30
fn payload_over_4096_bytes_is_too_large(server: &Server) {
    let (longest, longer) = ("é".repeat(2048), "x".repeat(4097));
    let mailbox = server.open_mailbox(&longest);
    server.assert_mailbox_holds(&mailbox, &longest, &mailbox.etag);
    // One byte too many, and a body that is not even read.
    for body in [longer.clone(), "x".repeat(40_000)] {
        for request in [creation(body.clone()), mailbox.put(&mailbox.etag, &body)] {
            server.call(&request).expect_error(413, "M_TOO_LARGE");
        }
    }
    server.assert_mailbox_holds(&mailbox, &longest, &mailbox.etag);
    let etag = server
        .call(&mailbox.put(&mailbox.etag, &longer[..4096]))
        .expect(202)
        .etag();
    server.assert_mailbox_holds(&mailbox, &longer[..4096], &etag);
}

// R2.29
fn payload_must_be_utf8(server: &Server) {
    let mailbox = server.open_mailbox("hello");
    for bytes in [&b"\xff"[..], b"a\xc3", b"\xed\xa0\x80"] {
        let write = mailbox.put(&mailbox.etag, "").body(bytes);
        for request in [creation(bytes), write] {
            server.call(&request).expect_error(400, "M_INVALID_PARAM");
        }
    }
    server.assert_mailbox_holds(&mailbox, "hello", &mailbox.etag);
}

// R0.4, R0.5
fn unknown_etag_path_is_unrecognized(server: &Server) {
    let mailbox = server.open_mailbox("hello");
    for (method, path, allow) in [
        ("GET", ETAG, "POST, OPTIONS"),
        ("HEAD", ETAG, "POST, OPTIONS"),
        ("PUT", ETAG, "POST, OPTIONS"),
        ("POST", &*mailbox.path, "GET, HEAD, PUT, DELETE, OPTIONS"),
        ("PATCH", &*mailbox.path, "GET, HEAD, PUT, DELETE, OPTIONS"),
    ] {
        let reply = server.call(&Request::new(method, path)).expect(405);
        assert_eq!(reply.header("allow"), Some(allow), "{method} {path}");
    }
    // The dialect has no txnIds.
    let txn = format!("{}/txn", mailbox.path);
    server
        .call(&Request::put(&txn).body("x"))
        .expect_error(404, "M_UNRECOGNIZED");
    server.assert_mailbox_holds(&mailbox, "hello", &mailbox.etag);
}

// R0.15, R2.16
fn every_response_exposes_the_etag(server: &Server) {
    let mailbox = server.open_mailbox("hello");
    let navigation = mailbox.get().header("Sec-Fetch-Mode", "navigate");
    for (status, request) in [
        (201, creation("x")),
        (200, mailbox.get()),
        (304, mailbox.poll(&mailbox.etag)),
        (403, navigation),
        (412, mailbox.put("\"x\"", "x")),
        (202, mailbox.put(&mailbox.etag, "x")),
        (400, Request::post(ETAG)),
        (405, Request::get(ETAG)),
        (413, creation("x".repeat(5000))),
        (413, creation("x".repeat(50_000))),
        (404, Request::get(&format!("{ETAG}/x"))),
        (404, Request::get(&format!("{ETAG}/x/y"))),
        (204, Request::options(ETAG)),
        (204, Request::options(&mailbox.path)),
        (204, Request::delete(&mailbox.path)),
    ] {
        let reply = server.call(&request).expect(status);
        assert_eq!(
            reply.all("access-control-expose-headers"),
            ["ETag, X-Rendezvous-Probe"],
            "{reply}"
        );
        // A proxy that compresses an error changes its ETag like any other.
        let caching = ["no-store, no-transform"];
        assert_eq!(reply.all("cache-control"), caching, "{reply}");
    }
    let preflight = server.call(&Request::options(ETAG)).expect(204);
    let allowed = preflight.header("access-control-allow-headers");
    let allowed = allowed.expect("a list").to_ascii_lowercase();
    for needed in ["if-match", "if-none-match", "content-type"] {
        assert!(allowed.contains(needed), "{allowed}");
    }
}
