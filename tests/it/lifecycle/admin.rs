//! The second listener: probes, version, and nothing that a client of the first could want.

use crate::harness::api::UNSTABLE;
use crate::harness::http::{Connection, Request};
use crate::harness::on_both_stores;
use crate::harness::server::Server;

on_both_stores! {
    probes_answer,
    the_version_is_that_of_the_package,
    the_admin_listener_has_no_sessions,
    the_admin_listener_survives_nonsense,
}

fn probes_answer(server: &Server) {
    for path in ["/healthz", "/readyz", "/metrics", "/version"] {
        server.admin_get(path).expect(200);
        let mut connection = Connection::open(server.admin);
        connection.send(&Request::head(path)).expect(200);
        connection.send(&Request::get(path)).expect(200);
    }
}

fn the_version_is_that_of_the_package(server: &Server) {
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

fn the_admin_listener_has_no_sessions(server: &Server) {
    server.admin_get(UNSTABLE).expect(404);
    server.admin_get("/").expect(404);
    server.admin_get("/metrics/").expect(404);
    let post = Connection::open(server.admin)
        .send(&Request::post("/metrics"))
        .status;
    assert!(post == 404 || post == 405, "{post}");
}

fn the_admin_listener_survives_nonsense(server: &Server) {
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
