//! Measures one case: our server and its baselines in turn, under one scenario.
//!
//! A shared machine is faster in one second than in the next. So the servers take turns in rounds
//! of about a second, in an order that is reversed each time. The result is the median of the
//! ratios of neighbouring rounds. Rounds of different cases are never compared.

use crate::histogram::Histogram;
use crate::load::{self, LoadPlan};
use crate::machine::{machine_cpu, own_cpu};
use crate::memory;
use crate::scenario::Scenario;
use crate::servers::{Server, ServerKind, ServerOptions, Store};
use std::time::{Duration, Instant};

/// Duration of the load before the clock of a round starts. By then connections are warm and every
/// script is loaded.
pub const WARM_UP: Duration = Duration::from_millis(200);

/// A case to measure.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The requests.
    pub scenario: Scenario,
    /// Number of connections.
    pub connections: usize,
    /// Rounds of each server.
    pub rounds: usize,
    /// Length of one round.
    pub window: Duration,
    /// Number of threads of the load generator.
    pub threads: usize,
    /// The numbers of worker threads with which our server is measured; `None` is its default.
    pub worker_threads: &'a [Option<u16>],
}

/// The results of one case.
#[derive(Debug)]
pub struct CaseResult {
    /// Where our server and its baselines kept sessions.
    pub store: Store,
    /// The requests.
    pub scenario: Scenario,
    /// Number of connections.
    pub connections: usize,
    /// Our server first, once for each number of worker threads, then its baselines.
    pub servers: Vec<ServerResult>,
}

impl CaseResult {
    /// The results of our server, one for each number of worker threads.
    pub fn ours(&self) -> impl Iterator<Item = &ServerResult> {
        let is_ours = |server: &&ServerResult| matches!(server.kind, ServerKind::Ours(_));
        self.servers.iter().filter(is_ours)
    }
}

/// The results of one server.
#[derive(Debug)]
pub struct ServerResult {
    /// The server.
    pub kind: ServerKind,
    /// Requests a second, round by round.
    pub rates: Vec<f64>,
    /// Latencies of all rounds.
    pub latencies: Histogram,
    /// Errors of all rounds.
    pub errors: u64,
    /// CPU time over all rounds.
    pub cpu: Cpu,
    /// Duration of all rounds.
    pub elapsed: Duration,
    /// Resident memory of the server after the last round, in bytes.
    pub rss: u64,
}

/// CPU time by process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpu {
    /// The server.
    pub server: Duration,
    /// The benchmark, which is the load generator.
    pub load: Duration,
    /// Redis.
    pub redis: Duration,
    /// All processes of the machine, and what a hypervisor took from it.
    pub machine: Duration,
}

/// The baselines of a scenario on a store.
fn baselines(store: Store, scenario: Scenario) -> &'static [ServerKind] {
    match (store, scenario) {
        // A poll is compared with fixed bytes, and with a map alone.
        (Store::Memory, Scenario::Poll) => &[ServerKind::Bare, ServerKind::Map],
        (Store::Memory, _) => &[ServerKind::Map],
        (Store::Redis, _) => &[ServerKind::Fred, ServerKind::Thin],
    }
}

/// Measures one case with new processes.
pub fn measure(
    case: Case<'_>,
    options: ServerOptions<'_>,
    model: &str,
) -> Result<CaseResult, String> {
    let mut servers = Vec::new();
    for threads in case.worker_threads.iter().copied() {
        let server = Server::start_ours(ServerOptions { threads, ..options })?;
        servers.push((ServerResult::new(ServerKind::Ours(threads)), server));
    }
    for kind in baselines(options.store, case.scenario) {
        let server = Server::start_baseline(*kind, options, model)?;
        servers.push((ServerResult::new(*kind), server));
    }
    for _ in 0..case.rounds {
        for (result, server) in &mut servers {
            result.run_round(case, server, options)?;
        }
        servers.reverse();
    }
    if case.rounds % 2 == 1 {
        servers.reverse();
    }
    let finished = servers.into_iter().map(|(result, server)| ServerResult {
        rss: server.process().rss(),
        ..result
    });
    Ok(CaseResult {
        store: options.store,
        scenario: case.scenario,
        connections: case.connections,
        servers: finished.collect(),
    })
}

