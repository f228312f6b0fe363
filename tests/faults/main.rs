//! Fault runs: three workers on a Redis (standalone, Sentinel, Cluster) that is killed, paused,
//! filled, moved and cut off while devices sign in and clients race for sessions.
//!
//! Every request and every response is recorded, and each session's history is checked: there must
//! be an order of the calls that explains all responses (`testkit::history`). So no fault may lose
//! an acknowledged write that Redis kept, apply a write twice, return an old payload, or return 404
//! for a session that lives. At the end the leases must be those of the live sessions (`leases`). The
//! table on standard output says, for each fault, what clients saw.
//!
//! `tests/faults/run` runs all faults, or those that it is given by name, with real processes:
//! release builds of the worker, and redis-server.
//! `--quick` runs fewer sign-ins, and leaves out faults that resemble another. `--tls` makes the
//! workers connect with TLS and as an ACL user, and leaves out the faults that need plain text
//! (`Fault::needs_plain_text`).
//! `--authenticated` runs the workers in that mode. A machine of two cores is enough, and
//! must do nothing else: at a load of 17, creations are refused longer than the contract allows. Each
//! fault takes 12 s to 30 s, and a minute or more if slots move.

// The server takes clock and environment as arguments, so that tests can replace them. A simulation
// uses the real ones.
#![allow(
    clippy::disallowed_methods,
    reason = "it measures real time, and starts processes"
)]

mod catalogue;
mod client;
mod cluster;
mod fleet;
mod leases;
mod other_slots;
mod probes;
mod progress;
mod races;
mod report;
mod runner;
mod sentinel;
mod setup;
mod sign_ins;
mod standalone;
mod verdict;

use catalogue::{FAULTS, Fault};
use runner::{Load, run_fault};
use setup::Setup;
use std::process::ExitCode;

/// The options: the short form; TLS and an ACL user at Redis; mode `authenticated`.
const QUICK: &str = "--quick";
const TLS: &str = "--tls";
const AUTHENTICATED: &str = "--authenticated";

/// The load of the long form and of the short one.
const LONG_LOAD: Load = Load {
    sign_ins: 200,
    pairs: 50,
    races: 40,
};
const QUICK_LOAD: Load = Load {
    sign_ins: 60,
    pairs: 24,
    races: 12,
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    testkit::verdict::exit_code(run(&arguments))
}

/// Runs the named faults, or all. Returns the failed assertions.
fn run(arguments: &[String]) -> Result<Vec<String>, String> {
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    let is_quick = has(QUICK);
    let mut setup = Setup::default();
    if has(TLS) {
        setup.secure_redis();
    }
    if has(AUTHENTICATED) {
        setup.require_tokens();
    }
    let is_option = |argument: &&String| [QUICK, TLS, AUTHENTICATED].contains(&argument.as_str());
    let names: Vec<_> = arguments.iter().filter(|name| !is_option(name)).collect();
    let load = if is_quick { QUICK_LOAD } else { LONG_LOAD };
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let mut results = Vec::new();
    for fault in select(&names, is_quick, has(TLS))? {
        eprintln!("--- {}", fault.name);
        let result = run_fault(&runtime, &setup, fault, load);
        for failure in &result.failures {
            eprintln!("    {failure}");
        }
        results.push(result);
    }
    report::print_table(&results);
    let failures = results.iter().flat_map(|result| {
        let name = result.fault.name;
        let failures = result.failures.iter();
        failures.map(move |failure| format!("{name}: {failure}"))
    });
    Ok(failures.collect())
}

/// The named faults; if none is named, those of the long or the short form that are possible.
fn select(names: &[&String], is_quick: bool, has_tls: bool) -> Result<Vec<Fault>, String> {
    let is_possible = |fault: &&Fault| !(has_tls && fault.needs_plain_text);
    if names.is_empty() {
        let selected = FAULTS.iter().filter(|fault| !is_quick || fault.is_quick);
        let (possible, left_out): (Vec<&Fault>, Vec<&Fault>) = selected.partition(is_possible);
        for fault in left_out {
            eprintln!("--- left out: {} needs plain text", fault.name);
        }
        return Ok(possible.into_iter().copied().collect());
    }
    let find = |name: &&String| {
        let found = FAULTS.iter().find(|fault| fault.name == **name);
        let fault = found.ok_or_else(|| {
            let known: Vec<_> = FAULTS.iter().map(|fault| fault.name).collect();
            format!(
                "unknown fault {name}; the faults are:\n{}",
                known.join("\n")
            )
        })?;
        if !is_possible(&fault) {
            return Err(format!("{name} needs plain text: run it without {TLS}"));
        }
        Ok(*fault)
    };
    names.iter().map(find).collect()
}
