//! Prints the table: Markdown on standard output, for `docs/threat-model.md`.

use crate::attacks::Attack;
use crate::runner::{MAX_WORKER_MEMORY, ScenarioResult, max_redis_memory};
use std::time::Duration;

/// Prints a row for each scenario.
pub fn print_table(results: &[ScenarioResult]) {
    println!(
        "| scenario | attackers' requests/s | refused | honest sign-ins | poll p50 ms | poll p99 ms | p99 ÷ quiet \
         | worker MiB (bound) | Redis MiB (bound) |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    for result in results {
        let quiet = results.iter().find(|quiet| {
            let scenario = quiet.scenario;
            matches!(scenario.attack, Attack::None)
                && scenario.settings.mode == result.scenario.settings.mode
        });
        println!("{}", row(result, quiet));
    }
}

fn row(result: &ScenarioResult, quiet: Option<&ScenarioResult>) -> String {
    let (rate, rejected) = match result.requests {
        0 => ("–".to_owned(), "–".to_owned()),
        requests => (
            format!("{:.0}", float(requests) / result.duration.as_secs_f64()),
            format!("{:.1} %", 100.0 * float(result.rejected) / float(requests)),
        ),
    };
    let p99 = percentile(result, 99);
    let quiet = quiet.filter(|quiet| quiet.scenario.key != result.scenario.key);
    let ratio = quiet.map_or("–".to_owned(), |quiet| {
        let ratio = p99.as_secs_f64() / percentile(quiet, 99).as_secs_f64();
        format!("{ratio:.1}")
    });
    let columns = [
        result.scenario.name.to_owned(),
        rate,
        rejected,
        format!("{}/{}", result.sign_ins.completed(), result.sign_ins.total),
        millis(percentile(result, 50)),
        millis(p99),
        ratio,
        mebibytes(result.worker_memory, MAX_WORKER_MEMORY),
        mebibytes(result.redis_memory, max_redis_memory(result.scenario)),
    ];
    format!("| {} |", columns.join(" | "))
}

/// The latency that this percentage of the polls does not exceed; zero if there are no polls.
fn percentile(result: &ScenarioResult, percent: usize) -> Duration {
    let mut polls = result.sign_ins.polls.clone();
    polls.sort_unstable();
    let rank = (polls.len() * percent).div_ceil(100).max(1);
    polls.get(rank - 1).copied().unwrap_or_default()
}

fn millis(latency: Duration) -> String {
    format!("{:.1}", latency.as_secs_f64() * 1e3)
}

fn mebibytes(bytes: u64, maximum: u64) -> String {
    format!("{} ({})", bytes >> 20, maximum >> 20)
}

/// The counts are far below 2^32.
fn float(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