impl ServerResult {
    fn new(kind: ServerKind) -> Self {
        Self {
            kind,
            rates: Vec::new(),
            latencies: Histogram::new(),
            errors: 0,
            cpu: Cpu::default(),
            elapsed: Duration::ZERO,
            rss: 0,
        }
    }

    fn run_round(
        &mut self,
        case: Case<'_>,
        server: &Server,
        options: ServerOptions<'_>,
    ) -> Result<(), String> {
        if let Some(redis) = options.redis {
            memory::empty(redis);
        }
        let running = load::start(&LoadPlan {
            addresses: [server.address()].into(),
            scenario: case.scenario,
            fixed: self.kind == ServerKind::Bare,
            connections: case.connections,
            threads: case.threads,
            warm_up: WARM_UP,
            window: case.window,
        });
        std::thread::sleep(running.start.saturating_duration_since(Instant::now()));
        let (before, begun) = (Cpu::now(server, options), Instant::now());
        let result = running.finish()?;
        self.cpu.add(Cpu::now(server, options), before);
        self.elapsed += begun.elapsed();
        let good = u32::try_from(result.latencies.total()).unwrap_or(u32::MAX);
        self.rates
            .push(f64::from(good) / result.elapsed.as_secs_f64());
        self.latencies.merge(&result.latencies);
        self.errors += result.errors;
        Ok(())
    }

    /// Requests a second in the median round.
    pub fn rate(&self) -> f64 {
        median(&self.rates)
    }

    /// CPU time per good reply, in microseconds.
    pub fn per_request(&self, cpu: Duration) -> f64 {
        let requests = u32::try_from(self.latencies.total()).unwrap_or(u32::MAX);
        cpu.as_secs_f64() * 1e6 / f64::from(requests.max(1))
    }

    /// The ratios of our rounds to those of a baseline, pair by pair: median, smallest, largest.
    pub fn ratio_to(&self, baseline: &Self) -> (f64, f64, f64) {
        let pairs = self.rates.iter().zip(&baseline.rates);
        let ratios: Vec<f64> = pairs.map(|(ours, baseline)| ours / baseline).collect();
        let smallest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let largest = ratios.iter().copied().fold(0.0, f64::max);
        (median(&ratios), smallest, largest)
    }

    /// The same ratio, from the CPU time of a request in server, load and Redis together. With
    /// every core busy it is the ratio of speeds, and other tenants of the machine hardly change
    /// it.
    pub fn cpu_ratio_to(&self, baseline: &Self) -> f64 {
        baseline.per_request(baseline.cpu.total()) / self.per_request(self.cpu.total())
    }

    /// CPU time of all other processes of the machine during these rounds.
    pub fn other_processes(&self) -> Duration {
        self.cpu.machine.saturating_sub(self.cpu.total())
    }
}

impl Cpu {
    fn now(server: &Server, options: ServerOptions<'_>) -> Self {
        let redis = match (options.store, options.redis) {
            (Store::Redis, Some(redis)) => redis.process().cpu_time(),
            _ => Duration::ZERO,
        };
        Self {
            server: server.process().cpu_time(),
            load: own_cpu(),
            machine: machine_cpu(),
            redis,
        }
    }

    /// CPU time of all processes of the measurement.
    fn total(&self) -> Duration {
        self.server + self.load + self.redis
    }

    fn add(&mut self, after: Self, before: Self) {
        self.server += after.server.saturating_sub(before.server);
        self.load += after.load.saturating_sub(before.load);
        self.redis += after.redis.saturating_sub(before.redis);
        self.machine += after.machine.saturating_sub(before.machine);
    }
}

/// The median of these values, NaN if there are none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}
