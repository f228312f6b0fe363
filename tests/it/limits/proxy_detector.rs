//! The log warns about proxies that are not configured: at the first header that they send, or if all
//! clients seem to be a few private addresses.

use super::{TRUSTED, start};
use crate::server::Server;
use testkit::api::UNSTABLE;
use testkit::eventually;
use testkit::http::{Connection, Request};

const ENOUGH: usize = 1000;

/// The warnings: about a header, and about clients.
const OF_HEADER: &str = "is not in http.trusted_proxies";
const OF_CLIENTS: &str = "came from this private address";

/// The advice about a trusted proxy that names no client.
const OF_TRUSTED: &str = "This is a trusted proxy: let it send http.forwarded_header";

/// Sends this number of requests of these clients in turn, on one connection, as a proxy does.
fn send_requests(server: &Server, clients: &[&str], requests: usize) {
    let mut connection = Connection::open(server.http);
    for client in clients.iter().cycle().take(requests) {
        let request = Request::get(UNSTABLE).header("X-Forwarded-For", client);
        connection.send(&request).expect(200);
    }
}

/// Sends this number of requests without the header.
fn send_without_header(server: &Server, requests: usize) {
    let mut connection = Connection::open(server.http);
    for _ in 0..requests {
        connection.send(&Request::get(UNSTABLE)).expect(200);
    }
}

/// Sends a request of this client through a proxy of layer 4, with the header.
fn send_announced(server: &Server, source: &str) {
    let announced = match source {
        "" => "PROXY UNKNOWN\r\n".to_owned(),
        source if source.contains(':') => {
            format!("PROXY TCP6 {source} 2001:db8::80 4711 443\r\n")
        }
        source => format!("PROXY TCP4 {source} 192.0.2.80 4711 443\r\n"),
    };
    let request = Request::get(UNSTABLE).header("X-Forwarded-For", "203.0.113.1");
    let mut connection = Connection::open(server.http);
    connection.write(&[announced.as_bytes(), &request.bytes()].concat());
    connection.reply().expect(200);
}

/// The gauge, for the alert.
fn is_untrusted(server: &Server) -> bool {
    server.metrics().value("rendezvous_proxy_untrusted") == 1
}

fn warnings(server: &Server, text: &str) -> usize {
    server.log().matches(text).count()
}

/// Waits until this number of requests is in the log, and with them all earlier lines.
fn everything_is_logged(server: &Server, requests: usize) {
    eventually("each request is in the log", || {
        let lines = server.log().matches(" access: ").count();
        (lines >= requests).then_some(())
    });
}

/// The address is 127.0.0.1, because no proxy is trusted.
#[test]
fn first_header_of_an_unconfigured_proxy_is_reported() {
    let server = start(&[], &[]);
    assert!(!is_untrusted(&server));
    send_requests(&server, &["198.51.100.77"], 1);
    everything_is_logged(&server, 1);
    assert!(is_untrusted(&server));
    let log = server.log();
    let warning = log.lines().find(|line| line.contains(OF_HEADER));
    let warning = warning.unwrap_or_else(|| panic!("no warning: {log}"));
    for expected in [
        "WARN",
        "127.0.0.1 sends x-forwarded-for",
        "http.trusted_proxies = [\"127.0.0.1\"] (RENDEZVOUS_HTTP__TRUSTED_PROXIES=127.0.0.1)",
    ] {
        assert!(warning.contains(expected), "{expected}: {warning}");
    }
    assert!(!warning.contains("198.51.100.77"), "{warning}");
    // Once, and no second warning about the same.
    send_requests(&server, &["203.0.113.1"], ENOUGH + 1);
    everything_is_logged(&server, ENOUGH + 2);
    assert_eq!(
        [OF_HEADER, OF_CLIENTS].map(|of| warnings(&server, of)),
        [1, 0]
    );
}

