//! The workers on one store: three for the clients, and one that stays idle until the fault is over.

use std::net::SocketAddr;
use testkit::process::free_address;
use testkit::server::{Server, ServerBinary};
use testkit::until;

const BINARY: ServerBinary = ServerBinary(env!("CARGO_BIN_EXE_matrix-rendezvous"));

/// Limits that reject no client of a run. All clients have one address, and the tokens of few users.
const GENEROUS_LIMITS: &[(&str, &str)] = &[
    ("limits.enabled", "true"),
    ("http.max_connections_per_client", "10000"),
    ("limits.create.client.burst", "10000"),
    ("limits.create.client.per_second", "1000"),
    ("limits.create.user.burst", "10000"),
    ("limits.create.user.per_second", "1000"),
    ("limits.requests.client.burst", "100000"),
    ("limits.requests.client.per_second", "10000"),
    ("limits.live.client", "5000"),
    ("limits.live.user", "5000"),
    ("limits.live.ipv4_24", "1"),
    ("limits.live.ipv4_16", "1"),
];

/// Workers that the clients use.
const BUSY: usize = 3;

/// The workers, the idle one last.
#[derive(Debug)]
pub struct Fleet([Server; BUSY + 1]);

impl Fleet {
    /// Starts the workers, with limits or without and with more settings, and waits until they are ready.
    pub fn start(url: &str, has_limits: bool, more: &[(&'static str, String)]) -> Self {
        let mut settings = vec![
            ("mode", "open"),
            ("msc4108.enabled", "true"),
            // The checks of how long requests took include held reads.
            ("msc4108.long_poll.timeout", "200ms"),
            ("http.public_base_url", "https://matrix.example.org"),
            ("store.backend", "redis"),
            ("store.redis.url", url),
            // All clients have one address.
            ("limits.enabled", "false"),
            ("telemetry.access_log", "false"),
        ];
        if has_limits {
            settings.extend(GENEROUS_LIMITS);
        }
        settings.extend(more.iter().map(|(key, value)| (*key, value.as_str())));
        let workers = [(); BUSY + 1].map(|()| {
            let worker = BINARY.launch_at([free_address(), free_address()], &[], &settings);
            until("a worker is ready", || worker.is_ready());
            worker
        });
        Self(workers)
    }

    /// The addresses for clients.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0[..BUSY].iter().map(|worker| worker.http).collect()
    }

    /// The address of the idle worker.
    pub fn idle(&self) -> SocketAddr {
        self.0[BUSY].http
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
