//! Sockets that a service manager passes to the server (`sd_listen_fds(3)`). The tests hold a socket as
//! systemd does, and pass copies; `systemd-socket-activate` starts one of the servers. What is rejected is in
//! `passed/rejected.rs`.

mod rejected;

use super::unix::open;
use crate::server::{BINARY, Server};
use nix::sys::signal::Signal;
use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use testkit::api::{UNSTABLE, request};
use testkit::certificates::Certificates;
use testkit::http::{Connection, Request};
use testkit::process::free_port;
use testkit::server::ServerBinary;
use testkit::until;

const OPEN: (&str, &str) = ("mode", "open");

/// A socket that listens, and its address.
fn tcp() -> (TcpListener, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let address = socket.local_addr().expect("an address");
    (socket, address)
}

/// Starts a server with this socket for clients, and waits until it listens.
#[track_caller]
fn start(socket: impl Into<OwnedFd>, settings: &[(&str, &str)]) -> Server {
    // The socket comes as the output of the shell, and becomes the first passed descriptor.
    let script = "exec 3>&1 1>/dev/null && export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=http";
    let mut command = BINARY.command_after(script);
    let socket: OwnedFd = socket.into();
    let settings = [&[OPEN], settings].concat();
    Server::launch_command(command.stdout(Stdio::from(socket)), &settings)
}

fn copy(socket: &TcpListener) -> TcpListener {
    socket.try_clone().expect("a copy")
}

#[test]
fn passed_socket_replaces_the_configured_addresses() {
    let (socket, address) = tcp();
    let unused = format!("127.0.0.1:{}", free_port());
    let server = start(socket, &[("http.listen", &unused)]);
    assert_eq!(server.addresses("http"), [address.to_string()]);
    let reply = Connection::open(address).send(&request::create("hello"));
    reply.expect(200);
    let unused = unused.parse().expect("an address");
    assert!(Connection::try_open(unused).is_err());
    let log = server.log();
    assert!(log.contains("http.listen is not used"), "{log}");
    // No socket was passed for it.
    assert!(!log.contains("admin.listen is not used"), "{log}");
    server.admin_get("/readyz").expect(200);
}

/// A server that shuts the socket down as it ends would refuse this connection, and all later ones.
#[test]
fn connection_during_a_restart_waits_for_the_next_process() {
    let (socket, address) = tcp();
    let shutdown = [("shutdown.grace", "0s"), ("shutdown.drain", "300s")];
    let server = start(copy(&socket), &shutdown);
    let mut in_flight = Connection::open(address);
    let create = request::create("hello").bytes();
    let (head, rest) = create.split_at(create.len() - 3);
    in_flight.write(head);
    until("the request is in flight", || {
        let name = "rendezvous_http_requests_in_flight";
        server.metrics().sum(name, &[]) == 1
    });
    server.signal(Signal::SIGTERM);
    until("it is unready", || {
        server.admin_get("/readyz").status == 503
    });
    in_flight.write(rest);
    assert!(in_flight.reply().expect(200).says_close());
    assert_eq!(server.ended().code(), Some(0), "{}", server.log());
    let mut waiting = Connection::open(address);
    waiting.write(&Request::get(UNSTABLE).bytes());
    let next = start(socket, &shutdown);
    waiting.reply().expect(200);
    drop(next);
}

#[test]
fn file_of_a_passed_unix_socket_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("http.sock");
    let socket = UnixListener::bind(&path).expect("a socket");
    fs::set_permissions(&path, Permissions::from_mode(0o660)).expect("a mode");
    let server = start(socket.try_clone().expect("a copy"), &[]);
    assert_eq!(
        server.addresses("http"),
        [format!("unix:{}", path.display())]
    );
    open(&path).send(&Request::get(UNSTABLE)).expect(200);
    let log = server.log();
    assert!(!log.contains("any process may connect"), "{log}");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.ended().code(), Some(0));
    assert!(path.exists());
    let mut waiting = open(&path);
    waiting.write(&Request::get(UNSTABLE).bytes());
    fs::set_permissions(&path, Permissions::from_mode(0o666)).expect("a mode");
    let next = start(socket, &[]);
    waiting.reply().expect(200);
    // `SocketMode=` of systemd is 0666 by default.
    let log = next.log();
    assert!(log.contains("SocketMode=0660"), "{log}");
}

