//! The readiness probe for images without curl: requests `/readyz` from the admin listener.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Timeout of each step. Below the default timeout of a Docker health check (30 s). The default of a
/// Kubernetes exec probe is 1 s; raise it there if a response takes longer.
const DEADLINE: Duration = Duration::from_secs(3);

/// Upper bound of a response, in bytes. The reasons for an unready server are a few lines.
const MAX_ANSWER: u64 = 16 * 1024;

/// Requests `/readyz` from `admin_listen`.
///
/// # Errors
/// A [`HealthcheckError`] if the server cannot be reached or is not ready.
pub fn run(admin_listen: SocketAddr) -> Result<(), HealthcheckError> {
    let address = reachable(admin_listen);
    check(address).map_err(|reason| HealthcheckError { address, reason })
}

/// Why the health check failed. The text has the address: it shows that the check runs with another
/// `admin.listen` than the server.
#[derive(Debug, thiserror::Error)]
#[error("http://{address}/readyz (admin.listen): {reason}")]
pub struct HealthcheckError {
    address: SocketAddr,
    #[source]
    reason: io::Error,
}

fn check(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, DEADLINE)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
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

/// Returns the address to connect to: the loopback address for a listener on all addresses.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, listen.port())
}
