//! The log warns if all clients seem to be one private address: then the proxy in front is not
//! configured.

use super::{TRUSTED, start};
use crate::server::Server;
use testkit::api::UNSTABLE;
use testkit::eventually;
use testkit::http::{Connection, Request};

const ENOUGH: usize = 1000;

/// Sends this number of requests of these clients in turn, on one connection, as a proxy does.
fn send_requests(server: &Server, clients: &[&str], requests: usize) {
    let mut connection = Connection::open(server.http);
    for client in clients.iter().cycle().take(requests) {
        let request = Request::get(UNSTABLE).header("X-Forwarded-For", client);
        connection.send(&request).expect(200);
    }
}

fn warnings(server: &Server) -> usize {
    let log = server.log();
    log.matches("came from this private address").count()
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
fn unconfigured_proxy_is_reported_once() {
    let server = start(&[], &[]);
    send_requests(&server, &["203.0.113.1", "203.0.113.2"], ENOUGH - 1);
    everything_is_logged(&server, ENOUGH - 1);
    assert_eq!(warnings(&server), 0);
    send_requests(&server, &["203.0.113.1"], 1);
    eventually("the warning", || (warnings(&server) == 1).then_some(()));
    let log = server.log();
    let warning = log.lines().find(|line| line.contains("private address"));
    let warning = warning.expect("a line");
    assert!(warning.contains("WARN"), "{warning}");
    assert!(warning.contains("http.trusted_proxies"), "{warning}");
    send_requests(&server, &["203.0.113.1"], 2 * ENOUGH);
    everything_is_logged(&server, 3 * ENOUGH);
    assert_eq!(warnings(&server), 1);
}

/// The proxy is trusted, and forwards no address.
#[test]
fn proxy_without_forwarded_header_is_reported() {
    let server = start(&[], &[TRUSTED]);
    send_requests(&server, &["unknown"], ENOUGH);
    eventually("the warning", || (warnings(&server) == 1).then_some(()));
}

/// The pods of an ingress, of which only one is trusted.
#[test]
fn few_private_addresses_are_reported() {
    let server = start(&[], &[TRUSTED]);
    send_requests(&server, &["192.168.0.1", "192.168.0.2"], ENOUGH);
    eventually("the warning", || (warnings(&server) == 1).then_some(()));
}

#[test]
fn distinct_clients_cause_no_proxy_warning() {
    for clients in [&["203.0.113.1"][..], &["192.168.0.1", "203.0.113.1"]] {
        let server = start(&[], &[TRUSTED]);
        send_requests(&server, clients, ENOUGH);
        everything_is_logged(&server, ENOUGH);
        assert_eq!(warnings(&server), 0, "{clients:?}");
    }
}
