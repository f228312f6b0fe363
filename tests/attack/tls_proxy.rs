//! A haproxy in front of one worker that terminates TLS and announces each client by the PROXY
//! protocol, as a load balancer of layer 4 does.
//!
//! Clients of the simulation speak no TLS. A first listener in the same process takes their plain
//! connections and opens a TLS connection for each. It passes their addresses on, so that the worker
//! learns them from the PROXY header of the second listener.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use tempfile::TempDir;
use testkit::certificates::Certificates;
use testkit::process::{Process, free_address};

/// Connections at once. Each needs four descriptors, and haproxy checks that it may have them.
const MAX_CONNECTIONS: usize = 3_000;

/// A running haproxy.
#[derive(Debug)]
pub struct TlsProxy {
    /// The address for clients.
    pub address: SocketAddr,
    process: Process,
    _files: TempDir,
}

impl TlsProxy {
    /// Starts haproxy in front of the worker at this address.
    pub fn start(worker: SocketAddr) -> Self {
        let (address, tls) = (free_address(), free_address());
        let certificates = Certificates::make();
        let files = tempfile::tempdir().expect("a directory");
        let [pair, config] = ["pair.pem", "haproxy.cfg"].map(|name| files.path().join(name));
        // haproxy reads the certificate and its key from one file.
        let pem = [certificates.cert_file(), certificates.key_file()]
            .map(|file| std::fs::read_to_string(file).expect("a PEM file"))
            .concat();
        std::fs::write(&pair, pem).expect("pair.pem");
        let text = format!(
            "global\n    maxconn {MAX_CONNECTIONS}\n\
             defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 120s\n    timeout server 120s\n\
             listen clients\n    bind {address}\n    \
             server tls {tls} ssl verify none send-proxy-v2\n\
             listen tls\n    bind {tls} ssl crt {} accept-proxy\n    \
             server worker {worker} send-proxy-v2\n",
            pair.display()
        );
        std::fs::write(&config, text).expect("haproxy.cfg");
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(&config);
        let process = Process::start("haproxy", &mut command);
        process.wait_until(|| TcpStream::connect(address).is_ok());
        Self {
            address,
            process,
            _files: files,
        }
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }
}
