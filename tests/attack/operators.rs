//! What the simulations of tests/attack and tests/deploy have of a worker's command line and of its admin listener.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

/// For one answer, while a flood keeps the worker busy.
const DEADLINE: Duration = Duration::from_secs(10);

/// The binary, listening there, with no setting of the caller's.
pub fn worker(http: SocketAddr, admin: SocketAddr) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_matrix-rendezvous"));
    let inherited = std::env::vars_os().map(|(name, _)| name);
    for name in inherited.filter(|name| name.to_string_lossy().starts_with("RENDEZVOUS_")) {
        command.env_remove(name);
    }
    command
        .env("RENDEZVOUS_HTTP__LISTEN", http.to_string())
        .env("RENDEZVOUS_ADMIN__LISTEN", admin.to_string());
    command
}

/// A reply, head and body, on a connection of its own.
pub fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, DEADLINE)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    Ok(reply)
}

/// Whether it says that it is ready.
pub fn is_ready(admin: SocketAddr) -> bool {
    get(admin, "/readyz").is_ok_and(|reply| reply.starts_with("HTTP/1.1 200"))
}
