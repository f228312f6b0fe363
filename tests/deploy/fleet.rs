//! Three workers on one Redis, behind one haproxy; all are new for each scenario.

use crate::haproxy::Haproxy;
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
fn config(redis: &str, more: &str) -> String {
    format!(
        "mode = \"open\"\n{more}\n[http]\npublic_base_url = \"https://matrix.example.org\"\n[msc4108]\nenabled = true\n\
         [store]\nbackend = \"redis\"\n[store.redis]\nurl = \"{redis}\"\n[limits]\nenabled = false\n[telemetry]\n\
         access_log = false\n"
    )
}

impl Fleet {
    /// Starts them.
    pub fn start() -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| format!("no directory: {error}"))?;
        let redis = Redis::start()?;
        let file = directory.path().join("config.toml");
        std::fs::write(&file, config(&redis.url(), "")).map_err(|error| error.to_string())?;
        let start = |number| Worker::start(directory.path(), number, &file);
        let workers = (0..3).map(start).collect::<Result<Vec<_>, _>>()?;
        let addresses: Vec<_> = workers.iter().map(|worker| worker.addresses).collect();
        let haproxy = Haproxy::start(directory.path(), &addresses)?;
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

    /// Changes the configuration of all, which each reads when it starts, or when it is told to.
    pub fn configure(&self, more: &str) -> Result<(), String> {
        let text = config(&self.redis.url(), more);
        std::fs::write(&self.config, text).map_err(|error| error.to_string())
    }

    /// Whether haproxy and Redis still run.
    pub fn stands(&mut self) -> bool {
        self.directory.path().exists() && self.haproxy.is_alive() && self.redis.is_alive()
    }
}
