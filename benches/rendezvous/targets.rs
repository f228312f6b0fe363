//! The targets of the server, compared with the measured values.
//!
//! Each target applies at 50 connections, where two cores are busy and queues are short. If a run
//! did not measure a target, the table does not contain it.

use crate::runner::{CaseResult, ServerResult};
use crate::scenario::Scenario;
use crate::servers::{ServerKind, Store};
use crate::units::{megabytes, millis};
use std::time::Duration;

/// Number of connections of the targets.
const CONNECTIONS: usize = 50;

/// A case, its baseline, and the minimum ratio.
type Goal = (Store, Scenario, ServerKind, f64);

/// Minimum ratio of our speed to a baseline's, with the access log off.
const RATIOS: [Goal; 7] = [
    (Store::Memory, Scenario::Poll, ServerKind::Bare, 0.9),
    (Store::Memory, Scenario::Flow, ServerKind::Map, 0.9),
    // The baseline makes two round trips to create and two to delete, ours one each.
    (Store::Redis, Scenario::Create, ServerKind::Fred, 1.2),
    (Store::Redis, Scenario::Flow, ServerKind::Fred, 1.0),
    // The thinnest handler makes the same round trips as ours, and nothing else.
    (Store::Redis, Scenario::Poll, ServerKind::Thin, 0.95),
    (Store::Redis, Scenario::Flow, ServerKind::Thin, 0.85),
    (Store::Redis, Scenario::Create, ServerKind::Thin, 0.8),
];

/// Maximum of the 99th percentile of a poll on Redis.
const POLL_P99: Duration = Duration::from_millis(5);

/// Maximum of the resident memory after the start, in bytes.
const IDLE_RSS: u64 = 15_000_000;

/// Maximum of Redis's memory for one session with the largest payload, in bytes.
const REDIS_SESSION: f64 = 6.0 * 1024.0;

/// Measured sizes.
#[derive(Debug, Default)]
pub struct Sizes {
    /// Resident memory of our idle server on each store, in bytes.
    pub idle: Vec<(Store, u64)>,
    /// Redis's memory for one session with the largest payload, in bytes.
    pub redis_session: Option<f64>,
}

/// A target and its measured value.
#[derive(Debug)]
pub struct Target {
    /// What is measured.
    pub what: String,
    /// The value to reach.
    pub goal: String,
    /// The measured value.
    pub measured: String,
    /// Whether the target is met.
    pub met: bool,
}

/// Whether this case has a target.
pub fn has_target(store: Store, scenario: Scenario, connections: usize) -> bool {
    let matches = |goal: &Goal| (goal.0, goal.1) == (store, scenario);
    connections == CONNECTIONS && RATIOS.iter().any(matches)
}

/// The targets that these results cover.
pub fn evaluate(cases: &[CaseResult], sizes: &Sizes) -> Vec<Target> {
    let mut targets: Vec<_> = RATIOS
        .iter()
        .flat_map(|goal| ratios(cases, *goal))
        .collect();
    targets.extend(poll_p99(cases));
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
    targets.push(errors(cases));
    targets
}

fn find(cases: &[CaseResult], store: Store, scenario: Scenario) -> Option<&CaseResult> {
    cases.iter().find(|case| {
        (case.store, case.scenario, case.connections) == (store, scenario, CONNECTIONS)
    })
}

fn ratios(cases: &[CaseResult], goal: Goal) -> Vec<Target> {
    let (store, scenario, kind, minimum) = goal;
    let target = |ours: &ServerResult, baseline: &ServerResult| {
        let (median, smallest, largest) = ours.ratio_to(baseline);
        Target {
            what: format!(
                "{} on `{}` ÷ {}, {CONNECTIONS} connections{}",
                scenario.name(),
                store.name(),
                kind.name(),
                with_threads(ours)
            ),
            goal: format!("≥ {minimum:.2}"),
            measured: format!(
                "{median:.3} ({smallest:.2}–{largest:.2}), by CPU {:.3}",
                ours.cpu_ratio_to(baseline)
            ),
            met: median >= minimum,
        }
    };
    let Some(case) = find(cases, store, scenario) else {
        return Vec::new();
    };
    let baseline = case.servers.iter().find(|server| server.kind == kind);
    let ratio = |baseline| case.ours().map(move |ours| target(ours, baseline));
    baseline.into_iter().flat_map(ratio).collect()
}

/// The addition to a target's name if the run sets the number of our worker threads.
fn with_threads(ours: &ServerResult) -> String {
    match ours.kind {
        ServerKind::Ours(Some(threads)) => format!(", `TOKIO_WORKER_THREADS={threads}`"),
        _ => String::new(),
    }
}

fn poll_p99(cases: &[CaseResult]) -> Vec<Target> {
    let target = |ours: &ServerResult| {
        let p99 = ours.latencies.quantile(990);
        Target {
            what: format!(
                "p99 of a poll on `redis`, {CONNECTIONS} connections{}",
                with_threads(ours)
            ),
            goal: format!("< {} ms", millis(Some(POLL_P99))),
            measured: format!("{} ms", millis(p99)),
            met: p99.is_some_and(|p99| p99 < POLL_P99),
        }
    };
    let case = find(cases, Store::Redis, Scenario::Poll);
    let ours = case.into_iter().flat_map(CaseResult::ours);
    ours.map(target).collect()
}

fn errors(cases: &[CaseResult]) -> Target {
    let errors: u64 = cases
        .iter()
        .flat_map(|case| &case.servers)
        .map(|server| server.errors)
        .sum();
    Target {
        what: "errors, all servers and scenarios".to_owned(),
        goal: "0".to_owned(),
        measured: errors.to_string(),
        met: errors == 0,
    }
}
