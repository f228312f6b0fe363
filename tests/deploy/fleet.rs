//! The fleet of one scenario: three workers on one Redis, behind one haproxy. All are new for each
//! scenario.

use crate::worker::Worker;
use std::net::SocketAddr;
use std::path::PathBuf;
use tempfile::TempDir;
use testkit::haproxy::{Haproxy, Layer};
use testkit::redis::RedisServer;
use testkit::server::ServerBinary;

/// The processes.
#[derive(Debug)]
pub struct Fleet {
    /// The workers.
    pub workers: Vec<Worker>,
    haproxy: Haproxy,
    redis: RedisServer,
    config: PathBuf,
    /// Holds the configuration files.
    _directory: TempDir,
}

/// The configuration of the workers. Both phases of a shutdown have their defaults. All clients
/// connect through haproxy, and would share one client's limits.
fn config(redis_url: &str, change: &Change) -> String {
    let Change { keys, limits } = change;
    format!(
        "mode = \"open\"\n{keys}\n[http]\npublic_base_url = \"https://matrix.example.org\"\n[msc4108]\nenabled = true\n\
         [store]\nbackend = \"redis\"\n[store.redis]\nurl = \"{redis_url}\"\n[telemetry]\naccess_log = false\n[limits]\n\
         {limits}\n"
    )
}

/// The part of the configuration that a scenario changes.
#[derive(Debug)]
pub struct Change {
    /// Keys without a section, and sections.
    pub keys: &'static str,
    /// Keys of `[limits]`, and sections.
    pub limits: &'static str,
}

/// The configuration at the start. Sessions live five minutes, and the clients open 200 or more a
/// second.
pub const UNCHANGED: Change = Change {
    keys: "[session]\nmax_live = 200000",
    limits: "enabled = false",
};

impl Fleet {
    /// Starts the processes, with workers of this binary, and waits until the workers are ready.
    pub fn start(layer: Layer, binary: ServerBinary) -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| format!("no directory: {error}"))?;
        let redis = RedisServer::start();
        let file = directory.path().join("config.toml");
        std::fs::write(&file, config(&redis.url(), &UNCHANGED))
            .map_err(|error| error.to_string())?;
        let workers = (0..3).map(|_| Worker::start(binary, &file));
        let workers = workers.collect::<Result<Vec<_>, _>>()?;
        let addresses: Vec<_> = workers.iter().map(Worker::addresses).collect();
        Ok(Self {
            haproxy: Haproxy::start(directory.path(), layer, &addresses),
            workers,
            redis,
            config: file,
            _directory: directory,
        })
    }

    /// The address for clients.
    pub fn address(&self) -> SocketAddr {
        self.haproxy.address
    }

    /// The address at which haproxy chooses a worker.
    pub fn balancer(&self) -> SocketAddr {
        self.haproxy.balancer
    }

    /// Changes the configuration file of all workers. Each reads it at its next start or reload.
    pub fn configure(&self, change: &Change) -> Result<(), String> {
        let text = config(&self.redis.url(), change);
        std::fs::write(&self.config, text).map_err(|error| error.to_string())
    }

    /// Whether haproxy and Redis still run.
    pub fn is_alive(&self) -> bool {
        self.haproxy.is_alive() && self.redis.process().is_alive()
    }
}
