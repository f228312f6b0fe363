//! The environment of one scenario: a Redis, two workers on it, and a stand-in for a homeserver. In
//! front of each worker may be a proxy. All but the homeserver are new for each scenario.

use crate::tls_proxy::TlsProxy;
use std::net::SocketAddr;
use std::time::Duration;
use testkit::homeserver::{HomeserverStub, KnownTokens};
use testkit::process::free_address;
use testkit::redis::RedisServer;
use testkit::server::{Server, ServerBinary};
use testkit::until;

/// Prefix of valid access tokens. Each belongs to another user; all other tokens are unknown.
pub const VALID_TOKEN: &str = "good-";

/// Time that a homeserver takes to look up a token. Without it the workers would never reach their
/// limit of concurrent token checks.
const TOKEN_LOOKUP: Duration = Duration::from_millis(20);

/// The worker.
pub const BINARY: ServerBinary = ServerBinary(env!("CARGO_BIN_EXE_matrix-rendezvous"));

/// Who may create sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Everyone, in both dialects.
    Open,
    /// Users of the homeserver, in the JSON dialect. The ETag dialect has no users and is off.
    Authenticated,
}

/// The settings of the workers that differ between scenarios. Every other limit has its default.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Who may create sessions.
    pub mode: Mode,
    /// `session.max_live`.
    pub max_live: u32,
    /// `http.max_connections`.
    pub max_connections: usize,
    /// How clients connect to the workers.
    pub front: Front,
}

/// How clients connect to the workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    /// Directly.
    None,
    /// Through a proxy that terminates TLS and speaks the PROXY protocol.
    TlsProxy,
}

/// The processes.
#[derive(Debug)]
pub struct Environment {
    redis: RedisServer,
    workers: [Server; 2],
    /// The proxies in front of the workers, if there are any.
    proxies: Vec<TlsProxy>,
}

/// Starts the homeserver of all scenarios.
pub fn start_homeserver() -> HomeserverStub {
    let tokens = KnownTokens::WithPrefix(VALID_TOKEN.to_owned());
    HomeserverStub::start_knowing(free_address(), tokens, TOKEN_LOOKUP)
}

impl Environment {
    /// Starts the processes, and waits until the workers are ready.
    pub fn start(settings: Settings, homeserver: &HomeserverStub) -> Self {
        let redis = RedisServer::start();
        let (redis_url, homeserver_url) = (redis.url(), homeserver.url());
        let [max_live, max_connections] = [
            settings.max_live.to_string(),
            settings.max_connections.to_string(),
        ];
        let mut all = vec![
            // The simulation names the client of each request in `X-Forwarded-For`.
            ("http.trusted_proxies", "127.0.0.1/32"),
            ("store.backend", "redis"),
            ("store.redis.url", &redis_url),
            ("session.max_live", &max_live),
            ("http.max_connections", &max_connections),
            // Some attackers use HTTP/2, and connect without a proxy.
            ("http.h2c", "true"),
            // A line for each request of a flood would measure the disk.
            ("telemetry.access_log", "false"),
            ("telemetry.log_level", "error"),
        ];
        if settings.front == Front::TlsProxy {
            all.push(("http.proxy_protocol", "true"));
        }
        match settings.mode {
            Mode::Open => all.extend([
                ("mode", "open"),
                ("msc4108.enabled", "true"),
                ("http.public_base_url", "https://matrix.example.org"),
            ]),
            Mode::Authenticated => all.extend([
                ("mode", "authenticated"),
                ("auth.homeserver_url", &*homeserver_url),
            ]),
        }
        let start = || {
            let worker = BINARY.launch_at([free_address(), free_address()], &[], &all);
            until("a worker is ready", || worker.is_ready());
            worker
        };
        let workers = [start(), start()];
        let proxies = match settings.front {
            Front::None => Vec::new(),
            Front::TlsProxy => workers
                .iter()
                .map(|worker| TlsProxy::start(worker.http))
                .collect(),
        };
        Self {
            redis,
            workers,
            proxies,
        }
    }

    /// The addresses at which clients reach the workers.
    pub fn addresses(&self) -> [SocketAddr; 2] {
        match self.proxies.as_slice() {
            [one, two] => [one.address, two.address],
            _ => self.workers.each_ref().map(|worker| worker.http),
        }
    }

    /// Whether every process still runs.
    pub fn is_alive(&self) -> bool {
        let workers = self.workers.iter().map(Server::process);
        let proxies = self.proxies.iter().map(TlsProxy::process);
        workers
            .chain(proxies)
            .chain([self.redis.process()])
            .all(testkit::process::Process::is_alive)
    }

    /// The sum of a metric's series over the workers: `name{label="value"}`.
    pub fn metric(&self, series: &str) -> u64 {
        let workers = self.workers.iter();
        workers.map(|worker| worker.metrics().value(series)).sum()
    }

    /// The larger peak of the workers' resident memory, in bytes.
    pub fn peak_rss(&self) -> u64 {
        let [one, two] = self.workers.each_ref().map(|of| of.process().peak_rss());
        one.max(two)
    }

    /// The peak of Redis's memory, in bytes.
    pub fn peak_redis_memory(&self) -> u64 {
        self.redis.memory("used_memory_peak")
    }
}
