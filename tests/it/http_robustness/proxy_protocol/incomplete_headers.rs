//! Connections whose PROXY header is not complete: they end by the timeout, by the peer, or by the
//! shutdown.

use super::{
    REFUSED, V2, assert_closed, connect_through_proxy, create, create_through_proxy,
    start_behind_balancer, v1,
};
use crate::http_robustness::timed_out;
use nix::sys::signal::Signal;
use testkit::eventually;
use testkit::http::Connection;

const PART: &[u8] = b"PROXY TCP4 203.";

#[test]
fn incomplete_or_missing_proxy_header_times_out() {
    let server = connect_through_proxy("127.0.0.1", &[("http.header_timeout", "300ms")]);
    for bytes in [PART, V2, b""] {
        assert_closed(&server, bytes);
    }
    assert_eq!(timed_out(&server, "proxy_header"), 3);
}

/// A load balancer probes whether the port is open, and may reset the connection.
#[test]
fn port_probe_or_reset_is_not_counted() {
    let server = start_behind_balancer();
    for _ in 0..3 {
        drop(Connection::open(server.http));
        let mut reset = Connection::open(server.http);
        reset.write(PART);
        reset.reset();
    }
    create_through_proxy(&server, &v1("203.0.113.1"), &create()).expect(200);
    eventually("all connections have ended", || {
        let open = server.metrics().sum("rendezvous_connections", &[]);
        (open == 0).then_some(())
    });
    assert_eq!(server.metrics().sum(REFUSED, &[]), 0);
}

#[test]
fn incomplete_proxy_header_does_not_delay_shutdown() {
    let settings = [
        ("http.header_timeout", "1h"),
        ("shutdown.grace", "0s"),
        ("shutdown.drain", "1h"),
    ];
    let server = connect_through_proxy("127.0.0.1", &settings);
    let _silent = Connection::open(server.http);
    let mut begun = Connection::open(server.http);
    begun.write(PART);
    // The server has accepted the earlier connections too.
    create_through_proxy(&server, &v1("203.0.113.1"), &create()).expect(200);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.ended().code(), Some(0), "{}", server.log());
}