/// One creation for each client.
const ONE_CREATION: [(&str, &str); 3] = [
    ("limits.enabled", "true"),
    ("limits.create.client.burst", "1"),
    ("limits.create.client.per_second", "0.001"),
];

#[test]
fn peer_of_a_passed_unix_socket_is_a_trusted_proxy() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("http.sock");
    let server = start(UnixListener::bind(&path).expect("a socket"), &ONE_CREATION);
    for (client, status) in [("1", 200), ("1", 429), ("2", 200)] {
        let client = format!("203.0.113.{client}");
        let create = request::create("hello").header("X-Forwarded-For", &client);
        assert_eq!(open(&path).send(&create).status, status, "{client}");
    }
    drop(server);
}

#[test]
fn limits_proxy_protocol_and_tls_apply_to_a_passed_socket() {
    let (socket, address) = tcp();
    let certificates = Certificates::make();
    let [cert, key] = [certificates.cert_file(), certificates.key_file()];
    let settings = [
        ("http.proxy_protocol", "true"),
        ("http.trusted_proxies", "127.0.0.1"),
        ("http.tls_cert_file", cert.to_str().expect("UTF-8")),
        ("http.tls_key_file", key.to_str().expect("UTF-8")),
    ];
    let server = start(socket, &[&ONE_CREATION[..], &settings].concat());
    let tls = certificates.client_config(&["http/1.1"]);
    for (client, status) in [("1", 200), ("1", 429), ("2", 200)] {
        let header = format!("PROXY TCP4 203.0.113.{client} 192.0.2.80 4711 443\r\n");
        let connection = Connection::open(address).try_secure(header.as_bytes(), &tls);
        let mut connection = connection.expect("a handshake");
        let created = connection.send(&request::create("hello"));
        assert_eq!(created.status, status, "{client}");
    }
    let mut plain = Connection::open(address);
    plain.write(&Request::get(UNSTABLE).bytes());
    assert!(plain.reply_if_any().is_none());
    drop(server);
}

/// The command that lets systemd open these sockets for `http` and `admin`, and start the server at the first
/// connection.
fn activate(http: SocketAddr, admin: SocketAddr, config: &Path) -> Command {
    let mut command = Command::new("systemd-socket-activate");
    for address in [http, admin] {
        command.arg("--listen").arg(address.to_string());
    }
    command.arg("--fdname=http:admin");
    command.arg(format!("--setenv=RENDEZVOUS_CONFIG={}", config.display()));
    command.args([BINARY.0, "serve"]);
    command
}

#[test]
fn systemd_passes_both_sockets_and_reload_keeps_them() {
    let [http, admin] =
        [free_port(), free_port()].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("config.toml");
    let text = "mode = \"open\"\nlimits.enabled = false\n";
    fs::write(&config, text).expect("a file");
    let mut command = activate(http, admin, &config);
    let server = ServerBinary::launch_command_at(&mut command, [http, admin], &[]);
    let mut waiting = None;
    until("systemd listens", || {
        waiting = Connection::try_open(http).ok();
        waiting.is_some()
    });
    let reply = waiting
        .expect("a connection")
        .send(&request::create("hello"));
    reply.expect(200);
    assert_eq!(server.addresses("http"), [http.to_string()]);
    assert_eq!(server.addresses("admin"), [admin.to_string()]);
    let log = server.log();
    assert!(log.contains("admin.listen is not used"), "{log}");
    fs::write(&config, format!("maintenance = true\n{text}")).expect("a file");
    server.signal(Signal::SIGHUP);
    until("no session is created", || {
        Connection::open(http)
            .send(&request::create("hello"))
            .status
            == 403
    });
    let log = server.log();
    assert!(!log.contains("need a restart"), "{log}");
    server.signal(Signal::SIGTERM);
    server.signal(Signal::SIGTERM);
    server.ended();
}
