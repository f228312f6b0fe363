//! The table: Markdown on standard output, ready for `docs/threat-model.md`.

use crate::attacks::Attack;
use crate::battle::{Outcome, WORKER_BOUND, redis_bound};
use std::time::Duration;

/// Prints a row for each scenario.
pub fn table(outcomes: &[Outcome]) {
    println!(
        "| scenario | attackers' requests/s | refused | honest sign-ins | poll p50 ms | poll p99 ms | p99 ÷ quiet \
         | worker MiB (bound) | Redis MiB (bound) |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    for outcome in outcomes {
        let quiet = outcomes.iter().find(|quiet| {
            let scenario = quiet.scenario;
            matches!(scenario.attack, Attack::None)
                && scenario.settings.mode == outcome.scenario.settings.mode
        });
        println!("{}", row(outcome, quiet));
    }
}

fn row(outcome: &Outcome, quiet: Option<&Outcome>) -> String {
    let (rate, refused) = match outcome.asked {
        0 => ("–".to_owned(), "–".to_owned()),
        asked => (
            format!("{:.0}", float(asked) / outcome.attacked.as_secs_f64()),
            format!("{:.1} %", 100.0 * float(outcome.refused) / float(asked)),
        ),
    };
    let p99 = percentile(outcome, 99);
    let ratio = quiet.filter(|quiet| quiet.scenario.key != outcome.scenario.key);
    let ratio = ratio.map_or("–".to_owned(), |quiet| {
        format!(
            "{:.1}",
            p99.as_secs_f64() / percentile(quiet, 99).as_secs_f64()
        )
    });
    let columns = [
        outcome.scenario.name.to_owned(),
        rate,
        refused,
        format!("{}/{}", outcome.honest.completed(), outcome.honest.all),
        millis(percentile(outcome, 50)),
        millis(p99),
        ratio,
        format!("{} ({})", outcome.rss >> 20, WORKER_BOUND >> 20),
        format!(
            "{} ({})",
            outcome.redis >> 20,
            redis_bound(outcome.scenario) >> 20
        ),
    ];
    format!("| {} |", columns.join(" | "))
}

/// The latency that so many of a hundred polls did not exceed; zero where there was none.
fn percentile(outcome: &Outcome, percent: usize) -> Duration {
    let mut polls = outcome.honest.polls.clone();
    polls.sort_unstable();
    let rank = (polls.len() * percent).div_ceil(100).max(1);
    polls.get(rank - 1).copied().unwrap_or_default()
}

fn millis(latency: Duration) -> String {
    format!("{:.1}", latency.as_secs_f64() * 1e3)
}

/// Counts here are far below 2^32.
fn float(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
