//! haproxy as it should stand before workers: it asks each whether it is ready, and sends no more to one that says it is
//! leaving. It tries nothing twice: what would be lost without that is what is counted here.

use crate::process::{Process, free_address};
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

/// Between two looks at a worker; one bad answer is enough, and one good one. A tenth of `shutdown.grace` would do.
const LOOK: &str = "200ms";

/// What it balances.
#[derive(Debug, Clone, Copy)]
pub enum Layer {
    /// Requests. It keeps connections to the workers and shares them among clients.
    Requests,
    /// Connections, as a network load balancer or a Service of Kubernetes does, with a proxy before it that keeps them
    /// and knows nothing of workers. A connection stays with its worker, whatever that says of its readiness: only the
    /// worker's `Connection: close` moves its requests away in time.
    Connections,
}

/// A running haproxy.
#[derive(Debug)]
pub struct Haproxy {
    /// Where clients come in.
    pub address: SocketAddr,
    /// Where it chooses a worker: for each request, or each connection.
    pub balancer: SocketAddr,
    process: Process,
}

impl Haproxy {
    /// Starts one before workers at these addresses, each with that of its admin listener. Its files are in
    /// `directory`.
    pub fn start(
        directory: &Path,
        layer: Layer,
        workers: &[(SocketAddr, SocketAddr)],
    ) -> Result<Self, String> {
        let address = free_address()?;
        let mut config = format!(
            "defaults\n    mode http\n    timeout connect 5s\n    timeout client 75s\n    timeout server 75s\n    \
             retries 0\n    http-reuse always\nfrontend clients\n    bind {address}\n    default_backend below\n"
        );
        let mut balancer = address;
        let mode = match layer {
            Layer::Requests => "backend below\n    mode http\n".to_owned(),
            Layer::Connections => {
                balancer = free_address()?;
                format!(
                    "backend below\n    server connections {balancer}\nlisten connections\n    mode tcp\n    bind {balancer}\n"
                )
            }
        };
        let _ = write!(
            config,
            "{mode}    balance roundrobin\n    option httpchk GET /readyz\n    \
             default-server check inter {LOOK} fall 1 rise 1\n"
        );
        for (number, (worker, admin)) in workers.iter().enumerate() {
            let _ = writeln!(
                config,
                "    server w{number} {worker} port {}",
                admin.port()
            );
        }
        let file = directory.join("haproxy.cfg");
        std::fs::write(&file, config).map_err(|error| format!("haproxy.cfg: {error}"))?;
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(&file);
        let mut process = Process::start("haproxy", &mut command)?;
        process.wait_until(|| TcpStream::connect(address).is_ok())?;
        Ok(Self {
            address,
            balancer,
            process,
        })
    }

    /// Whether it runs.
    pub fn is_alive(&mut self) -> bool {
        self.process.is_alive()
    }
}
