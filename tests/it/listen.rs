//! Listeners with several addresses, host names, and one port on all addresses. Unix sockets are in
//! `listen/unix.rs`, their files in `listen/socket_files.rs`, sockets of systemd in `listen/passed.rs`; what is
//! rejected is in `cli/listen.rs`.

mod passed;
mod socket_files;
mod unix;

use crate::server::Server;
use nix::sys::signal::Signal;
use std::net::{Ipv4Addr, SocketAddr};
use testkit::api::{UNSTABLE, at, body, request};
use testkit::http::{Connection, Request};
use testkit::server::Store;
use testkit::until;

/// Two addresses of loopback, each with a port of the system's choice.
const TWO: &str = "127.0.0.1:0,127.0.0.2:0";

/// The addresses of a listener, in the order of the configuration.
#[track_caller]
fn addresses(server: &Server, listener: &str) -> Vec<SocketAddr> {
    let logged = server.addresses(listener);
    let parsed = logged.iter().map(|address| address.parse());
    let parsed: Result<_, _> = parsed.collect();
    parsed.unwrap_or_else(|error| panic!("{error}: {logged:?}"))
}

#[test]
fn two_addresses_serve_one_session() {
    let settings = [("http.listen", TWO), ("admin.listen", TWO)];
    let server = Server::start(Store::Memory, &settings);
    let http = addresses(&server, "http");
    assert_eq!(http.len(), 2, "{http:?}");
    let mut devices = [http[0], http[1]].map(Connection::open);
    let created = devices[0].send(&request::create("hello")).expect(200);
    let (id, token) = (created.text("id"), created.text("sequence_token"));
    let write = Request::put(&at(&id)).json(&body(&token, "reply"));
    devices[1].send(&write).expect(200);
    let read = devices[0].send(&request::read(&id)).expect(200);
    assert_eq!(read.text("data"), "reply");
    let admin = addresses(&server, "admin");
    assert_eq!(admin.len(), 2, "{admin:?}");
    for address in admin {
        let ready = Connection::open(address).send(&Request::get("/readyz"));
        ready.expect(200);
    }
}

/// With one permit for each socket, an idle socket would keep the only one.
#[test]
fn addresses_share_the_connection_limit() {
    let settings = [("http.listen", TWO), ("http.max_connections", "1")];
    let server = Server::start(Store::Memory, &settings);
    let http = addresses(&server, "http");
    for _ in 0..3 {
        for address in &http {
            let mut connection = Connection::open(*address);
            connection.send(&Request::get(UNSTABLE)).expect(200);
        }
    }
    let mut first = Connection::open(http[0]);
    first.send(&Request::get(UNSTABLE)).expect(200);
    let mut second = Connection::open(http[1]);
    second.write(&Request::get(UNSTABLE).bytes());
    drop(first);
    second.reply().expect(200);
}

#[test]
fn port_alone_listens_on_ipv6_and_ipv4() {
    let limits = [
        ("limits.enabled", "true"),
        ("limits.create.client.burst", "1"),
        ("limits.create.client.per_second", "0.001"),
        ("http.trusted_proxies", "127.0.0.1"),
    ];
    let all = [("http.listen", ":0"), ("admin.listen", ":0")];
    let server = Server::start(Store::Memory, &[&limits[..], &all].concat());
    let [http, admin] = ["http", "admin"].map(|listener| addresses(&server, listener)[0]);
    for host in ["127.0.0.1", "::1"] {
        let at = |port| SocketAddr::new(host.parse().expect("an address"), port);
        let reply = Connection::open(at(http.port())).send(&Request::get(UNSTABLE));
        reply.expect(200);
        let ready = Connection::open(at(admin.port())).send(&Request::get("/readyz"));
        ready.expect(200);
    }
    // An IPv4 peer of an IPv6 socket has the address that `http.trusted_proxies` lists.
    for client in ["203.0.113.1", "203.0.113.2"] {
        let create = request::create("hello").header("X-Forwarded-For", client);
        let mut proxy = Connection::open((Ipv4Addr::LOCALHOST, http.port()).into());
        proxy.send(&create).expect(200);
        proxy.send(&create).expect(429);
    }
}

#[test]
fn host_name_is_resolved() {
    let settings = [("http.listen", "localhost:0")];
    let server = Server::start(Store::Memory, &settings);
    let http = addresses(&server, "http");
    assert!(!http.is_empty());
    for address in http {
        assert!(address.ip().is_loopback(), "{address}");
        let reply = Connection::open(address).send(&Request::get(UNSTABLE));
        reply.expect(200);
    }
}

#[test]
fn all_addresses_serve_in_the_grace_and_stop_in_the_drain() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("http.sock");
    let listen = format!("{TWO},unix:{}", path.display());
    let settings = [
        ("http.listen", &*listen),
        ("shutdown.grace", "300s"),
        ("shutdown.drain", "300s"),
    ];
    let server = Server::start(Store::Memory, &settings);
    let sockets = server.addresses("http");
    let http: Vec<SocketAddr> = sockets.iter().flat_map(|address| address.parse()).collect();
    assert_eq!((sockets.len(), http.len()), (3, 2), "{sockets:?}");
    server.signal(Signal::SIGTERM);
    until("it is unready", || {
        server.admin_get("/readyz").status == 503
    });
    let opened = http.iter().map(|address| Connection::open(*address));
    let unix = Connection::try_open_unix(&path).expect("a connection");
    for mut connection in opened.chain([unix]) {
        let reply = connection.send(&Request::get(UNSTABLE)).expect(200);
        assert!(reply.says_close(), "{reply}");
    }
    server.signal(Signal::SIGTERM);
    server.ended();
    for address in http {
        assert!(Connection::try_open(address).is_err(), "{address}");
    }
    assert!(!path.exists());
}
