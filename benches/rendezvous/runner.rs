//! One measurement: our server and its floors, turn by turn, under one scenario.
//!
//! A shared machine is faster in one second than in the next. So the sides take turns in rounds of
//! about a second, in an order that is reversed every time, and what counts is the median of the
//! ratios of rounds that lie side by side. It never compares rounds of different measurements.

use crate::histogram::Histogram;
use crate::load::{self, Plan};
use crate::process::{machine_cpu, own_cpu};
use crate::scenario::Scenario;
use crate::servers::{Server, Setting, Side, Store};
use std::time::{Duration, Instant};

/// Load before each round's clock starts: connections are warm and every script is loaded by then.
const WARM_UP: Duration = Duration::from_millis(200);

/// What is measured, and how long.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// What is asked.
    pub scenario: Scenario,
    /// By how many connections.
    pub connections: usize,
    /// Turns of each side.
    pub rounds: usize,
    /// Length of one round.
    pub window: Duration,
    /// Threads of the load generator.
    pub threads: usize,
}

/// The results of one case.
#[derive(Debug)]
pub struct Cell {
    /// Where our server and its floor kept sessions.
    pub store: Store,
    /// What was asked.
    pub scenario: Scenario,
    /// By how many connections.
    pub connections: usize,
    /// Ours first, then its floors, the one that the targets name before others.
    pub rows: Vec<Row>,
}

/// The results of one side.
#[derive(Debug)]
pub struct Row {
    /// Who answered.
    pub side: Side,
    /// Requests a second, round by round.
    pub rates: Vec<f64>,
    /// Latencies of all rounds.
    pub latencies: Histogram,
    /// Errors of all rounds.
    pub errors: u64,
    /// CPU time over all rounds.
    pub cpu: Cpu,
    /// How long the rounds took.
    pub elapsed: Duration,
    /// Resident memory of the server after the last round, in bytes.
    pub rss: u64,
}

/// CPU time by process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpu {
    /// The server.
    pub server: Duration,
    /// The bench, which is the load generator.
    pub load: Duration,
    /// Redis.
    pub redis: Duration,
    /// All processes of the machine, and what a hypervisor took.
    pub machine: Duration,
}

/// The floors of a scenario on a store.
fn floors(store: Store, scenario: Scenario) -> &'static [Side] {
    match (store, scenario) {
        // A poll is asked against fixed bytes; what a map alone costs stands beside it.
        (Store::Memory, Scenario::Poll) => &[Side::Bare, Side::Map],
        (Store::Memory, _) => &[Side::Map],
        (Store::Redis, _) => &[Side::Fred],
    }
}

/// Measures one case with fresh processes.
pub fn cell(case: Case, setting: Setting<'_>, model: &str) -> Result<Cell, String> {
    let mut sides = vec![(Row::new(Side::Ours), Server::start_ours(setting)?)];
    for side in floors(setting.store, case.scenario) {
        sides.push((Row::new(*side), Server::start_floor(*side, setting, model)?));
    }
    for _ in 0..case.rounds {
        for (row, server) in &mut sides {
            row.round(case, server, setting)?;
        }
        sides.reverse();
    }
    if case.rounds % 2 == 1 {
        sides.reverse();
    }
    let finished = sides.into_iter().map(|(row, server)| {
        Ok(Row {
            rss: server.process.rss()?,
            ..row
        })
    });
    Ok(Cell {
        store: setting.store,
        scenario: case.scenario,
        connections: case.connections,
        rows: finished.collect::<Result<_, String>>()?,
    })
}

impl Row {
    fn new(side: Side) -> Self {
        Self {
            side,
            rates: Vec::new(),
            latencies: Histogram::new(),
            errors: 0,
            cpu: Cpu::default(),
            elapsed: Duration::ZERO,
            rss: 0,
        }
    }

    fn round(&mut self, case: Case, server: &Server, setting: Setting<'_>) -> Result<(), String> {
        if let Some(redis) = setting.redis {
            redis.empty()?;
        }
        let running = load::start(Plan {
            address: server.address,
            scenario: case.scenario,
            fixed: self.side == Side::Bare,
            connections: case.connections,
            threads: case.threads,
            warm_up: WARM_UP,
            window: case.window,
        });
        std::thread::sleep(running.start.saturating_duration_since(Instant::now()));
        let (before, begun) = (Cpu::now(server, setting)?, Instant::now());
        let tally = running.finish()?;
        self.cpu.add(Cpu::now(server, setting)?, before);
        self.elapsed += begun.elapsed();
        let good = u32::try_from(tally.latencies.total()).unwrap_or(u32::MAX);
        self.rates
            .push(f64::from(good) / tally.elapsed.as_secs_f64());
        self.latencies.merge(&tally.latencies);
        self.errors += tally.errors;
        Ok(())
    }

    /// Requests a second: the median round.
    pub fn rate(&self) -> f64 {
        median(&self.rates)
    }

    /// CPU time per good reply, in microseconds.
    pub fn per_request(&self, cpu: Duration) -> f64 {
        let requests = u32::try_from(self.latencies.total()).unwrap_or(u32::MAX);
        cpu.as_secs_f64() * 1e6 / f64::from(requests.max(1))
    }

    /// Our rounds over those of a floor, pair by pair: median, smallest, largest.
    pub fn over(&self, floor: &Self) -> (f64, f64, f64) {
        let pairs = self.rates.iter().zip(&floor.rates);
        let ratios: Vec<f64> = pairs.map(|(ours, floor)| ours / floor).collect();
        let smallest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let largest = ratios.iter().copied().fold(0.0, f64::max);
        (median(&ratios), smallest, largest)
    }

    /// The same ratio from what a request costs in CPU time, of server, load and Redis together. With
    /// every core busy it is the ratio of speeds, and other tenants of the machine hardly move it.
    pub fn over_by_cpu(&self, floor: &Self) -> f64 {
        floor.per_request(floor.cpu.ours()) / self.per_request(self.cpu.ours())
    }

    /// CPU time that the machine spent on others while these rounds ran.
    pub fn foreign(&self) -> Duration {
        self.cpu.machine.saturating_sub(self.cpu.ours())
    }
}

impl Cpu {
    fn now(server: &Server, setting: Setting<'_>) -> Result<Self, String> {
        let redis = match (setting.store, setting.redis) {
            (Store::Redis, Some(redis)) => redis.cpu()?,
            _ => Duration::ZERO,
        };
        Ok(Self {
            server: server.process.cpu()?,
            load: own_cpu(),
            machine: machine_cpu(),
            redis,
        })
    }

    /// What the requests cost, whoever paid.
    fn ours(&self) -> Duration {
        self.server + self.load + self.redis
    }

    fn add(&mut self, after: Self, before: Self) {
        self.server += after.server.saturating_sub(before.server);
        self.load += after.load.saturating_sub(before.load);
        self.redis += after.redis.saturating_sub(before.redis);
        self.machine += after.machine.saturating_sub(before.machine);
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}
