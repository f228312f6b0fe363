//! Handshakes that fail, never end, or come behind a PROXY protocol header.

use super::TlsServer;
use nix::sys::signal::Signal;
use testkit::api::UNSTABLE;
use testkit::certificates::Certificates;
use testkit::http::{Connection, Request};
use testkit::{eventually, until};

/// The head of a TLS record that announces 508 bytes, and the first of them.
const PART_OF_A_HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

fn discovery() -> Request {
    Request::get(UNSTABLE)
}

#[track_caller]
fn until_refused(server: &TlsServer, reason: &str, count: u64) -> String {
    until("it is counted", || server.refused(reason) == count);
    let field = format!("reason=\"{reason}\"");
    eventually("a line in the log", || {
        let log = server.server.log();
        let mut lines = log.lines().map(str::to_owned);
        lines.find(|line| line.contains(&field))
    })
}

#[test]
fn plain_text_client_is_closed_and_counted() {
    let server = TlsServer::start(&[]);
    let mut plain = Connection::open(server.server.http);
    plain.write(&discovery().bytes());
    let received = plain.read_to_close();
    assert!(!received.starts_with(b"HTTP"), "{received:?}");
    let line = until_refused(&server, "no_tls", 1);
    assert!(line.contains("https://"), "{line}");
    assert_eq!(server.refused("tls_handshake"), 0);
    server.open().send(&discovery()).expect(200);
}

#[test]
fn client_that_distrusts_the_certificate_is_counted() {
    let server = TlsServer::start(&[]);
    let others = Certificates::make().client_config(&["h2"]);
    let refused = Connection::try_open_tls(server.server.http, &others);
    assert!(refused.is_err(), "the certificate is trusted");
    let line = until_refused(&server, "tls_handshake", 1);
    assert!(line.contains("http.tls_cert_file"), "{line}");
}

#[test]
fn client_without_a_common_alpn_protocol_is_refused() {
    let server = TlsServer::start(&[]);
    let tls = server.client(&["spdy/3"]);
    let refused = Connection::try_open_tls(server.server.http, &tls);
    assert!(refused.is_err(), "a protocol was chosen");
    until_refused(&server, "tls_handshake", 1);
}

#[test]
fn incomplete_handshake_is_closed_by_header_timeout() {
    let server = TlsServer::start(&[("http.header_timeout", "300ms")]);
    for (count, sent) in (1..).zip([&b""[..], PART_OF_A_HELLO]) {
        let mut silent = Connection::open(server.server.http);
        silent.write(sent);
        assert_eq!(silent.read_to_close(), b"");
        until("it is counted", || {
            server.timed_out("tls_handshake") == count
        });
    }
    assert_eq!(server.timed_out("header"), 0);
}

/// A byte now and then does not extend the time.
#[test]
fn slow_handshake_is_closed_by_header_timeout() {
    let server = TlsServer::start(&[("http.header_timeout", "1s")]);
    let mut slow = Connection::open(server.server.http);
    slow.write(PART_OF_A_HELLO);
    let received = slow.drip_until_close(0, std::time::Duration::from_millis(100));
    assert_eq!(received, b"");
    until("it is counted", || server.timed_out("tls_handshake") == 1);
}

#[test]
fn probe_of_the_port_is_not_counted() {
    let server = TlsServer::start(&[]);
    for sent in [&b""[..], PART_OF_A_HELLO] {
        let mut probe = Connection::open(server.server.http);
        probe.write(sent);
        probe.close_write();
        probe.read_to_close();
    }
    let counted = ["no_tls", "tls_handshake"].map(|reason| server.refused(reason));
    assert_eq!(counted, [0, 0]);
}

