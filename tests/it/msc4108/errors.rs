//! The ETag of an error: js-sdk takes it for the newest, whatever the status.
//!
//! A failed read echoes the client's own ETag, so that it polls on. A write that is rejected, or
//! has an unknown outcome, carries the ETag that it would have produced: if it was applied, the
//! sign-in goes on.

use crate::server::{Server, on_both_stores, ready_on};
use testkit::etag::Mailbox;
use testkit::http::Request;
use testkit::proxy::{Alteration, Fault, Proxy, Target};
use testkit::redis::RedisServer;

on_both_stores! {
    with ["msc4108.enabled" = "true"];
    forbidden_navigation_echoes_the_clients_etag,
}

on_both_stores! {
    with [
        "msc4108.enabled" = "true",
        "limits.enabled" = "true",
        "limits.requests.client.burst" = "1",
        "limits.requests.client.per_second" = "0.001",
    ];
    rate_limited_responses_keep_client_etags_usable,
}

// R0.26, R2.13
fn forbidden_navigation_echoes_the_clients_etag(server: &Server) {
    let mailbox = server.open_mailbox("secret");
    let page = |request: Request| request.header("Sec-Fetch-Mode", "navigate");
    let own = "W/\"as-it-came\"";
    let reply = server.call(&page(mailbox.poll(own)));
    let reply = reply.expect_error(403, "M_FORBIDDEN");
    assert_eq!(reply.etag(), own);
    let reply = server.call(&page(mailbox.get()));
    let reply = reply.expect_error(403, "M_FORBIDDEN");
    assert_eq!(reply.header("etag"), None, "{reply}");
    assert!(!String::from_utf8_lossy(&reply.body).contains("secret"));
}

/// Returns the ETag that a write of `data` over this state produces, by doing it on another server
/// that accepts it.
fn etag_of_write(server: &Server, mailbox: &Mailbox, etag: &str, data: &str) -> String {
    let write = mailbox.put(etag, data);
    server.call(&write).expect(202).etag()
}

// R2.13, R2.14, R2.15
fn rate_limited_responses_keep_client_etags_usable(server: &Server) {
    let mailbox = server.open_mailbox("hello");
    server.call(&mailbox.poll(&mailbox.etag)).expect(304);
    let read = server.call(&mailbox.poll(&mailbox.etag));
    let read = read.expect_error(429, "M_LIMIT_EXCEEDED");
    assert_eq!(read.etag(), mailbox.etag);
    let write = mailbox.put(&mailbox.etag, "ECDH");
    let first = server.call(&write).expect_error(429, "M_LIMIT_EXCEEDED");
    let again = server.call(&write).expect_error(429, "M_LIMIT_EXCEEDED");
    assert_eq!(first.etag(), again.etag());
    assert_ne!(
        first.etag(),
        mailbox.etag,
        "a poll by it must find the old state"
    );
    let other = server.call(&mailbox.put(&mailbox.etag, "other"));
    assert_ne!(other.expect(429).etag(), first.etag());
    // The If-Match does not name a valid state, so the result is unknown.
    for unclear in [
        mailbox.put("\"x\"", "ECDH"),
        Request::put(&mailbox.path).body("ECDH"),
        Request::delete(&mailbox.path),
    ] {
        let reply = server.call(&unclear).expect(429);
        assert_eq!(reply.header("etag"), None, "{reply}");
    }
}

// R0.3, R2.13, R2.14
#[test]
fn outage_responses_keep_client_etags_usable() {
    let redis = RedisServer::start();
    let proxy = Proxy::start(redis.address());
    let server = ready_on(&proxy.url(), &[("msc4108.enabled", "true")]);
    let mailbox = server.open_mailbox("hello");
    let busy: Alteration = |_| b"-BUSY Redis is busy running a script\r\n".to_vec();
    // The script runs; only its reply is lost. So a later poll with that ETag finds nothing new.
    proxy.every(Target::Session, Fault::Alter(busy));
    let read = server.call(&mailbox.poll(&mailbox.etag));
    assert_eq!(read.expect_error(503, "M_UNKNOWN").etag(), mailbox.etag);
    let write = mailbox.put(&mailbox.etag, "ECDH");
    let written = server.call(&write).expect_error(503, "M_UNKNOWN").etag();
    let delete = server.call(&Request::delete(&format!("{}x", mailbox.path)));
    delete.expect_error(404, "M_NOT_FOUND");
    proxy.heal();
    server.call(&mailbox.poll(&written)).expect(304);
    server.assert_mailbox_holds(&mailbox, "ECDH", &written);
    assert_eq!(
        etag_of_write(&server, &mailbox, &mailbox.etag, "ECDH"),
        written
    );
}
