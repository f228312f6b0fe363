//! The connection limit per client: a further connection is closed, and other clients are not
//! affected.

use super::{TRUSTED, start};
use crate::server::Server;
use testkit::api::UNSTABLE;
use testkit::eventually;
use testkit::http::{Connection, Request};

const TWO: [(&str, &str); 2] = [
    ("limits.enabled", "true"),
    ("http.max_connections_per_client", "2"),
];

/// Opens a connection that begins with these bytes, and returns it once a request on it is
/// answered, or `None` if it is closed without a response.
fn open_connection(server: &Server, header: &str) -> Option<Connection> {
    let mut connection = Connection::open(server.http);
    connection.write(&[header.as_bytes(), &Request::get(UNSTABLE).bytes()].concat());
    let reply = connection.reply_if_any()?;
    reply.expect(200);
    Some(connection)
}

fn refused(server: &Server) -> u64 {
    let reason = [("reason", "per_client")];
    let name = "rendezvous_connections_refused_total";
    server.metrics().sum(name, &reason)
}

#[test]
fn connection_over_the_client_limit_is_closed() {
    let server = start(&TWO, &[]);
    let mut open = [open_connection(&server, ""), open_connection(&server, "")]
        .map(|one| one.expect("a place"));
    assert_eq!(refused(&server), 0);
    for count in 1..=3 {
        assert!(open_connection(&server, "").is_none(), "a third");
        assert_eq!(refused(&server), count);
    }
    // Accepted connections are still served.
    for connection in &mut open {
        connection.send(&Request::get(UNSTABLE)).expect(200);
    }
}

#[test]
fn closed_connection_releases_its_permit() {
    let server = start(&TWO, &[]);
    let _kept = open_connection(&server, "").expect("a place");
    for _ in 0..5 {
        let gone = eventually("a place", || open_connection(&server, ""));
        assert!(open_connection(&server, "").is_none());
        drop(gone);
    }
}

/// A trusted proxy's connections carry many clients.
#[test]
fn trusted_proxy_has_no_connection_limit() {
    let server = start(&TWO, &[TRUSTED]);
    let open: Vec<_> = (0..8).map(|_| open_connection(&server, "")).collect();
    assert!(open.iter().all(Option::is_some));
    assert_eq!(refused(&server), 0);
}

#[test]
fn disabled_limits_allow_any_connection_count() {
    let server = start(&TWO, &[("limits.enabled", "false")]);
    let open: Vec<_> = (0..8).map(|_| open_connection(&server, "")).collect();
    assert!(open.iter().all(Option::is_some));
}

#[test]
fn connection_limit_applies_to_the_announced_client() {
    let server = start(&TWO, &[TRUSTED, ("http.proxy_protocol", "true")]);
    let from = |source: &str| {
        let (family, own) = if source.contains(':') {
            ("TCP6", "2001:db8::80")
        } else {
            ("TCP4", "192.0.2.80")
        };
        open_connection(
            &server,
            &format!("PROXY {family} {source} {own} 4711 443\r\n"),
        )
    };
    let one = "203.0.113.1";
    let open = [one, one, "203.0.113.2", "::ffff:203.0.113.2"].map(from);
    assert!(open.iter().all(Option::is_some));
    assert!(from(one).is_none() && from("203.0.113.2").is_none());
    // A /64 is one client.
    let network = ["2001:db8:0:1::1", "2001:db8:0:1::2"].map(from);
    assert!(network.iter().all(Option::is_some));
    assert!(from("2001:db8:0:1::3").is_none());
    assert_eq!(refused(&server), 3);
    // Another trusted proxy, and a client that the proxy does not name.
    let proxies: Vec<_> = (0..4).map(|_| from("10.1.2.3")).collect();
    assert!(proxies.iter().all(Option::is_some));
    let unnamed: Vec<_> = (0..4)
        .map(|_| open_connection(&server, "PROXY UNKNOWN\r\n"))
        .collect();
    assert!(unnamed.iter().all(Option::is_some));
}

/// One customer of a provider can have 65,536 /64 networks.
#[test]
fn ipv6_48_has_ten_times_the_client_limit() {
    let server = start(&TWO, &[TRUSTED, ("http.proxy_protocol", "true")]);
    let from = |site: u8, subnet: usize| {
        let source = format!("2001:db8:{site}:{subnet}::1");
        open_connection(
            &server,
            &format!("PROXY TCP6 {source} 2001:db8::80 4711 443\r\n"),
        )
    };
    let open: Vec<_> = (0..20).map(|subnet| from(1, subnet)).collect();
    assert!(open.iter().all(Option::is_some));
    assert!(from(1, 77).is_none());
    assert_eq!(refused(&server), 1);
    assert!(from(2, 0).is_some(), "another network");
}

#[test]
fn default_connection_limit_is_100() {
    let server = start(
        &[("limits.enabled", "true")],
        &[("limits.create.client.burst", "200")],
    );
    let open: Vec<_> = (0..100).map(|_| open_connection(&server, "")).collect();
    assert!(open.iter().all(Option::is_some));
    assert!(open_connection(&server, "").is_none());
}
