//! Sockets of a service manager that the server cannot use: it ends with an error that says what to write.

use super::{BINARY, OPEN, tcp};
use crate::server::Server;
use std::fs::File;
use std::net::{TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::Stdio;
use testkit::server::variable;

/// Passes this socket with these variables, and returns the error with which the server ends.
#[track_caller]
fn rejected(socket: impl Into<OwnedFd>, variables: &str, settings: &[(&str, &str)]) -> String {
    let script = format!("exec 3<&0 </dev/null && export LISTEN_PID=$$ {variables}");
    let mut command = BINARY.command_after(&script);
    let settings = settings.iter().map(|(key, value)| (variable(key), *value));
    let socket: OwnedFd = socket.into();
    let command = command.stdin(Stdio::from(socket)).envs(settings);
    // A server that starts would not end.
    let ended = command
        .env("RENDEZVOUS_ADMIN__LISTEN", "192.0.2.1:1")
        .output();
    let ended = ended.expect("the server starts");
    let error = String::from_utf8(ended.stderr).expect("text");
    assert_eq!(ended.status.code(), Some(1), "{error}");
    error
}

#[track_caller]
fn assert_has(error: &str, texts: &[&str]) {
    for text in texts {
        assert!(error.contains(text), "{text:?} is not in {error}");
    }
}

const ONE_HTTP: &str = "LISTEN_FDS=1 LISTEN_FDNAMES=http";

#[test]
fn socket_of_another_kind_is_rejected() {
    let datagrams = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let file = File::open("/dev/null").expect("a file");
    for other in [OwnedFd::from(datagrams), file.into()] {
        let error = rejected(other, ONE_HTTP, &[]);
        assert_has(&error, &["\"http\"", "ListenStream=127.0.0.1:8082"]);
    }
}

#[test]
fn socket_that_does_not_listen_is_rejected() {
    let (_listener, address) = tcp();
    let connection = TcpStream::connect(address).expect("a connection");
    let error = rejected(connection, ONE_HTTP, &[]);
    assert_has(&error, &["\"http\"", "does not listen", "Accept=no"]);
}

#[test]
fn socket_without_a_file_is_rejected() {
    let name = format!("matrix-rendezvous-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(name).expect("an address");
    let socket = UnixListener::bind_addr(&address).expect("a socket");
    let error = rejected(socket, ONE_HTTP, &[]);
    assert_has(&error, &["ListenStream=/run/matrix-rendezvous.sock"]);
}

#[test]
fn socket_without_a_known_name_is_rejected() {
    for (variables, found) in [
        (
            "LISTEN_FDS=1",
            "expected one name for each socket, 1 in all",
        ),
        ("LISTEN_FDS=2 LISTEN_FDNAMES=http", "2 in all"),
        ("LISTEN_FDS=1 LISTEN_FDNAMES=http:admin", "1 in all"),
        ("LISTEN_FDS=1 LISTEN_FDNAMES=x.socket", "\"x.socket\""),
    ] {
        let error = rejected(tcp().0, variables, &[]);
        assert_has(&error, &[found, "FileDescriptorName=http (clients)"]);
    }
    let many = ["http"; 17].join(":");
    let many = format!("LISTEN_FDS=17 LISTEN_FDNAMES={many}");
    for variables in ["LISTEN_FDS=many", &many] {
        let error = rejected(tcp().0, variables, &[]);
        assert_has(&error, &["LISTEN_FDS", "at most 16"]);
    }
}

/// Every connection would be refused: the configuration has Unix sockets alone, which need no list.
#[test]
fn passed_tcp_socket_with_proxy_protocol_needs_trusted_proxies() {
    let settings = [
        ("http.proxy_protocol", "true"),
        ("http.listen", "unix:/nonexistent/http.sock"),
    ];
    let error = rejected(tcp().0, ONE_HTTP, &settings);
    assert_has(&error, &["requires http.trusted_proxies"]);
}

/// As `sd_listen_fds(3)` says. The variables are inherited by every child.
#[test]
fn sockets_for_another_process_are_ignored() {
    let variables = "LISTEN_PID=1 LISTEN_FDS=1 LISTEN_FDNAMES=nonsense";
    let mut command = BINARY.command_after(&format!("export {variables}"));
    let server = Server::launch_command(&mut command, &[OPEN]);
    assert_eq!(server.addresses("http"), [server.http.to_string()]);
    let log = server.log();
    assert!(log.contains("LISTEN_PID is not this process"), "{log}");
    assert!(!log.contains("is not used:"), "{log}");
}
