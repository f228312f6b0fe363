//! Binds the addresses of a listener.
//!
//! For `app` and the doctor, before anything is served. An error names the address, the reason and what
//! to do.

pub mod error;

use crate::config::listen::{ListenAddress, UnixListenPath};
use crate::net::bind::error::{BindError, BindFailure};
use crate::net::listener::{BoundListener, BoundListeners};
use crate::net::socket_file::{self, SocketFile, SocketFileError};
use rustix::net::sockopt::set_ipv6_v6only;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, UnixSocket, lookup_host};
use tokio::time::timeout;

/// Connections that wait in the kernel until they are accepted. The kernel lowers it to
/// `net.core.somaxconn`. `TcpListener::bind` has 128, which a burst of clients exceeds: each connection over
/// it waits for a second, until the client repeats its first packet.
const BACKLOG: u32 = 1024;

/// Time limit for the resolution of a host name: two attempts of the resolver, with its default of 5 s.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Binds all of these addresses, and logs each that `listener` then listens on.
///
/// # Errors
/// [`BindError`] for the first address that cannot be bound.
pub async fn bind<'a>(
    listener: &str,
    addresses: impl Iterator<Item = &'a ListenAddress>,
) -> Result<BoundListeners, BindError> {
    let mut all = Vec::new();
    for address in addresses {
        let bound = bind_one(address).await;
        all.extend(bound.map_err(|failure| BindError::new(address, failure))?);
    }
    for bound in &all {
        tracing::info!(listener, address = %bound, "listening");
    }
    Ok(BoundListeners::new(all))
}

/// Binds one address. A host name may have several.
async fn bind_one(address: &ListenAddress) -> Result<Vec<BoundListener>, BindFailure> {
    match address {
        ListenAddress::Ip(address) => {
            let bound = bind_tcp(*address)?;
            Ok(vec![tcp(bound)?])
        }
        ListenAddress::AllIps(port) => {
            let ipv4 = || bind_tcp((Ipv4Addr::UNSPECIFIED, *port).into());
            let bound = with_ipv4_fallback(bind_dual_stack(*port), ipv4)?;
            Ok(vec![tcp(bound)?])
        }
        ListenAddress::Host(host, port) => bind_host(host, *port).await,
        ListenAddress::Unix(path) => Ok(vec![bind_unix(path).await?]),
    }
}

fn tcp(listener: TcpListener) -> io::Result<BoundListener> {
    let address = listener.local_addr()?;
    Ok(BoundListener::Tcp(listener, address))
}

/// Binds all IPv6 and IPv4 addresses with one socket, whatever `net.ipv6.bindv6only` says.
fn bind_dual_stack(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v6()?;
    set_ipv6_v6only(&socket, false)?;
    listen(socket, (Ipv6Addr::UNSPECIFIED, port).into())
}

/// Binds one address.
fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    listen(socket, address)
}

