//! Three workers on one Redis, behind one haproxy; all are new for each scenario.

use crate::haproxy::{Haproxy, Layer};
use crate::redis::Redis;
use crate::worker::Worker;
use std::net::SocketAddr;
use std::path::PathBuf;
use tempfile::TempDir;

/// The processes.
#[derive(Debug)]
pub struct Fleet {
    /// The workers.
    pub workers: Vec<Worker>,
    haproxy: Haproxy,
    redis: Redis,
    config: PathBuf,
    directory: TempDir,
}

/// What a worker is configured with. Both clocks of a shutdown are at their defaults; all clients come from haproxy, and
/// so would share one client's limits.
fn config(redis: &str, change: &Change) -> String {
    let Change { keys, limits } = change;
    format!(
        "mode = \"open\"\n{keys}\n[http]\npublic_base_url = \"https://matrix.example.org\"\n[msc4108]\nenabled = true\n\
         [store]\nbackend = \"redis\"\n[store.redis]\nurl = \"{redis}\"\n[telemetry]\naccess_log = false\n[limits]\n\
         {limits}\n"
    )
}

/// What may differ in a configuration.
#[derive(Debug)]
pub struct Change {
    /// Keys of no section, and sections.
    pub keys: &'static str,
    /// Keys of `[limits]`, and sections.
    pub limits: &'static str,
}

/// As at the start. Sessions live five minutes, and the clients open two hundred or more a second.
pub const UNCHANGED: Change = Change {
    keys: "[session]\nmax_live = 200000",
    limits: "enabled = false",
};

impl Fleet {
    /// Starts them.
    pub fn start(layer: Layer) -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| format!("no directory: {error}"))?;
        let redis = Redis::start()?;
        let file = directory.path().join("config.toml");
        std::fs::write(&file, config(&redis.url(), &UNCHANGED))
            .map_err(|error| error.to_string())?;
        let start = |number| Worker::start(directory.path(), number, &file);
        let workers = (0..3).map(start).collect::<Result<Vec<_>, _>>()?;
        let addresses: Vec<_> = workers.iter().map(|worker| worker.addresses).collect();
        let haproxy = Haproxy::start(directory.path(), layer, &addresses)?;
        Ok(Self {
            workers,
            haproxy,
            redis,
            config: file,
            directory,
        })
    }

    /// Where clients come in.
    pub fn address(&self) -> SocketAddr {
        self.haproxy.address
    }

    /// Where a worker is chosen.
    pub fn balancer(&self) -> SocketAddr {
        self.haproxy.balancer
    }

    /// Changes the configuration of all, which each reads when it starts, or when it is told to.
    pub fn configure(&self, change: &Change) -> Result<(), String> {
        let text = config(&self.redis.url(), change);
        std::fs::write(&self.config, text).map_err(|error| error.to_string())
    }

    /// Whether haproxy and Redis still run.
    pub fn stands(&mut self) -> bool {
        self.directory.path().exists() && self.haproxy.is_alive() && self.redis.is_alive()
    }
}
