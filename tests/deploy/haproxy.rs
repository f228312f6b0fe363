//! haproxy as it should stand before workers: it asks each whether it is ready, and looks away from one that says it is
//! leaving.

use crate::process::{Process, free_address};
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

/// Between two looks at a worker; one bad answer is enough, and one good one. A tenth of `shutdown.grace` would do.
const LOOK: &str = "200ms";

/// A running haproxy.
#[derive(Debug)]
pub struct Haproxy {
    /// Where clients come in.
    pub address: SocketAddr,
    process: Process,
}

impl Haproxy {
    /// Starts one before workers at these addresses, each with that of its admin listener. Its files are in
    /// `directory`.
    pub fn start(directory: &Path, workers: &[(SocketAddr, SocketAddr)]) -> Result<Self, String> {
        let address = free_address()?;
        // It tries nothing twice: what would be lost without that is what is counted here. It keeps connections to the
        // workers and shares them among clients, which is where a worker that closes them carelessly loses requests.
        let mut config = format!(
            "defaults\n    mode http\n    timeout connect 5s\n    timeout client 75s\n    timeout server 75s\n    \
             retries 0\nfrontend clients\n    bind {address}\n    default_backend workers\nbackend workers\n    \
             balance roundrobin\n    http-reuse always\n    option httpchk GET /readyz\n    \
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
        Ok(Self { address, process })
    }

    /// Whether it runs.
    pub fn is_alive(&mut self) -> bool {
        self.process.is_alive()
    }
}
