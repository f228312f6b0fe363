//! Deployments without lost requests: three workers behind haproxy are replaced, reconfigured and
//! killed while devices sign in.
//!
//! For operators, and for changes of how the process starts or ends. `tests/deploy/run` runs it
//! with real processes: release builds of the worker, redis-server, haproxy. Its clients do not
//! retry, so each lost request ends a sign-in. The exception is the scenario that kills a worker:
//! no server can save the requests in flight there. Clients retry in it, and nothing else may be
//! lost. A machine of two cores is enough. All scenarios take a minute or two.
//!
//! With `--from BINARY COMMIT` it runs two other scenarios: an upgrade from that build, and the way
//! back. `tests/deploy/run --from COMMIT` builds it.

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

use scenarios::{OtherBuild, ScenarioResult};
use std::process::ExitCode;
use testkit::server::ServerBinary;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    testkit::verdict::exit_code(runtime.block_on(run()))
}

/// Runs the scenarios that the arguments select. Returns the failed assertions.
async fn run() -> Result<Vec<String>, String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let results = match arguments[..] {
        [] => scenarios::run_all().await?,
        ["--from", binary, commit] => {
            let [binary, commit] = [binary, commit].map(|text| &*text.to_owned().leak());
            let binary = ServerBinary(binary);
            scenarios::run_upgrades(OtherBuild { binary, commit }).await?
        }
        _ => {
            return Err(format!(
                "expected no arguments, or --from BINARY COMMIT; found {arguments:?}"
            ));
        }
    };
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
