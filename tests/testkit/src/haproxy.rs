//! Starts haproxy in front of servers, configured as the documentation recommends.
//!
//! It checks each server's `/readyz`, and sends no requests to a server that is not ready. It
//! retries nothing: what would be lost without retries is counted.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use crate::process::{Process, free_address};

/// Time between two checks of a server. One failed check is enough, and one good one. A tenth of
/// `shutdown.grace` would do.
const CHECK_INTERVAL: &str = "200ms";

/// What haproxy balances.
#[derive(Debug, Clone, Copy)]
pub enum Layer {
    /// Requests (layer 7). It keeps connections to the servers and shares them among clients.
    Requests,
    /// Connections (layer 4), as a network load balancer or a Kubernetes Service does. In front of
    /// it is a proxy that keeps its connections and knows no servers. A connection stays with its
    /// server, ready or not: only the server's `Connection: close` moves its requests away in time.
    Connections,
}

/// A running haproxy.
#[derive(Debug)]
pub struct Haproxy {
    /// The address for clients.
    pub address: SocketAddr,
    /// The address at which it chooses a server, for each request or for each connection.
    pub balancer: SocketAddr,
    process: Process,
}

impl Haproxy {
    /// Starts haproxy before servers at these addresses: for clients, and of the admin listener.
    /// Its configuration is in `directory`.
    #[track_caller]
    pub fn start(directory: &Path, layer: Layer, servers: &[[SocketAddr; 2]]) -> Self {
        let address = free_address();
        let mut config = format!(
            "defaults\n    mode http\n    timeout connect 5s\n    timeout client 75s\n    timeout server 75s\n    \
             retries 0\n    http-reuse always\nfrontend clients\n    bind {address}\n    default_backend below\n"
        );
        let mut balancer = address;
        let mode = match layer {
            Layer::Requests => "backend below\n    mode http\n".to_owned(),
            Layer::Connections => {
                balancer = free_address();
                format!(
                    "backend below\n    server connections {balancer}\nlisten connections\n    mode tcp\n    bind {balancer}\n"
                )
            }
        };
        let _ = write!(
            config,
            "{mode}    balance roundrobin\n    option httpchk GET /readyz\n    \
             default-server check inter {CHECK_INTERVAL} fall 1 rise 1\n"
        );
        for (number, [clients, admin]) in servers.iter().enumerate() {
            let port = admin.port();
            let _ = writeln!(config, "    server w{number} {clients} port {port}");
        }
        let file = directory.join("haproxy.cfg");
        std::fs::write(&file, config).expect("haproxy.cfg");
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(&file);
        let process = Process::start("haproxy", &mut command);
        process.wait_until(|| TcpStream::connect(address).is_ok());
        Self {
            address,
            balancer,
            process,
        }
    }

    /// Whether haproxy runs.
    pub fn is_alive(&self) -> bool {
        self.process.is_alive()
    }
}
