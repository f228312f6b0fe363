//! One round of load through workers, and the CPU time that it took.

use super::usage::{Usage, count};
use crate::load::{self, LoadPlan};
use crate::machine;
use crate::runner::WARM_UP;
use crate::scenario::Scenario;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};
use testkit::redis::RedisServer;
use testkit::server::Server;

/// Numbers of workers, the target's first.
pub const WORKERS: [usize; 2] = [3, 1];

/// What a load through workers showed.
#[derive(Debug)]
pub struct WorkerLoad {
    /// Requests a second.
    pub rate: f64,
    /// CPU time of the workers per request, in microseconds.
    pub worker: f64,
    /// Number of requests.
    pub requests: f64,
    /// Number of other replies than successes.
    pub errors: u64,
    /// What each Redis used.
    pub redis: Vec<Usage>,
}

impl WorkerLoad {
    /// Puts load on the workers for one round.
    pub fn measure(
        scenario: Scenario,
        workers: &[Server],
        nodes: &[&RedisServer],
        connections: usize,
        window: Duration,
    ) -> Result<Self, String> {
        let addresses: Vec<SocketAddr> = workers.iter().map(|worker| worker.http).collect();
        let cpu = || {
            workers
                .iter()
                .map(|worker| worker.process().cpu_time())
                .sum()
        };
        let running = load::start(&LoadPlan {
            addresses: addresses.into(),
            scenario,
            fixed: false,
            connections,
            threads: machine::cores(),
            warm_up: WARM_UP,
            window,
        });
        std::thread::sleep(running.start.saturating_duration_since(Instant::now()));
        let workers_before: Duration = cpu();
        let before: Vec<Usage> = nodes.iter().map(|node| Usage::now(node)).collect();
        let result = running.finish()?;
        let used = nodes.iter().zip(before);
        let redis = used.map(|(node, before)| Usage::since(before, node));
        let redis = redis.collect();
        let workers_after: Duration = cpu();
        let requests = count(result.latencies.total());
        Ok(Self {
            rate: requests / result.elapsed.as_secs_f64(),
            worker: workers_after.saturating_sub(workers_before).as_secs_f64() * 1e6 / requests,
            requests,
            errors: result.errors,
            redis,
        })
    }

    /// CPU time of some of the Redis nodes per request, in microseconds.
    pub fn per_request(&self, nodes: Range<usize>) -> f64 {
        let cpu: Duration = self.redis[nodes].iter().map(|node| node.cpu).sum();
        cpu.as_secs_f64() * 1e6 / self.requests
    }
}
