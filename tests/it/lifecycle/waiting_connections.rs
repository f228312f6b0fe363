//! Connections that wait in the kernel when accepting stops.

use super::FAR;
use crate::server::Server;
use nix::sys::signal::Signal;
use testkit::api::UNSTABLE;
use testkit::http::{Connection, Request};
use testkit::server::Store;

/// The kernel has accepted the connections, and the process has not: a busy process is that late. A proxy does not
/// repeat what it has sent on one of them.
#[test]
fn connections_that_wait_to_be_accepted_are_served_in_the_drain() {
    let http1 = Request::get(UNSTABLE).bytes();
    let announced = [
        b"PROXY TCP4 203.0.113.1 127.0.0.1 1 2\r\n".as_slice(),
        &http1,
    ]
    .concat();
    waiting_requests_are_served(&[], &http1);
    waiting_requests_are_served(&[("http.h2c", "true")], &http1);
    let proxied = [
        ("http.proxy_protocol", "true"),
        ("http.trusted_proxies", "127.0.0.1/32"),
    ];
    waiting_requests_are_served(&proxied, &announced);
}

#[test]
fn connections_that_wait_at_a_unix_socket_are_served() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("http.sock");
    let listen = format!("unix:{}", path.display());
    let open = |_: &Server| Connection::try_open_unix(&path).expect("a connection");
    let request = Request::get(UNSTABLE).bytes();
    opened_requests_are_served(&[("http.listen", &listen)], &request, open);
    assert!(!path.exists());
}

fn waiting_requests_are_served(settings: &[(&str, &str)], sent: &[u8]) {
    opened_requests_are_served(settings, sent, |server| Connection::open(server.http));
}

/// More connections than the listener accepts before the process has seen the signal.
fn opened_requests_are_served(
    settings: &[(&str, &str)],
    sent: &[u8],
    open: impl Fn(&Server) -> Connection,
) {
    let common = [
        ("shutdown.grace", "0s"),
        ("shutdown.drain", FAR),
        ("limits.enabled", "false"),
    ];
    let server = Server::start(Store::Memory, &[&common, settings].concat());
    server.signal(Signal::SIGSTOP);
    let mut waiting: Vec<_> = (0..400).map(|_| open(&server)).collect();
    for connection in &mut waiting {
        connection.write(sent);
    }
    server.signal(Signal::SIGTERM);
    server.signal(Signal::SIGCONT);
    for connection in &mut waiting {
        connection.reply().expect(200);
    }
    assert_eq!(server.ended().code(), Some(0), "{}", server.log());
}
