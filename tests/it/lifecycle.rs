//! The lifecycle of the process, as operators and their load balancers see it.
//!
//! Shutdown is here; the start, the admin listener and reload are in submodules. Redis outages are
//! in `redis_*.rs`.

mod admin;
mod open_files;
mod reload;
mod service_manager;
mod start;
mod waiting_connections;

use std::net::TcpStream;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::server::{Server, on_both_stores};
use testkit::api::UNSTABLE;
use testkit::eventually;
use testkit::http::{Connection, Request};
use testkit::server::Store;

const FAR: &str = "300s";

on_both_stores! {
    with ["shutdown.grace" = "300s", "shutdown.drain" = "300s"];
    server_is_unready_but_serves_during_grace,
}

on_both_stores! {
    with ["shutdown.grace" = "100ms", "shutdown.drain" = "300s"];
    requests_in_flight_finish_during_drain,
    idle_server_exits_with_0,
}

fn not_ready(server: &Server) {
    eventually("not ready", || {
        (server.admin_get("/readyz").status == 503).then_some(())
    });
}

fn server_is_unready_but_serves_during_grace(server: &Server) {
    let session = server.create("zero");
    let mut pooled = Connection::open(server.http);
    assert!(
        !pooled
            .send(&Request::get(UNSTABLE))
            .expect(200)
            .says_close()
    );
    let mut idle = Connection::open(server.http);
    idle.send(&Request::get(UNSTABLE)).expect(200);

    server.signal(Signal::SIGTERM);
    not_ready(server);
    // Still alive: a restart now would cut requests that are being served.
    server.admin_get("/healthz").expect(200);
    // Requests in flight, on pooled and on new connections are answered with `Connection: close`.
    let reply = pooled.send(&Request::get(UNSTABLE)).expect(200);
    assert!(reply.says_close(), "{reply}");
    assert_eq!(pooled.read_to_close(), b"");
    let reply = server.put(&session.id, &session.token, "one").expect(200);
    assert!(reply.says_close(), "{reply}");
    let reply = server.call(&Request::get("/unknown")).expect(404);
    assert!(reply.says_close(), "{reply}");
    server.assert_holds(&session.id, "one", &server.read(&session.id).token);

    server.signal(Signal::SIGTERM);
    server.ended();
}

/// A creation with half of its body sent, and the other half.
fn partial_create(server: &Server) -> (Connection, &'static [u8]) {
    let body = br#"{"data":"in two halves"}"#;
    let mut connection = Connection::open(server.http);
    let head = format!(
        "POST {UNSTABLE} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    connection.write(head.as_bytes());
    connection.write(&body[..10]);
    in_flight(server, 1);
    (connection, &body[10..])
}

fn in_flight(server: &Server, count: u64) {
    eventually("the request is in flight", || {
        let now = server
            .metrics()
            .sum("rendezvous_http_requests_in_flight", &[]);
        (now == count).then_some(())
    });
}

fn no_longer_accepts(server: &Server) {
    eventually("no new connection", || {
        TcpStream::connect_timeout(&server.http, Duration::from_secs(1)).err()
    });
}

fn requests_in_flight_finish_during_drain(server: &Server) {
    let (mut connection, rest) = partial_create(server);
    server.signal(Signal::SIGTERM);
    no_longer_accepts(server);
    connection.write(rest);
    let reply = connection.reply().expect(200);
    assert!(reply.says_close(), "{reply}");
    assert_eq!(server.ended().code(), Some(0), "{}", server.log());
}

fn idle_server_exits_with_0(server: &Server) {
    server.create("hello");
    let mut idle = Connection::open(server.http);
    idle.send(&Request::get(UNSTABLE)).expect(200);
    server.signal(Signal::SIGTERM);
    // An idle connection does not delay the shutdown, and is closed without a response.
    assert_eq!(idle.read_to_close(), b"");
    assert_eq!(server.ended().code(), Some(0), "{}", server.log());
}

/// A proxy opened the connection just before the drain, and its first request arrives just after.
#[test]
fn first_request_of_a_new_connection_is_answered_in_the_drain() {
    let settings = [("shutdown.grace", "0s"), ("shutdown.drain", FAR)];
    let server = Server::start(Store::Memory, &settings);
    let mut opened = Connection::open(server.http);
    eventually("the connection is accepted", || {
        (server.metrics().sum("rendezvous_connections", &[]) >= 1).then_some(())
    });
    server.signal(Signal::SIGTERM);
    eventually("the drain begins", || {
        server.log().contains("draining").then_some(())
    });
    let reply = opened.send(&Request::get(UNSTABLE)).expect(200);
    assert!(reply.says_close(), "{reply}");
    assert_eq!(server.ended().code(), Some(0), "{}", server.log());
}

/// Its last response is out and our side is closed. The client keeps its side open, which does not
/// count as cut. The drain is shorter than the time for which the server waits for it.
#[test]
fn idle_client_at_shutdown_does_not_count_as_cut() {
    let settings = [("shutdown.grace", "100ms"), ("shutdown.drain", "1s")];
    let server = Server::start(Store::Memory, &settings);
    let mut idle = Connection::open(server.http);
    idle.send(&Request::get(UNSTABLE)).expect(200);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.ended().code(), Some(0), "{}", server.log());
    assert_eq!(idle.read_to_close(), b"");
}

