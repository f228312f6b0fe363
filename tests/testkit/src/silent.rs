//! A host name with several addresses, of which one never answers.
//!
//! The server under test runs in a mount namespace of its own, with an `/etc/hosts` of the test's.
//! An address that never answers is a listener with a full backlog: the kernel drops each further
//! connection attempt, as a firewall or a host that is switched off would.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpSocket;

use crate::server::ServerBinary;

/// Time after which a connection attempt on loopback counts as dropped.
const DROPPED_AFTER: Duration = Duration::from_millis(200);

/// A listener that accepts no connection, and the connections that fill its backlog.
#[derive(Debug)]
pub struct SilentListener {
    _listener: TcpListener,
    _backlog: Vec<TcpStream>,
}

impl SilentListener {
    /// Listens on this address, and fills the backlog.
    #[track_caller]
    pub fn start(address: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build();
        let runtime = runtime.expect("a runtime");
        let entered = runtime.enter();
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(address).expect("the address is free");
        let listener = socket.listen(1).and_then(tokio::net::TcpListener::into_std);
        drop(entered);
        let connect = |_| TcpStream::connect_timeout(&address, DROPPED_AFTER).ok();
        let backlog: Vec<_> = (0..64).map_while(connect).collect();
        assert!(backlog.len() < 64, "the backlog has no bound");
        Self {
            _listener: listener.expect("a listener"),
            _backlog: backlog,
        }
    }
}

/// An `/etc/hosts` for one server under test.
#[derive(Debug)]
pub struct Hosts(TempDir);

impl Hosts {
    /// Makes a file in which `name` has these addresses, in this order.
    pub fn with(name: &str, addresses: &[&str]) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("mrv-hosts-")
            .tempdir()
            .expect("a directory");
        let lines = addresses
            .iter()
            .map(|address| format!("{address} {name}\n"));
        std::fs::write(dir.path().join("hosts"), lines.collect::<String>()).expect("a file");
        Self(dir)
    }

    /// Returns a server binary that sees this file. The kernel must permit a user namespace.
    pub fn binary(&self, binary: ServerBinary) -> ServerBinary {
        let hosts = self.0.path().join("hosts");
        let script = self.0.path().join("server");
        let mut file = std::fs::File::create(&script).expect("a script");
        // Each step replaces the one before, so that the process id stays that of the server.
        writeln!(
            file,
            "#!/bin/sh\nexec unshare --map-root-user --mount \
             sh -c 'mount --bind \"$0\" /etc/hosts && exec \"$@\"' '{}' '{}' \"$@\"",
            hosts.display(),
            binary.0
        )
        .expect("a script");
        let executable = std::fs::Permissions::from_mode(0o755);
        file.set_permissions(executable).expect("permissions");
        ServerBinary(leak(&script))
    }
}

/// The path for the rest of the test process, as a [`ServerBinary`] has it.
fn leak(path: &Path) -> &'static str {
    let path = path.to_str().expect("UTF-8").to_owned();
    Box::leak(path.into_boxed_str())
}
