//! Deploys that nobody notices: three workers behind haproxy, replaced, reconfigured and killed under sign-ins.
//!
//! For operators, and for whoever changes how the process starts or ends. `tests/deploy/run` runs it with real
//! processes: release builds of the worker, redis-server, haproxy. Its clients repeat nothing, so that each request that
//! is lost ends a sign-in, but for where a worker is killed: no server can help what was on its wires then, and a client
//! that asks again must find that nothing else was lost. A machine of two cores is enough; a minute or two.

// The house keeps clock and environment in one place, so that tests can replace them. This runs on the real ones.
#![allow(
    clippy::disallowed_methods,
    reason = "it measures real time, and starts processes"
)]

mod device;
#[path = "../attack/dialect.rs"]
mod dialect;
mod fleet;
mod haproxy;
#[path = "../attack/http.rs"]
#[expect(dead_code, reason = "the attacks use the rest of it")]
mod http;
mod load;
#[path = "../attack/operators.rs"]
mod operators;
#[path = "../attack/process.rs"]
#[expect(dead_code, reason = "the attacks use the rest of it")]
mod process;
#[path = "../attack/redis.rs"]
#[expect(dead_code, reason = "the attacks use the rest of it")]
mod redis;
mod scenarios;
mod tally;
mod witness;
mod worker;

use scenarios::Outcome;
use std::process::ExitCode;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let faults = match runtime.block_on(run()) {
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

/// Runs all scenarios, and says what did not hold.
async fn run() -> Result<Vec<String>, String> {
    let outcomes = scenarios::all().await?;
    println!(
        "| scenario | requests | lost requests | refused creations | sign-ins | those that repeated | lost sign-ins |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|");
    for Outcome { name, clients, .. } in &outcomes {
        let tally = &clients.tally;
        let counts = [
            &tally.requests,
            &tally.lost,
            &tally.refused,
            &tally.sign_ins,
            &tally.repeated,
        ]
        .map(|count| count.get().to_string());
        let failed = tally.failures().len();
        println!("| {name} | {} | {failed} |", counts.join(" | "));
    }
    Ok(outcomes.iter().flat_map(Outcome::faults).collect())
}
