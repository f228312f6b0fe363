//! The field of one battle: a Redis, two workers on it, and who says whose a token is. All are new each time.

use crate::homeserver::Homeserver;
use crate::redis::Redis;
use crate::worker::Worker;
use std::net::SocketAddr;

/// Who may create sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Anyone, in both dialects.
    Open,
    /// Users of the stand-in, in the JSON dialect; the other knows no users and is off.
    Authenticated,
}

/// What the workers are started with that is not the same for all scenarios.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Who may create.
    pub mode: Mode,
    /// `session.max_live`.
    pub max_live: u32,
    /// `http.max_connections`.
    pub max_connections: usize,
}

/// The processes.
#[derive(Debug)]
pub struct Field {
    redis: Redis,
    workers: [Worker; 2],
}

impl Field {
    /// Starts them.
    pub fn start(given: Settings, homeserver: &Homeserver) -> Result<Self, String> {
        let redis = Redis::start()?;
        let (url, asked) = (redis.url(), homeserver.url());
        let [max_live, max_connections] = [
            given.max_live.to_string(),
            given.max_connections.to_string(),
        ];
        let mut settings = vec![
            ("STORE__REDIS__URL", url.as_str()),
            ("SESSION__MAX_LIVE", &max_live),
            ("HTTP__MAX_CONNECTIONS", &max_connections),
        ];
        match given.mode {
            Mode::Open => settings.extend([
                ("MODE", "open"),
                ("MSC4108__ENABLED", "true"),
                ("HTTP__PUBLIC_BASE_URL", "https://matrix.example.org"),
            ]),
            Mode::Authenticated => settings.extend([
                ("MODE", "authenticated"),
                ("AUTH__HOMESERVER_URL", asked.as_str()),
            ]),
        }
        let workers = [Worker::start(&settings)?, Worker::start(&settings)?];
        Ok(Self { redis, workers })
    }

    /// Where clients come in.
    pub fn addresses(&self) -> [SocketAddr; 2] {
        self.workers.each_ref().map(|worker| worker.address)
    }

    /// Whether every process still runs.
    pub fn stands(&mut self) -> bool {
        let workers = self.workers.iter_mut().all(Worker::is_alive);
        self.redis.is_alive() && workers
    }

    /// The sum over the workers of what they counted in one series.
    pub fn counted(&self, series: &str) -> Result<u64, String> {
        let values = self
            .workers
            .iter()
            .map(|worker| worker.metrics()?.value(series));
        values.sum()
    }

    /// The most resident memory that either worker had, in bytes.
    pub fn peak_rss(&self) -> Result<u64, String> {
        let [one, other] = self.workers.each_ref().map(Worker::peak_rss);
        Ok(one?.max(other?))
    }

    /// The most memory that Redis had allocated, in bytes.
    pub fn peak_redis(&self) -> Result<u64, String> {
        self.redis.peak_memory()
    }
}
