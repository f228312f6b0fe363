//! Three workers on one store.

use std::net::SocketAddr;
use testkit::process::free_address;
use testkit::server::{Server, ServerBinary};
use testkit::until;

const BINARY: ServerBinary = ServerBinary(env!("CARGO_BIN_EXE_matrix-rendezvous"));

/// The workers.
#[derive(Debug)]
pub struct Fleet([Server; 3]);

impl Fleet {
    /// Starts the workers, with more settings, and waits until they are ready.
    pub fn start(url: &str, more: &[(&str, &str)]) -> Self {
        let mut settings = vec![
            ("mode", "open"),
            ("msc4108.enabled", "true"),
            ("http.public_base_url", "https://matrix.example.org"),
            ("store.backend", "redis"),
            ("store.redis.url", url),
            // All clients have one address.
            ("limits.enabled", "false"),
            ("telemetry.access_log", "false"),
        ];
        settings.extend(more);
        let workers = [(); 3].map(|()| {
            let worker = BINARY.launch_at([free_address(), free_address()], &[], &settings);
            until("a worker is ready", || worker.is_ready());
            worker
        });
        Self(workers)
    }

    /// The addresses for clients.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().map(|worker| worker.http).collect()
    }

    /// The logs of the workers that have ended.
    pub fn ended(&self) -> Vec<String> {
        let ended = self.0.iter().filter(|worker| !worker.process().is_alive());
        ended.map(Server::log).collect()
    }

    /// The logs of all workers.
    pub fn logs(&self) -> Vec<String> {
        self.0.iter().map(Server::log).collect()
    }
}