#[test]
fn eight_private_peers_are_reported_once_each() {
    let server = start(&[], &[TRUSTED, ("http.proxy_protocol", "true")]);
    // The same peer as the first of the others.
    send_announced(&server, "::ffff:192.168.0.1");
    for _ in 0..2 {
        for last in 1..=9 {
            send_announced(&server, &format!("192.168.0.{last}"));
        }
    }
    everything_is_logged(&server, 19);
    assert_eq!(warnings(&server, OF_HEADER), 8);
    for line in [
        "http.trusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\", \"192.168.0.8\"]",
        "(RENDEZVOUS_HTTP__TRUSTED_PROXIES=127.0.0.1,10.0.0.0/8,192.168.0.8)",
    ] {
        assert_eq!(warnings(&server, line), 1, "{line}: {}", server.log());
    }
}

/// Any client can send the header, and a listed proxy that names no client passes on the client's.
#[test]
fn header_of_public_or_listed_peers_is_not_reported() {
    let server = start(&[], &[TRUSTED, ("http.proxy_protocol", "true")]);
    for source in ["203.0.113.9", "", "10.1.2.3"] {
        send_announced(&server, source);
    }
    everything_is_logged(&server, 3);
    assert_eq!(warnings(&server, OF_HEADER), 0);
    assert!(!is_untrusted(&server));
}

#[test]
fn unconfigured_proxy_without_header_is_reported_once() {
    let server = start(&[], &[]);
    send_without_header(&server, ENOUGH - 1);
    everything_is_logged(&server, ENOUGH - 1);
    assert_eq!(warnings(&server, OF_CLIENTS), 0);
    assert!(!is_untrusted(&server));
    send_without_header(&server, 1);
    eventually("the warning", || {
        (warnings(&server, OF_CLIENTS) == 1).then_some(())
    });
    assert!(is_untrusted(&server));
    let log = server.log();
    let warning = log.lines().find(|line| line.contains(OF_CLIENTS));
    let warning = warning.expect("a line");
    assert!(warning.contains("WARN"), "{warning}");
    assert!(warning.contains("http.trusted_proxies"), "{warning}");
    send_without_header(&server, 2 * ENOUGH);
    everything_is_logged(&server, 3 * ENOUGH);
    assert_eq!(warnings(&server, OF_CLIENTS), 1);
}

/// The proxy is trusted, and forwards no address.
#[test]
fn proxy_without_forwarded_header_is_reported() {
    let server = start(&[], &[TRUSTED]);
    send_requests(&server, &["unknown"], ENOUGH);
    eventually("the warning", || {
        (warnings(&server, OF_CLIENTS) == 1).then_some(())
    });
    assert_eq!(warnings(&server, OF_TRUSTED), 1);
}

/// Its address is none that `http.trusted_proxies` could list.
#[test]
fn unix_peer_without_forwarded_header_is_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("http.sock");
    let listen = format!("unix:{}", path.display());
    let server = start(&[], &[("http.listen", &listen)]);
    let mut connection = Connection::try_open_unix(&path).expect("a connection");
    for _ in 0..ENOUGH {
        connection.send(&Request::get(UNSTABLE)).expect(200);
    }
    eventually("the warning", || {
        (warnings(&server, OF_TRUSTED) == 1).then_some(())
    });
    assert!(is_untrusted(&server));
}

/// The pods of an ingress, of which only one is trusted.
#[test]
fn few_private_addresses_are_reported() {
    let server = start(&[], &[TRUSTED]);
    send_requests(&server, &["192.168.0.1", "192.168.0.2"], ENOUGH);
    eventually("the warning", || {
        (warnings(&server, OF_CLIENTS) == 1).then_some(())
    });
    assert_eq!(warnings(&server, OF_TRUSTED), 0);
}

#[test]
fn distinct_clients_cause_no_proxy_warning() {
    for clients in [&["203.0.113.1"][..], &["192.168.0.1", "203.0.113.1"]] {
        let server = start(&[], &[TRUSTED]);
        send_requests(&server, clients, ENOUGH);
        everything_is_logged(&server, ENOUGH);
        assert_eq!(warnings(&server, OF_CLIENTS), 0, "{clients:?}");
    }
}