/// With h2c the first bytes select the HTTP version; a proxy's pre-opened connection has sent none.
#[test]
fn silent_h2c_connection_does_not_delay_shutdown() {
    let settings = [
        ("http.h2c", "true"),
        ("shutdown.grace", "100ms"),
        ("shutdown.drain", FAR),
    ];
    let server = Server::start(Store::Memory, &settings);
    let mut silent = Connection::open(server.http);
    eventually("the connection is accepted", || {
        let idle = [("state", "idle")];
        (server.metrics().sum("rendezvous_connections", &idle) == 1).then_some(())
    });
    server.signal(Signal::SIGTERM);
    assert_eq!(silent.read_to_close(), b"");
    assert_eq!(server.ended().code(), Some(0), "{}", server.log());
}

#[test]
fn sigint_acts_like_sigterm() {
    let server = Server::start(Store::Memory, &[("shutdown.grace", "100ms")]);
    server.signal(Signal::SIGINT);
    assert_eq!(server.ended().code(), Some(0), "{}", server.log());
}

/// There is no other replica for a load balancer to choose, and a person waits at the terminal.
#[test]
fn interrupt_on_the_memory_store_skips_the_grace() {
    let server = Server::start(Store::Memory, &[("shutdown.grace", FAR)]);
    let (mut connection, rest) = partial_create(&server);
    server.signal(Signal::SIGINT);
    no_longer_accepts(&server);
    // The drain is as after SIGTERM.
    connection.write(rest);
    connection.reply().expect(200);
    assert_eq!(server.ended().code(), Some(0), "{}", server.log());
}

#[test]
fn only_interrupts_on_the_memory_store_skip_the_grace() {
    for (store, signal) in [
        (Store::Memory, Signal::SIGTERM),
        (Store::Redis, Signal::SIGINT),
        (Store::Redis, Signal::SIGTERM),
    ] {
        let server = Server::start(store, &[("shutdown.grace", FAR)]);
        server.signal(signal);
        not_ready(&server);
        server.call(&Request::get(UNSTABLE)).expect(200);
        eventually("the log names the whole grace", || {
            server.log().contains("grace=5m").then_some(())
        });
    }
}

/// A request that outlives the drain is cut, and the exit status says so.
#[test]
fn requests_left_after_the_drain_are_cut() {
    let settings = [
        ("shutdown.grace", "100ms"),
        ("shutdown.drain", "100ms"),
        ("http.body_timeout", FAR),
        ("http.request_timeout", FAR),
    ];
    let server = Server::start(Store::Memory, &settings);
    let (mut connection, _) = partial_create(&server);
    server.signal(Signal::SIGTERM);
    connection.read_to_close();
    let code = server.ended().code();
    assert!(
        code.is_some_and(|code| code != 0),
        "{code:?}: {}",
        server.log()
    );
}

#[test]
fn second_signal_cuts_at_once() {
    for second in [Signal::SIGTERM, Signal::SIGINT] {
        let settings = [
            ("shutdown.grace", FAR),
            ("shutdown.drain", FAR),
            ("http.body_timeout", FAR),
            ("http.request_timeout", FAR),
        ];
        let server = Server::start(Store::Memory, &settings);
        let (mut connection, _) = partial_create(&server);
        server.signal(Signal::SIGTERM);
        not_ready(&server);
        server.signal(second);
        connection.read_to_close();
        let code = server.ended().code();
        assert!(
            code.is_some_and(|code| code != 0),
            "{code:?}: {}",
            server.log()
        );
    }
}

/// The server announces that it listens and gets the signal at the same moment, as an orchestrator
/// can send it. Repeated many times, because it is a race, and a process that loses it is killed by
/// the signal.
#[test]
fn early_signal_shuts_down_cleanly() {
    for _ in 0..24 {
        let server = Server::launch(&[("mode", "open"), ("shutdown.grace", "1ms")]);
        server.signal(Signal::SIGTERM);
        let end = server.ended();
        assert_eq!(end.code(), Some(0), "{end}: {}", server.log());
    }
}
