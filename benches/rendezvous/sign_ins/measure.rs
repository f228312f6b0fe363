//! Measures one row: new workers, a new Redis, and the load until its last sign-in has ended.

use super::load::{self, LoadReport};
use super::rows::Row;
use crate::REDIS_OPTIONS;
use crate::scale::usage::{Usage, count};
use crate::servers::{self, Store};
use std::time::Duration;
use testkit::redis::RedisServer;
use testkit::server::Server;

/// `msc4108.long_poll.max_waiting` of rows with more pairs than its default. Each device of a row may
/// then be held.
const MAX_WAITING: &str = "20000";

/// The default of `msc4108.long_poll.max_waiting`.
const DEFAULT_MAX_WAITING: u32 = 2000;

/// The results of one row.
#[derive(Debug)]
pub struct RowResult {
    /// The row.
    pub row: Row,
    /// What the devices measured.
    pub load: LoadReport,
    /// CPU time of the workers.
    workers: Duration,
    /// Resident memory of the largest worker at its peak, in bytes.
    pub peak_rss: u64,
    /// What Redis used.
    redis: Option<RedisUse>,
}

/// What Redis used for a row.
#[derive(Debug, Clone, Copy)]
struct RedisUse {
    usage: Usage,
    /// CPU time of all threads.
    cpu: Duration,
}

impl Row {
    /// Measures the row. Returns its Redis too, if it has one.
    pub fn measure(&self) -> Result<(RowResult, Option<RedisServer>), String> {
        let redis = (self.store == Store::Redis).then(|| RedisServer::start_with(REDIS_OPTIONS));
        let workers = self.start_workers(redis.as_ref());
        let addresses: Vec<_> = workers.iter().map(|worker| worker.http).collect();
        let cpu = || -> Duration {
            let workers = workers.iter().map(|worker| worker.process().cpu_time());
            workers.sum()
        };
        let workers_before = cpu();
        let redis_before = redis.as_ref().map(RedisUse::now);
        let load = load::run_processes(&addresses, self.pairs, self.rate)?;
        let redis_use = redis.as_ref().zip(redis_before);
        let result = RowResult {
            row: *self,
            load,
            workers: cpu().saturating_sub(workers_before),
            peak_rss: workers
                .iter()
                .map(|worker| worker.process().peak_rss())
                .max()
                .unwrap_or(0),
            redis: redis_use.map(|(redis, before)| before.until_now(redis)),
        };
        Ok((result, redis))
    }

    fn start_workers(&self, redis: Option<&RedisServer>) -> Vec<Server> {
        let max_connections = self.max_connections().to_string();
        let url = redis.map(RedisServer::url);
        let mut settings = vec![
            ("limits.enabled", "false"),
            ("msc4108.enabled", "true"),
            ("http.public_base_url", "http://rendezvous.example.org"),
            ("http.max_connections", &*max_connections),
            ("store.backend", self.store.name()),
        ];
        if let Some(url) = &url {
            settings.push(("store.redis.url", url));
        }
        if !self.holds {
            settings.push(("msc4108.long_poll.timeout", "0s"));
        } else if self.pairs > DEFAULT_MAX_WAITING {
            settings.push(("msc4108.long_poll.max_waiting", MAX_WAITING));
        }
        (0..self.workers)
            .map(|_| servers::start_worker(&settings))
            .collect()
    }
}

impl RedisUse {
    fn now(redis: &RedisServer) -> Self {
        Self {
            usage: Usage::now(redis),
            cpu: redis.process().cpu_time(),
        }
    }

    fn until_now(self, redis: &RedisServer) -> Self {
        Self {
            usage: Usage::since(self.usage, redis),
            cpu: redis.process().cpu_time().saturating_sub(self.cpu),
        }
    }
}

impl RowResult {
    /// CPU time of load, workers and Redis.
    pub fn cpu(&self) -> Duration {
        let redis = self.redis.map_or(Duration::ZERO, |redis| redis.cpu);
        self.load.cpu + self.workers + redis
    }

    /// Requests of one sign-in.
    pub fn requests(&self) -> f64 {
        self.per_sign_in(self.load.requests)
    }

    /// EVALSHA of one sign-in, each of them a round trip to Redis.
    pub fn scripts(&self) -> Option<f64> {
        Some(self.per_sign_in(self.redis?.usage.calls))
    }

    /// Commands of one sign-in, those included that scripts call and that workers send without a
    /// request.
    pub fn commands(&self) -> Option<f64> {
        Some(self.per_sign_in(self.redis?.usage.commands))
    }

    /// CPU time of the workers for one sign-in, in milliseconds.
    pub fn worker_millis(&self) -> f64 {
        self.millis_per_sign_in(self.workers)
    }

    /// CPU time of the load for one sign-in, in milliseconds.
    pub fn load_millis(&self) -> f64 {
        self.millis_per_sign_in(self.load.cpu)
    }

    /// CPU time of Redis for one sign-in, in milliseconds.
    pub fn redis_millis(&self) -> Option<f64> {
        Some(self.millis_per_sign_in(self.redis?.cpu))
    }

    fn per_sign_in(&self, number: u64) -> f64 {
        count(number) / f64::from(self.row.pairs)
    }

    fn millis_per_sign_in(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e3 / f64::from(self.row.pairs)
    }
}
