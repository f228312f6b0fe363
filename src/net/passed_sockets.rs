//! The sockets that a service manager opens and passes to this process: socket activation of systemd
//! (`sd_listen_fds(3)`).
//!
//! `main` takes them before anything else runs, and `app` gives each to its listener. They outlive this
//! process: systemd holds them too, so connections wait in their queue during a restart. Hence nothing here
//! shuts a socket down, and nothing removes the file of a Unix socket, which belongs to systemd.

pub mod error;

use crate::config::listen::MAX_ADDRESSES;
use crate::net::listener::{BoundListener, BoundListeners};
use crate::net::passed_sockets::error::{PassedSocketError, PassedSocketFailure};
use crate::net::socket_file;
use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::net::TcpListener as StdTcpListener;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::PathBuf;
use tokio::net::{TcpListener, UnixListener};

/// The names that a socket may have (`FileDescriptorName=` of its unit): those of the two listeners.
const NAMES: [&str; 2] = ["http", "admin"];

/// The environment variables of the protocol.
const COUNT: &str = "LISTEN_FDS";
const PROCESS: &str = "LISTEN_PID";
const SOCKET_NAMES: &str = "LISTEN_FDNAMES";

/// A socket that was passed to this process. It accepts connections.
#[derive(Debug)]
enum PassedSocket {
    Tcp(StdTcpListener),
    Unix(StdUnixListener, PathBuf),
}

/// The sockets that were passed to this process, by listener. Dropping them closes them in this process
/// alone.
#[derive(Debug, Default)]
pub struct PassedSockets {
    by_listener: BTreeMap<&'static str, Vec<PassedSocket>>,
    /// Whether the environment has sockets for another process.
    for_other_process: bool,
}

impl PassedSockets {
    /// Takes the sockets that `env`, the environment of this process, describes. Returns none if it
    /// describes none, or those of another process.
    ///
    /// Call it once, before a runtime or a thread starts: `listenfd` takes the descriptors from 3 on, and
    /// removes two variables from the environment.
    ///
    /// # Errors
    /// [`PassedSocketError`] for the first socket that no listener can use, or if the variables are invalid.
    pub fn take(env: &[(OsString, OsString)]) -> Result<Self, PassedSocketError> {
        let variable = |name: &str| {
            let found = env.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.to_string_lossy())
        };
        let mut sockets = Self::default();
        let (Some(count), Some(process)) = (variable(COUNT), variable(PROCESS)) else {
            return Ok(sockets);
        };
        if process != std::process::id().to_string() {
            sockets.for_other_process = true;
            return Ok(sockets);
        }
        let count: usize = count.parse().map_err(|_| PassedSocketError::Count)?;
        if count == 0 {
            return Ok(sockets);
        }
        let names = variable(SOCKET_NAMES).unwrap_or_default();
        let listeners = parse_names(&names, count)?;
        let mut passed = ListenFd::from_env();
        for (index, listener) in listeners.into_iter().enumerate() {
            let socket = take_socket(&mut passed, index);
            let socket = socket.map_err(|failure| PassedSocketError::new(listener, failure))?;
            sockets
                .by_listener
                .entry(listener)
                .or_default()
                .push(socket);
        }
        Ok(sockets)
    }

    /// Logs sockets that are ignored, because they are for another process.
    pub fn warn_if_ignored(&self) {
        if self.for_other_process {
            tracing::warn!(
                "LISTEN_PID is not this process: the sockets of the service manager are not used. If a script \
                 starts the server, write exec before the command"
            );
        }
    }

    /// Whether one of the sockets of this listener is a TCP socket.
    #[must_use]
    pub fn has_tcp(&self, listener: &str) -> bool {
        let is_tcp = |socket: &PassedSocket| matches!(socket, PassedSocket::Tcp(_));
        self.by_listener
            .get(listener)
            .is_some_and(|all| all.iter().any(is_tcp))
    }

    /// Returns the sockets of this listener, or `None` if there is none, and logs their addresses.
    ///
    /// # Errors
    /// [`PassedSocketError::Socket`] if the operating system rejects a socket.
    pub fn listen(&mut self, listener: &str) -> Result<Option<BoundListeners>, PassedSocketError> {
        let Some(sockets) = self.by_listener.remove(listener) else {
            return Ok(None);
        };
        let bound: io::Result<Vec<_>> = sockets.into_iter().map(PassedSocket::register).collect();
        let bound = bound.map_err(|error| PassedSocketError::new(listener, error.into()))?;
        for socket in &bound {
            tracing::info!(listener, address = %socket, passed = true, "listening");
            if let BoundListener::PassedUnix(path, _) = socket
                && socket_file::is_writable_for_all(path)
            {
                tracing::warn!(
                    listener,
                    address = %socket,
                    "any process may connect to this socket, unless its directory prevents that: write SocketMode=0660 \
                     and SocketGroup= (the group of the proxy) into the section [Socket] of its unit"
                );
            }
        }
        Ok(Some(BoundListeners::new(bound)))
    }
}

impl PassedSocket {
    /// Registers the socket with the runtime.
    fn register(self) -> io::Result<BoundListener> {
        match self {
            Self::Tcp(socket) => {
                socket.set_nonblocking(true)?;
                let address = socket.local_addr()?;
                Ok(BoundListener::Tcp(TcpListener::from_std(socket)?, address))
            }
            Self::Unix(socket, path) => {
                socket.set_nonblocking(true)?;
                Ok(BoundListener::PassedUnix(
                    path,
                    UnixListener::from_std(socket)?,
                ))
            }
        }
    }
}

/// Returns the listener of each of `count` sockets, whose names are separated by colons.
fn parse_names(names: &str, count: usize) -> Result<Vec<&'static str>, PassedSocketError> {
    let is_missing = names.is_empty();
    let names: Vec<&str> = names.split(':').collect();
    if is_missing || names.len() != count {
        return Err(PassedSocketError::Names { count });
    }
    let mut listeners = Vec::with_capacity(count);
    for name in names {
        let listener = NAMES.into_iter().find(|listener| *listener == name);
        let unknown = || PassedSocketError::new(name, PassedSocketFailure::UnknownName);
        listeners.push(listener.ok_or_else(unknown)?);
    }
    let count_of = |name| {
        listeners
            .iter()
            .filter(|listener| **listener == name)
            .count()
    };
    if NAMES.into_iter().any(|name| count_of(name) > MAX_ADDRESSES) {
        return Err(PassedSocketError::Count);
    }
    Ok(listeners)
}

/// Takes the socket with this index.
fn take_socket(passed: &mut ListenFd, index: usize) -> Result<PassedSocket, PassedSocketFailure> {
    // An error says that the descriptor is no socket of that kind; it stays where it is.
    if let Ok(Some(socket)) = passed.take_tcp_listener(index) {
        is_listening(socket_acceptconn(&socket))?;
        return Ok(PassedSocket::Tcp(socket));
    }
    if let Ok(Some(socket)) = passed.take_unix_listener(index) {
        is_listening(socket_acceptconn(&socket))?;
        let address = socket.local_addr()?;
        let path = address.as_pathname();
        let path = path.ok_or(PassedSocketFailure::NoPath)?.to_owned();
        return Ok(PassedSocket::Unix(socket, path));
    }
    Err(PassedSocketFailure::Kind)
}

fn is_listening(accepts: rustix::io::Result<bool>) -> Result<(), PassedSocketFailure> {
    if accepts.map_err(io::Error::from)? {
        Ok(())
    } else {
        Err(PassedSocketFailure::NotListening)
    }
}
