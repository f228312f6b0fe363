//! Redis' CPU time per request through workers, and what the same scripts cost it bare, in turn.

use super::bare::{BareCall, Pipelines};
use super::scripts;
use super::usage::count;
use super::worker_load::{WORKERS, WorkerLoad};
use crate::options::Options;
use crate::runner::median;
use crate::scenario::Scenario;
use crate::{memory, servers};
use std::time::Duration;
use testkit::redis::RedisServer;
use testkit::server::Server;

/// Connections of the load, the same number to each worker.
const CONNECTIONS: usize = 48;

/// What redis-benchmark does by default.
const DEFAULT_PIPELINES: Pipelines = Pipelines {
    connections: 50,
    depth: 1,
};

/// The results of one scenario with a number of workers.
#[derive(Debug)]
pub struct ScaleCase {
    /// The requests.
    pub scenario: Scenario,
    /// Number of workers.
    pub workers: usize,
    /// The rounds.
    pub rounds: Vec<Round>,
}

/// One round: workers, and then redis-benchmark.
#[derive(Debug)]
pub struct Round {
    /// The load through workers.
    pub through: WorkerLoad,
    /// Redis' CPU time per script, in microseconds, from redis-benchmark with as many connections as
    /// workers, each as deep a pipeline.
    pub bare: f64,
    /// The same, with the default of redis-benchmark: 50 connections without pipelines.
    pub bare_default: f64,
}

/// Measures each scenario with each number of workers.
pub fn measure(redis: &RedisServer, options: &Options) -> Result<Vec<ScaleCase>, String> {
    let url = redis.url();
    let settings = [
        ("limits.enabled", "false"),
        ("msc4108.enabled", "true"),
        ("http.public_base_url", "http://rendezvous.example.org"),
        ("store.backend", "redis"),
        ("store.redis.url", &url),
    ];
    let workers: Vec<Server> = (0..WORKERS[0])
        .map(|_| servers::start_worker(&settings))
        .collect();
    let mut cases = Vec::new();
    for (scenario, scripts) in scripts::capture_all(redis, &workers[0])? {
        for number in WORKERS {
            eprintln!("{}, {number} workers…", scenario.name());
            let workers = &workers[..number];
            let rounds = (0..options.rounds(false))
                .map(|_| Round::run(scenario, &scripts, workers, redis, options.window()));
            cases.push(ScaleCase {
                scenario,
                workers: number,
                rounds: rounds.collect::<Result<_, _>>()?,
            });
        }
    }
    Ok(cases)
}

impl Round {
    fn run(
        scenario: Scenario,
        scripts: &[BareCall],
        workers: &[Server],
        redis: &RedisServer,
        window: Duration,
    ) -> Result<Self, String> {
        memory::empty(redis);
        // Creations and deletions in turn run among sessions that are there, here and bare.
        if let [
            BareCall {
                sessions: Some(sessions),
                ..
            },
            _,
        ] = scripts
        {
            sessions.restore(redis)?;
        }
        let through = WorkerLoad::measure(scenario, workers, &[redis], CONNECTIONS, window)?;
        if through.errors > 0 {
            return Err(format!("{}: {} errors", scenario.name(), through.errors));
        }
        through.redis[0].expect_success()?;
        let pipelines = Pipelines {
            connections: workers.len(),
            depth: through.redis[0].whole_depth(),
        };
        let bare = |pipelines| {
            let costs = scripts
                .iter()
                .map(|script| Ok::<_, String>(script.run(redis, pipelines)?.per_call));
            Ok::<_, String>(mean(&costs.collect::<Result<Vec<_>, _>>()?))
        };
        Ok(Self {
            bare: bare(pipelines)?,
            bare_default: bare(DEFAULT_PIPELINES)?,
            through,
        })
    }
}

impl ScaleCase {
    /// The median of a figure over the rounds, with the smallest and the largest.
    pub fn figure(&self, of_round: impl Fn(&Round) -> f64) -> (f64, f64, f64) {
        let values: Vec<f64> = self.rounds.iter().map(of_round).collect();
        let smallest = values.iter().copied().fold(f64::INFINITY, f64::min);
        let largest = values.iter().copied().fold(0.0, f64::max);
        (median(&values), smallest, largest)
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / count(values.len() as u64)
}
