//! The attack simulation: two workers and a Redis under attack, and honest sign-ins that must not notice.
//!
//! For docs/threat-model.md, and for whoever changes a limit. `tests/attack/run` runs all scenarios, or those that
//! it is given by name, with real processes: release builds of the worker, redis-server, and a stand-in for the
//! homeserver. It prints a table, and fails where an honest sign-in failed, where a worker or Redis took more
//! memory than the docs allow, or where the attack was none. A machine of two cores is enough; seven minutes.

// The house keeps clock and environment in one place, so that tests can replace them. A simulation runs on the
// real ones.
#![allow(
    clippy::disallowed_methods,
    reason = "it measures real time, and starts processes"
)]

mod addresses;
mod attacks;
mod battle;
mod dialect;
mod field;
mod homeserver;
mod honest;
mod http;
mod operators;
mod owned;
mod process;
mod redis;
mod report;
mod scenarios;
mod slow;
mod tally;
mod worker;

use battle::Outcome;
use homeserver::Homeserver;
use scenarios::Scenario;
use std::process::ExitCode;
use tokio::runtime::{Builder, Runtime};

/// The slow connections, and room for the rest. A worker needs half as many.
const DESCRIPTORS: u64 = 5_500;

fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let faults = match run(&names) {
        Ok(faults) => faults,
        Err(error) => vec![error],
    };
    for fault in &faults {
        eprintln!("FAILED {fault}");
    }
    if faults.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs the scenarios of these names, or all, and says what did not hold.
fn run(names: &[String]) -> Result<Vec<String>, String> {
    let chosen = chosen(names)?;
    let descriptors = process::descriptors();
    if descriptors < DESCRIPTORS {
        return Err(format!(
            "{descriptors} file descriptors are too few for 5,000 connections; raise the limit to {DESCRIPTORS} \
             (ulimit -n, and the hard limit where that refuses)"
        ));
    }
    let homeserver = Homeserver::start()?;
    let mut outcomes: Vec<Outcome> = Vec::new();
    for scenario in chosen {
        eprintln!("--- {}: {}", scenario.key, scenario.name);
        let outcome = battle::fight(scenario, &homeserver)?;
        for fault in &outcome.faults {
            eprintln!("    {fault}");
        }
        outcomes.push(outcome);
    }
    report::table(&outcomes);
    let faults = outcomes.iter().flat_map(|outcome| {
        let key = outcome.scenario.key;
        let faults = outcome.faults.iter();
        faults.map(move |fault| format!("{key}: {fault}"))
    });
    Ok(faults.collect())
}

fn chosen(names: &[String]) -> Result<Vec<&'static Scenario>, String> {
    if names.is_empty() {
        return Ok(scenarios::ALL.iter().collect());
    }
    let find = |name: &String| {
        let found = scenarios::ALL.iter().find(|scenario| scenario.key == name);
        found.ok_or_else(|| {
            let keys: Vec<_> = scenarios::ALL.iter().map(|scenario| scenario.key).collect();
            format!("no scenario {name}; there are: {}", keys.join(" "))
        })
    };
    names.iter().map(find).collect()
}

/// A runtime of one thread: the caller's.
fn runtime() -> Result<Runtime, String> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| format!("no runtime: {error}"))
}