#[test]
fn incomplete_handshakes_count_towards_the_client_limit() {
    let server = TlsServer::start(&[
        ("limits.enabled", "true"),
        ("http.max_connections_per_client", "2"),
        ("http.header_timeout", "1h"),
    ]);
    let kept = [&b""[..], PART_OF_A_HELLO].map(|sent| {
        let mut connection = Connection::open(server.server.http);
        connection.write(sent);
        connection
    });
    // Each was accepted, and the server has looked at it.
    let open = || server.server.metrics().sum("rendezvous_connections", &[]);
    until("both are open", || open() == 2);
    let refused = || Connection::try_open_tls(server.server.http, &server.client(&[])).is_err();
    assert!(refused(), "a third");
    assert_eq!(server.refused("per_client"), 1);
    drop(kept);
    eventually("a place", || (!refused()).then_some(()));
}

/// Further connections wait in the kernel's queue.
#[test]
fn incomplete_handshakes_count_towards_all_connections() {
    let server = TlsServer::start(&[("http.max_connections", "1"), ("http.header_timeout", "1h")]);
    let silent = Connection::open(server.server.http);
    let open = || server.server.metrics().sum("rendezvous_connections", &[]);
    until("it is open", || open() == 1);
    let mut waiting = Connection::open(server.server.http);
    waiting.write(&discovery().bytes());
    assert!(waiting.stays_silent(std::time::Duration::from_millis(300)));
    assert_eq!(open(), 1);
    drop(silent);
    // It is refused because it speaks no TLS, so it was accepted.
    waiting.read_to_close();
    assert_eq!(server.refused("no_tls"), 1);
}

#[test]
fn handshake_follows_the_proxy_protocol_header() {
    let server = TlsServer::start(&[
        ("http.proxy_protocol", "true"),
        ("http.trusted_proxies", "127.0.0.1"),
        ("limits.enabled", "true"),
        ("http.max_connections_per_client", "1"),
    ]);
    let (address, tls) = (server.server.http, server.client(&["http/1.1"]));
    let from = |client: &str, is_at_once: bool| {
        let header = format!("PROXY TCP4 {client} 192.0.2.80 4711 443\r\n");
        let mut connection = Connection::open(address);
        if is_at_once {
            return connection.try_secure(header.as_bytes(), &tls);
        }
        connection.write(header.as_bytes());
        connection.try_secure(b"", &tls)
    };
    // The header and the first bytes of TLS in one packet, and each in its own.
    let mut open = [("203.0.113.1", true), ("203.0.113.2", false)]
        .map(|(client, is_at_once)| from(client, is_at_once).expect("a handshake"));
    for connection in &mut open {
        connection.send(&discovery()).expect(200);
    }
    // The limit is that of the announced client.
    assert!(from("203.0.113.1", true).is_err(), "a second connection");
    assert_eq!(server.refused("per_client"), 1);
    // Plain text behind the header.
    let mut plain = Connection::open(address);
    plain.write(b"PROXY TCP4 203.0.113.9 192.0.2.80 4711 443\r\nGET / HTTP/1.1\r\n\r\n");
    plain.read_to_close();
    until("it is counted", || server.refused("no_tls") == 1);
    // TLS without a header.
    let mut inside = Connection::open(address);
    inside.write(PART_OF_A_HELLO);
    inside.close_write();
    assert_eq!(inside.read_to_close(), b"");
    until("it is counted", || server.refused("proxy_header") == 1);
}

#[test]
fn incomplete_handshake_does_not_delay_shutdown() {
    let server = TlsServer::start(&[
        ("shutdown.grace", "0s"),
        ("shutdown.drain", "1h"),
        ("http.header_timeout", "1h"),
    ]);
    let mut silent = Connection::open(server.server.http);
    silent.write(PART_OF_A_HELLO);
    let mut idle = server.open();
    idle.send(&discovery()).expect(200);
    let open = || server.server.metrics().sum("rendezvous_connections", &[]);
    until("both are open", || open() == 2);
    server.server.signal(Signal::SIGTERM);
    let log = || server.server.log();
    assert_eq!(server.server.ended().code(), Some(0), "{}", log());
    assert_eq!(idle.read_to_close(), b"");
}
