//! The readiness probe for images without curl: requests `/readyz` from the admin listener.

use crate::config::listen::{ListenAddress, UnixListenPath};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Timeout of each step. Below the default timeout of a Docker health check (30 s). The default of a
/// Kubernetes exec probe is 1 s; raise it there if a response takes longer.
const DEADLINE: Duration = Duration::from_secs(3);

/// Upper bound of a response, in bytes. The reasons for an unready server are a few lines.
const MAX_ANSWER: u64 = 16 * 1024;

/// Requests `/readyz` from the listener at `admin_listen`: the first address of `admin.listen`.
///
/// # Errors
/// A [`HealthcheckError`] if the server cannot be reached or is not ready.
pub fn run(admin_listen: &ListenAddress) -> Result<(), HealthcheckError> {
    let targets = match admin_listen {
        ListenAddress::Unix(path) => {
            let checked = connect_unix(path).and_then(check);
            return checked.map_err(|reason| HealthcheckError::new(admin_listen, reason));
        }
        ListenAddress::Host(host, port) => {
            let resolved = (host.as_str(), *port).to_socket_addrs();
            let resolved = resolved.map_err(|reason| HealthcheckError::new(admin_listen, reason));
            resolved?.collect()
        }
        ListenAddress::Ip(_) | ListenAddress::AllIps(_) => admin_listen.local_addresses(),
    };
    check_any(&targets)
}

/// Why the health check failed. The text has the address: it shows that the check runs with another
/// `admin.listen` than the server.
#[derive(Debug, thiserror::Error)]
#[error("{address} (admin.listen): {reason}")]
pub struct HealthcheckError {
    address: String,
    #[source]
    reason: io::Error,
}

impl HealthcheckError {
    fn new(address: &ListenAddress, reason: io::Error) -> Self {
        let address = address.to_string();
        Self { address, reason }
    }
}

/// Checks the first of these addresses that accepts a connection. If none does, returns the error of the
/// first one.
fn check_any(targets: &[SocketAddr]) -> Result<(), HealthcheckError> {
    let mut first_error = None;
    for target in targets {
        let failed = |reason| HealthcheckError {
            address: format!("http://{target}/readyz"),
            reason,
        };
        match TcpStream::connect_timeout(target, DEADLINE) {
            Ok(stream) => {
                let is_limited = stream
                    .set_read_timeout(Some(DEADLINE))
                    .and_then(|()| stream.set_write_timeout(Some(DEADLINE)));
                return is_limited.and_then(|()| check(stream)).map_err(failed);
            }
            Err(reason) => {
                first_error.get_or_insert(failed(reason));
            }
        }
    }
    first_error.map_or(Ok(()), Err)
}

/// Connects to a Unix socket. The timeouts also bound the connect itself, which waits if the queue of the
/// listener is full.
fn connect_unix(at: &UnixListenPath) -> io::Result<UnixStream> {
    let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    for direction in [Timeout::Send, Timeout::Recv] {
        set_socket_timeout(&socket, direction, Some(DEADLINE))?;
    }
    connect(&socket, &SocketAddrUnix::new(at.path())?)?;
    Ok(socket.into())
}

fn check(mut stream: impl Read + Write) -> io::Result<()> {
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER).read_to_string(&mut answer)?;
    if answer.starts_with("HTTP/1.1 200 ") {
        return Ok(());
    }
    let reason = answer
        .split_once("\r\n\r\n")
        .map_or("no HTTP answer", |(_, body)| body.trim());
    Err(io::Error::other(format!("not ready: {reason}")))
}
