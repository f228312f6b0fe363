//! What the service has promised, held against what was measured.
//!
//! Each target is judged at 50 connections, where two cores are busy and queues are short; a run that
//! did not measure it leaves it out instead of guessing.

use crate::measure::Cell;
use crate::report::{megabytes, millis};
use crate::scenario::Scenario;
use crate::servers::{Side, Store};
use std::time::Duration;

/// Connections at which the speeds are judged.
const CONNECTIONS: usize = 50;

/// Part of a floor's speed to reach, at least, with the access log off.
const RATIOS: [(Store, Scenario, Side, f64); 3] = [
    (Store::Memory, Scenario::Poll, Side::Bare, 0.85),
    (Store::Memory, Scenario::Flow, Side::Map, 0.9),
    (Store::Redis, Scenario::Flow, Side::Fred, 0.9),
];

/// Slowest poll in a hundred on Redis.
const POLL_P99: Duration = Duration::from_millis(5);

/// Resident memory after the start, in bytes.
const IDLE_RSS: u64 = 15_000_000;

/// Redis's bytes for one session with the largest payload.
const REDIS_SESSION: f64 = 6.0 * 1024.0;

/// Sizes, where they were measured.
#[derive(Debug, Default)]
pub struct Sizes {
    /// Resident memory of our idle server on each store, in bytes.
    pub idle: Vec<(Store, u64)>,
    /// Redis's bytes for one session with the largest payload.
    pub redis_session: Option<f64>,
}

/// One promise.
#[derive(Debug)]
pub struct Target {
    /// What it is about.
    pub what: String,
    /// What was promised.
    pub goal: String,
    /// What was measured.
    pub measured: String,
    /// Whether it was kept.
    pub met: bool,
}

/// Whether a speed is promised of this case.
pub fn is_judged(store: Store, scenario: Scenario, connections: usize) -> bool {
    let promised = |goal: &(Store, Scenario, Side, f64)| (goal.0, goal.1) == (store, scenario);
    connections == CONNECTIONS && RATIOS.iter().any(promised)
}

/// All promises that these results tell about.
pub fn judge(cells: &[Cell], sizes: &Sizes) -> Vec<Target> {
    let mut targets: Vec<_> = RATIOS
        .iter()
        .filter_map(|goal| ratio(cells, *goal))
        .collect();
    targets.extend(poll_p99(cells));
    targets.extend(sizes.idle.iter().map(|(store, rss)| Target {
        what: format!("RSS after start, `{}`", store.name()),
        goal: format!("< {:.0} MB", megabytes(IDLE_RSS)),
        measured: format!("{:.1} MB", megabytes(*rss)),
        met: *rss < IDLE_RSS,
    }));
    targets.extend(sizes.redis_session.map(|bytes| Target {
        what: "Redis's memory for a session of 4096 bytes, lease included".to_owned(),
        goal: format!("< {REDIS_SESSION:.0} bytes"),
        measured: format!("{bytes:.0} bytes"),
        met: bytes < REDIS_SESSION,
    }));
    targets.push(errors(cells));
    targets
}

fn find(cells: &[Cell], store: Store, scenario: Scenario) -> Option<&Cell> {
    cells.iter().find(|cell| {
        (cell.store, cell.scenario, cell.connections) == (store, scenario, CONNECTIONS)
    })
}

fn ratio(cells: &[Cell], goal: (Store, Scenario, Side, f64)) -> Option<Target> {
    let (store, scenario, side, least) = goal;
    let cell = find(cells, store, scenario)?;
    let ours = cell.rows.first()?;
    let floor = cell.rows.iter().find(|row| row.side == side)?;
    let (median, smallest, largest) = ours.over(floor);
    Some(Target {
        what: format!(
            "{} on `{}` ÷ {}, {CONNECTIONS} connections",
            scenario.name(),
            store.name(),
            side.name()
        ),
        goal: format!("≥ {least:.2}"),
        measured: format!(
            "{median:.3} ({smallest:.2}–{largest:.2}), by CPU {:.3}",
            ours.over_by_cpu(floor)
        ),
        met: median >= least,
    })
}

fn poll_p99(cells: &[Cell]) -> Option<Target> {
    let ours = find(cells, Store::Redis, Scenario::Poll)?.rows.first()?;
    let p99 = ours.latencies.quantile(990);
    Some(Target {
        what: format!("p99 of a poll on `redis`, {CONNECTIONS} connections"),
        goal: format!("< {} ms", millis(Some(POLL_P99))),
        measured: format!("{} ms", millis(p99)),
        met: p99.is_some_and(|p99| p99 < POLL_P99),
    })
}

fn errors(cells: &[Cell]) -> Target {
    let errors: u64 = cells
        .iter()
        .flat_map(|cell| &cell.rows)
        .map(|row| row.errors)
        .sum();
    Target {
        what: "errors, all servers and scenarios".to_owned(),
        goal: "0".to_owned(),
        measured: errors.to_string(),
        met: errors == 0,
    }
}