fn listen(socket: TcpSocket, address: SocketAddr) -> io::Result<TcpListener> {
    // Connections of the last process may be in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Returns the listener on all addresses, or that on IPv4 if this host has no IPv6.
fn with_ipv4_fallback<T>(
    dual_stack: io::Result<T>,
    ipv4: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    match dual_stack {
        Err(error) if is_missing_address(&error) => {
            tracing::info!(%error, "this host has no IPv6: listening on IPv4 only");
            ipv4()
        }
        bound => bound,
    }
}

/// Whether the host has no such address, or not the whole family: IPv6 is off in the kernel, or a
/// sandbox forbids it.
fn is_missing_address(error: &io::Error) -> bool {
    let no_family = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
    error.kind() == ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(no_family)
}

/// Binds every address of a host name.
async fn bind_host(host: &str, port: u16) -> Result<Vec<BoundListener>, BindFailure> {
    let resolved = timeout(RESOLVE_TIMEOUT, lookup_host((host, port))).await;
    let resolved = resolved.map_err(|_| BindFailure::ResolveTimeout)?;
    let mut addresses: Vec<SocketAddr> = resolved.map_err(BindFailure::Resolve)?.collect();
    addresses.sort();
    addresses.dedup();
    bind_present(host, &addresses)
}

/// Binds the addresses of `host` that this host has. One that it lacks is skipped if it has another:
/// `localhost` often has the address `::1`, in containers without IPv6 too.
///
/// # Errors
/// That of the last address if this host has none of them, or the first other error.
fn bind_present(host: &str, addresses: &[SocketAddr]) -> Result<Vec<BoundListener>, BindFailure> {
    let (mut all, mut missing) = (Vec::new(), None);
    for address in addresses {
        match bind_tcp(*address) {
            Ok(bound) => all.push(tcp(bound)?),
            Err(error) if is_missing_address(&error) => missing = Some((address, error)),
            Err(error) => return Err(error.into()),
        }
    }
    match missing {
        Some((_, error)) if all.is_empty() => Err(error.into()),
        None if all.is_empty() => Err(BindFailure::Resolve(ErrorKind::NotFound.into())),
        Some((address, error)) => {
            tracing::warn!(host, %address, %error, "an address of this name is skipped");
            Ok(all)
        }
        None => Ok(all),
    }
}

/// Creates a Unix socket. Replaces the file of a process that has ended.
async fn bind_unix(at: &UnixListenPath) -> Result<BoundListener, SocketFileError> {
    let mut socket = UnixSocket::new_stream()?;
    if let Err(error) = socket.bind(at.path()) {
        if error.kind() != ErrorKind::AddrInUse {
            return Err(error.into());
        }
        socket_file::remove_if_stale(at.path()).await?;
        socket = UnixSocket::new_stream()?;
        socket.bind(at.path())?;
    }
    // Before `listen`: until then no process can connect, whatever the umask has left of the mode.
    let file = SocketFile::created(at)?;
    Ok(BoundListener::Unix(file, socket.listen(BACKLOG)?))
}

#[cfg(test)]
mod tests {
    use super::{bind_dual_stack, bind_present, bind_tcp, is_missing_address, with_ipv4_fallback};
    use std::io::{self, ErrorKind};
    use std::net::{Ipv4Addr, Ipv6Addr};
    use tokio::net::TcpStream;

    fn missing_family() -> io::Error {
        io::Error::from_raw_os_error(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
    }

    #[test]
    fn host_without_ipv6_listens_on_ipv4() {
        for error in [missing_family(), ErrorKind::AddrNotAvailable.into()] {
            assert!(is_missing_address(&error), "{error}");
            let bound = with_ipv4_fallback(Err(error), || Ok("ipv4"));
            assert_eq!(bound.expect("a listener"), "ipv4");
        }
    }

    #[test]
    fn other_errors_and_dual_stack_have_no_fallback() {
        let bound = with_ipv4_fallback(Ok("all"), || panic!("not asked"));
        assert_eq!(bound.expect("a listener"), "all");
        for kind in [ErrorKind::AddrInUse, ErrorKind::PermissionDenied] {
            let failed: io::Result<()> =
                with_ipv4_fallback(Err(kind.into()), || panic!("not asked"));
            assert_eq!(failed.expect_err("an error").kind(), kind);
        }
    }

    #[tokio::test]
    async fn missing_address_of_a_name_is_skipped() {
        for (addresses, expected) in [
            (&["127.0.0.1:0", "127.0.0.2:0"][..], Some(2)),
            (&["127.0.0.1:0", "192.0.2.1:0"], Some(1)),
            (&["192.0.2.1:0"], None),
            (&[], None),
        ] {
            let parsed = addresses.iter().map(|text| text.parse());
            let parsed: Result<Vec<_>, _> = parsed.collect();
            let bound = bind_present("name", &parsed.expect("addresses"));
            assert_eq!(bound.ok().map(|all| all.len()), expected, "{addresses:?}");
        }
    }

    /// The kernel's limit may be lower, but not that of Linux since 5.4, nor that of a container.
    #[tokio::test]
    async fn burst_of_connections_waits_at_each_address() {
        let (all, ipv4, ipv6) = (
            bind_dual_stack(0),
            bind_tcp(([127, 0, 0, 1], 0).into()),
            bind_tcp((Ipv6Addr::LOCALHOST, 0).into()),
        );
        for listener in [all, ipv4, ipv6] {
            let mut address = listener
                .as_ref()
                .expect("a listener")
                .local_addr()
                .expect("an address");
            if address.ip().is_unspecified() {
                address.set_ip(Ipv4Addr::LOCALHOST.into());
            }
            let connecting = (0..400).map(|_| std::net::TcpStream::connect(address));
            let connected: io::Result<Vec<_>> = connecting.collect();
            assert_eq!(connected.expect("connections").len(), 400);
        }
    }

    #[tokio::test]
    async fn dual_stack_accepts_ipv4_and_ipv6() {
        let listener = bind_dual_stack(0).expect("a listener");
        let port = listener.local_addr().expect("an address").port();
        for host in ["127.0.0.1", "::1"] {
            let connected = TcpStream::connect((host, port)).await;
            connected.unwrap_or_else(|error| panic!("{host}: {error}"));
        }
    }
}
