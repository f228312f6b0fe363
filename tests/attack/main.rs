//! The attack simulation: two workers and a Redis under attack, while honest sign-ins must all
//! complete.
//!
//! For docs/threat-model.md, and for changes of a limit. `tests/attack/run` runs all scenarios, or
//! those that it is given by name, with real processes: release builds of the worker, redis-server,
//! haproxy, and a stand-in for a homeserver. It prints a table. It fails if an honest sign-in fails, if a
//! worker or Redis uses more memory than the documents allow, or if the attack did not take place.
//! A machine of two cores is enough. All scenarios take eight minutes.
//!
//! `tests/attack/run --soak SECONDS` runs the soak instead (`soak`).

// The server takes clock and environment as arguments, so that tests can replace them. A simulation
// uses the real ones.
#![allow(
    clippy::disallowed_methods,
    reason = "it measures real time, and starts processes"
)]

mod attacks;
mod counters;
mod environment;
mod http2_abuse;
mod report;
mod runner;
mod scenarios;
mod session_abuse;
mod sign_in_clients;
mod slowloris;
mod soak;
mod source_ips;
mod tls_proxy;

use runner::ScenarioResult;
use scenarios::Scenario;
use std::process::ExitCode;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// File descriptors for the slow connections and everything else. A worker needs half as many.
const MIN_DESCRIPTORS: u64 = 5_500;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    testkit::verdict::exit_code(run(&arguments))
}

/// Runs the scenarios of these names, or all, or the soak. Returns the failed assertions.
fn run(arguments: &[String]) -> Result<Vec<String>, String> {
    if let [option, seconds] = arguments
        && option == "--soak"
    {
        let seconds = seconds
            .parse()
            .map_err(|error| format!("--soak {seconds}: {error}"))?;
        let homeserver = environment::start_homeserver();
        return soak::run(Duration::from_secs(seconds), &homeserver);
    }
    let selected = select(arguments)?;
    let descriptors = testkit::process::open_files_limit();
    if descriptors < MIN_DESCRIPTORS {
        return Err(format!(
            "{descriptors} file descriptors are not enough for 5,000 connections: raise the limit to \
             {MIN_DESCRIPTORS} (ulimit -n, and the hard limit if that is refused)"
        ));
    }
    let homeserver = environment::start_homeserver();
    let mut results: Vec<ScenarioResult> = Vec::new();
    for scenario in selected {
        eprintln!("--- {}: {}", scenario.key, scenario.name);
        let result = runner::run_scenario(scenario, &homeserver)?;
        for failure in &result.failures {
            eprintln!("    {failure}");
        }
        results.push(result);
    }
    report::print_table(&results);
    let failures = results.iter().flat_map(|result| {
        let key = result.scenario.key;
        let failures = result.failures.iter();
        failures.map(move |failure| format!("{key}: {failure}"))
    });
    Ok(failures.collect())
}

fn select(names: &[String]) -> Result<Vec<&'static Scenario>, String> {
    if names.is_empty() {
        return Ok(scenarios::ALL.iter().collect());
    }
    let find = |name: &String| {
        let found = scenarios::ALL.iter().find(|scenario| scenario.key == name);
        found.ok_or_else(|| {
            let keys: Vec<_> = scenarios::ALL.iter().map(|scenario| scenario.key).collect();
            format!(
                "unknown scenario {name}; the scenarios are: {}",
                keys.join(" ")
            )
        })
    };
    names.iter().map(find).collect()
}

/// A runtime of one thread, the caller's.
fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime")
}
