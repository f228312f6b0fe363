//! Prints the tables: Markdown on standard output, for `docs/performance.md`.
//!
//! It formats the results of `runner` and `memory`. Whether they reach the targets, `targets`
//! decides.

use crate::runner::{CaseResult, ServerResult};
use crate::scenario::{FLOW_REQUESTS, Scenario};
use crate::servers::{ServerKind, Store};
use crate::targets::Target;
use crate::units::{megabytes, millis};
use std::time::Duration;

/// Cores that other processes may use before the numbers are noisy. If a tenth of two cores is
/// gone, the speed of a round changes by as much as the targets allow.
const QUIET: f64 = 0.2;

/// Prints the results of all cases, a row for each server.
pub fn print_cases(cases: &[CaseResult]) {
    println!(
        "| store | scenario | conns | server | requests/s | p50 ms | p90 ms | p99 ms | p99.9 ms \
         | errors | CPU µs/request | Redis µs | load µs | RSS MB | ours ÷ baseline (min–max) | by CPU |"
    );
    println!("|---|---|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for case in cases {
        for server in &case.servers {
            println!("{}", row(case, server));
        }
    }
    if cases.iter().any(|case| case.scenario == Scenario::Flow) {
        println!("\nA flow is one sign-in: {FLOW_REQUESTS} requests.");
    }
    if cases.iter().any(|case| case.ours().count() > 1) {
        println!("\nA baseline has one ratio for each row of ours, in their order.");
    }
    println!(
        "\nClosed loop: a connection sends its next request as soon as it has a reply, and load and servers \
         share the cores, so latencies are those of a saturated machine."
    );
}

fn row(case: &CaseResult, server: &ServerResult) -> String {
    let quantiles =
        [500, 900, 990, 999].map(|per_mille| millis(server.latencies.quantile(per_mille)));
    let redis = match case.store {
        Store::Memory => "–".to_owned(),
        Store::Redis => format!("{:.1}", server.per_request(server.cpu.redis)),
    };
    let (ratios, by_cpu): (Vec<_>, Vec<_>) = case
        .ours()
        .filter(|_| !matches!(server.kind, ServerKind::Ours(_)))
        .map(|ours| {
            let (median, smallest, largest) = ours.ratio_to(server);
            let ratio = format!("{median:.2} ({smallest:.2}–{largest:.2})");
            (ratio, format!("{:.2}", ours.cpu_ratio_to(server)))
        })
        .unzip();
    let columns = [
        case.store.name().to_owned(),
        case.scenario.name().to_owned(),
        case.connections.to_string(),
        server.kind.name(),
        format!("{:.0}", server.rate()),
        quantiles.join(" | "),
        server.errors.to_string(),
        format!("{:.1}", server.per_request(server.cpu.server)),
        redis,
        format!("{:.1}", server.per_request(server.cpu.load)),
        format!("{:.1}", megabytes(server.rss)),
        ratios.join(", "),
        by_cpu.join(", "),
    ];
    format!("| {} |", columns.join(" | "))
}

/// Prints how much of the machine other processes used, and what that means for the numbers.
pub fn print_other_processes(cases: &[CaseResult]) {
    let servers = || cases.iter().flat_map(|case| &case.servers);
    let others: Duration = servers().map(ServerResult::other_processes).sum();
    let elapsed: Duration = servers().map(|server| server.elapsed).sum();
    print_share_of_others(others, elapsed);
}

/// Prints how much of the machine other processes used in this time.
pub fn print_share_of_others(others: Duration, elapsed: Duration) {
    let share = others.as_secs_f64() / elapsed.as_secs_f64().max(f64::EPSILON);
    println!("\nOther processes used {share:.2} cores while the clock ran.");
    if share > QUIET {
        println!("That is too much for latencies and speeds. The ratios by CPU are still valid.");
    }
}

/// Prints the targets and whether they are met.
pub fn print_targets(targets: &[Target]) {
    println!("| target | to reach | measured | met |");
    println!("|---|--:|--:|---|");
    for target in targets {
        let met = if target.met { "yes" } else { "**no**" };
        println!(
            "| {} | {} | {} | {met} |",
            target.what, target.goal, target.measured
        );
    }
}
