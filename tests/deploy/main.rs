//! Deployments without lost requests: three workers behind haproxy are replaced, reconfigured and
//! killed while devices sign in.
//!
//! For operators, and for changes of how the process starts or ends. `tests/deploy/run` runs it
//! with real processes: release builds of the worker, redis-server, haproxy. Its clients do not
//! retry, so each lost request ends a sign-in. The exception is the scenario that kills a worker:
//! no server can save the requests in flight there. Clients retry in it, and nothing else may be
//! lost. A machine of two cores is enough. All scenarios take a minute or two.

// The server takes clock and environment as arguments, so that tests can replace them. A simulation
// uses the real ones.
#![allow(
    clippy::disallowed_methods,
    reason = "it measures real time, and starts processes"
)]

mod counters;
mod device;
mod fleet;
mod load;
mod scenarios;
mod self_check;
mod worker;

use scenarios::ScenarioResult;
use std::process::ExitCode;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    testkit::verdict::exit_code(runtime.block_on(run()))
}

/// Runs all scenarios. Returns the failed assertions.
async fn run() -> Result<Vec<String>, String> {
    let results = scenarios::run_all().await?;
    println!(
        "| scenario | requests | lost requests | rejected creations | sign-ins | of them with retries | lost sign-ins |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|");
    for ScenarioResult { name, clients, .. } in &results {
        let counters = &clients.counters;
        let columns = [
            &counters.requests,
            &counters.lost,
            &counters.rejected,
            &counters.sign_ins,
            &counters.retried,
        ]
        .map(|counter| counter.get().to_string());
        let failed = counters.failures().len();
        println!("| {name} | {} | {failed} |", columns.join(" | "));
    }
    Ok(results.iter().flat_map(ScenarioResult::failures).collect())
}
