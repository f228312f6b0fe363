//! How connections with TLS end: the same as plain ones.

use super::TlsServer;
use testkit::api::request;
use testkit::etag::creation;
use testkit::http::{Connection, Request};
use testkit::{eventually, until};

/// A client that closes its side behind a request: with an alert, and without one, as many do.
// R0.43
#[test]
fn half_closed_tls_request_is_answered() {
    let server = TlsServer::start(&[("telemetry.log_level", "debug")]);
    for has_alert in [true, false] {
        let mut connection = server.open();
        connection.write(&request::create("hello").bytes());
        if has_alert {
            connection.close_write();
        } else {
            connection.close_socket_write();
        }
        connection.reply().expect(200);
        assert_eq!(connection.read_to_close(), b"");
    }
    let open = || server.server.metrics().sum("rendezvous_connections", &[]);
    until("both are gone", || open() == 0);
    let log = server.server.log();
    assert!(!log.contains("connection failed"), "{log}");
}

#[test]
fn half_closed_tls_body_is_rejected() {
    let server = TlsServer::start(&[]);
    let create = request::create("hello").bytes();
    let mut connection = server.open();
    connection.write(&create[..create.len() - 1]);
    connection.close_write();
    connection.reply().expect_error(400, "M_NOT_JSON");
}

// R2.46
#[test]
fn closed_tls_connection_ends_a_held_read() {
    let server = TlsServer::start(&[
        ("msc4108.long_poll.window", "30s"),
        ("msc4108.long_poll.timeout", "10s"),
    ]);
    let mut writer = server.open();
    let created = writer.send(&creation("hello")).expect(201);
    let (url, etag) = (created.text("url"), created.etag());
    let path = url.strip_prefix("https://rendezvous.test").expect("https");
    let write = Request::put(path)
        .header("If-Match", &etag)
        .header("Content-Type", "text/plain")
        .body("ECDH");
    let etag = writer.send(&write).expect(202).etag();
    let poll = Request::get(path).header("If-None-Match", &etag);
    let held = || server.server.metrics().sum("rendezvous_reads_held", &[]);
    let ended = |end| {
        let name = "rendezvous_hold_duration_seconds_count";
        server.server.metrics().sum(name, &[("end", end)])
    };
    let start_hold = || {
        let mut reader = server.open();
        reader.write(&poll.bytes());
        until("the read is held", || held() == 1);
        reader
    };
    let mut closed = start_hold();
    closed.close_write();
    closed.reply().expect(304);
    until("the hold has ended", || ended("hung_up") == 1);
    let mut closed = start_hold();
    closed.close_socket_write();
    closed.reply().expect(304);
    until("the hold has ended", || ended("hung_up") == 2);
    start_hold().reset();
    until("the hold has ended", || ended("abandoned") == 1);
    // A request behind the read is not the end.
    let mut early = start_hold();
    early.write(&Request::get(path).bytes());
    let write = Request::put(path)
        .header("If-Match", &etag)
        .header("Content-Type", "text/plain")
        .body("next");
    writer.send(&write).expect(202);
    for _ in 0..2 {
        assert_eq!(early.reply().expect(200).body, b"next");
    }
    until("the hold has ended", || ended("written") == 1);
}

#[test]
fn tls_client_that_reads_no_response_is_closed() {
    let server = TlsServer::start(&[
        ("http.request_timeout", "300ms"),
        ("telemetry.access_log", "false"),
    ]);
    let requests = Request::get("/nothing/of/ours").bytes().repeat(256);
    let mut connection = server.open();
    assert!(!connection.takes(&requests, 4096), "it took all of it");
    eventually("it is counted", || {
        (server.timed_out("send") == 1).then_some(())
    });
}

#[test]
fn incomplete_head_and_idle_tls_connections_time_out() {
    let server = TlsServer::start(&[("http.header_timeout", "300ms")]);
    let mut connection: Connection = server.open();
    connection.write(b"GET / HTTP/1.1\r\nX-Half: ");
    connection.read_to_close();
    until("it is counted", || server.timed_out("header") == 1);
    assert_eq!(server.timed_out("tls_handshake"), 0);
}
