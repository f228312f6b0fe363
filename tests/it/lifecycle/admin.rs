//! The admin listener: probes and version, and no session endpoints.

use crate::server::{Server, launch_on, on_both_stores, ready_on};
use nix::sys::signal::Signal;
use testkit::api::UNSTABLE;
use testkit::http::{Connection, Request};
use testkit::redis::RedisServer;
use testkit::server::Store;
use testkit::{eventually, until};

on_both_stores! {
    probe_endpoints_answer,
    other_method_on_admin_listener_is_405_with_allow,
    verbose_readyz_lists_components,
    version_endpoint_returns_the_package_version,
    admin_listener_serves_no_sessions,
    admin_listener_survives_invalid_requests,
}

/// Connections that the admin listener allows at once.
const MAX_CONNECTIONS: usize = 64;

/// Held open, they blocked every probe: idle from the start or after a request, in the middle of a
/// head, and not reading.
#[test]
fn idle_admin_connections_do_not_block_probes() {
    let server = Server::start(Store::Memory, &[]);
    let mut held = Vec::new();
    for number in 0..3 * MAX_CONNECTIONS {
        let mut connection = Connection::open(server.admin);
        match number % 4 {
            0 => {}
            1 => drop(connection.send(&Request::get("/healthz")).expect(200)),
            2 => connection.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "),
            _ => connection.write(&Request::get("/metrics").bytes()),
        }
        held.push(connection);
        if number + 1 >= MAX_CONNECTIONS && number % 16 == 0 {
            server.admin_get("/healthz").expect(200);
        }
    }
    server.admin_get("/readyz").expect(200);
    let open = server.metrics().value("process_open_fds");
    assert!(open < 2 * MAX_CONNECTIONS as u64, "{open} descriptors");
    let warning = "the admin listener has 56 connections";
    assert_eq!(server.log().matches(warning).count(), 1, "{}", server.log());
    // The oldest ended, the newest did not.
    assert_eq!(held[0].read_to_close(), b"");
    let newest = held.len() - 3;
    held[newest].send(&Request::get("/healthz")).expect(200);
}

fn probe_endpoints_answer(server: &Server) {
    for path in ["/healthz", "/readyz", "/metrics", "/version"] {
        server.admin_get(path).expect(200);
        let mut connection = Connection::open(server.admin);
        connection.send(&Request::head(path)).expect(200);
        connection.send(&Request::get(path)).expect(200);
    }
}

fn other_method_on_admin_listener_is_405_with_allow(server: &Server) {
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let request = Request::new(method, "/readyz");
        let reply = Connection::open(server.admin).send(&request).expect(405);
        assert_eq!(reply.header("allow"), Some("GET, HEAD"), "{method}");
    }
}

/// The lines of `/readyz?verbose`.
fn components(server: &Server, status: u16) -> Vec<String> {
    let reply = server.admin_get("/readyz?verbose").expect(status);
    let page = String::from_utf8(reply.body).expect("text");
    page.lines().map(str::to_owned).collect()
}

fn verbose_readyz_lists_components(server: &Server) {
    let well = [
        "[+] lifecycle: serving",
        "[+] store: fit, and answers",
        "[+] maintenance: off",
    ];
    assert_eq!(components(server, 200), well);
    // In the form of Kubernetes' own endpoint.
    let excluding = server.admin_get("/readyz?exclude=x&verbose=1").expect(200);
    assert_eq!(excluding.body, (well.join("\n") + "\n").into_bytes());
    for plain in ["/readyz", "/readyz?verbose=false", "/readyz?x=verbose"] {
        assert_eq!(server.admin_get(plain).expect(200).body, b"ready\n");
    }
}

#[test]
fn readyz_distinguishes_warnings_from_failures() {
    let mut redis = RedisServer::start();
    let worker = ready_on(&redis.url(), &[("shutdown.grace", "300s")]);
    redis.kill();
    let of_store = "[!] store: does not answer: polls and writes wait for it, creations get a 503";
    eventually("the store does not answer", || {
        components(&worker, 200)[1]
            .starts_with(of_store)
            .then_some(())
    });
    worker.signal(Signal::SIGTERM);
    eventually("it leaves", || {
        (worker.admin_get("/readyz").status == 503).then_some(())
    });
    let left = [
        "[-] lifecycle: shutting_down",
        of_store,
        "[+] maintenance: off",
    ];
    let page = components(&worker, 503);
    assert!(page[1].starts_with(left[1]), "{page:?}");
    assert_eq!([&*page[0], &*page[2]], [left[0], left[2]]);

    let unfit = RedisServer::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    let worker = launch_on(&unfit.url(), &[]);
    eventually("it says why", || {
        let page = components(&worker, 503);
        (page[0] == "[+] lifecycle: starting"
            && page[1].starts_with("[-] store: ")
            && page[1].contains("allkeys-lru"))
        .then_some(())
    });
}

fn version_endpoint_returns_the_package_version(server: &Server) {
    let reply = server.admin_get("/version").expect(200);
    assert_eq!(reply.text("version"), env!("CARGO_PKG_VERSION"));
    let build = server.metrics();
    let [(labels, "1")] = build.samples("rendezvous_build_info")[..] else {
        panic!("one build: {build:?}")
    };
    assert!(
        labels.contains(&format!("version=\"{}\"", env!("CARGO_PKG_VERSION"))),
        "{labels}"
    );
    assert!(labels.contains("revision=\""), "{labels}");
}

fn admin_listener_serves_no_sessions(server: &Server) {
    server.admin_get(UNSTABLE).expect(404);
    server.admin_get("/").expect(404);
    server.admin_get("/metrics/").expect(404);
    let post = Connection::open(server.admin)
        .send(&Request::post("/metrics"))
        .status;
    assert!(post == 404 || post == 405, "{post}");
}

fn admin_listener_survives_invalid_requests(server: &Server) {
    for bytes in [
        &b"nonsense\r\n\r\n"[..],
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    ] {
        let mut connection = Connection::open(server.admin);
        connection.write(bytes);
        assert!(!connection.read_to_close().starts_with(b"HTTP/1.1 2"));
    }
    server.admin_get("/healthz").expect(200);
}

/// The `store` of `/version`.
fn store_identity(replica: &Server) -> Option<String> {
    let page = replica.admin_get("/version").expect(200).json();
    page["store"].as_str().map(str::to_owned)
}

/// A replica that was started after the restart has the same `store` as one from before.
#[test]
fn store_identity_follows_a_restarted_redis() {
    let mut redis = RedisServer::start();
    let settings = [("mode", "open")];
    let old = ready_on(&redis.url(), &settings);
    let before = store_identity(&old).expect("INFO has a run id");
    redis.kill();
    redis.restart();
    let new = ready_on(&redis.url(), &settings);
    let after = store_identity(&new).expect("INFO has a run id");
    assert_ne!(after, before);
    until("the old replica has the same", || {
        store_identity(&old).as_ref() == Some(&after)
    });
}
