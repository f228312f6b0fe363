//! The tables: Markdown on standard output, ready for `docs/performance.md`.
//!
//! It formats what `measure` and `footprint` found and judges nothing; `targets` does.

use crate::measure::{Cell, Row};
use crate::scenario::{FLOW_REQUESTS, Scenario};
use crate::servers::Store;
use crate::targets::Target;
use std::time::Duration;

/// Cores that others may use before the numbers are called noisy: with a tenth of two cores gone, a
/// round's speed moves by as much as the targets leave.
const QUIET: f64 = 0.2;

/// Prints the results of all cases, a row for each server.
pub fn cells(cells: &[Cell]) {
    println!(
        "| store | scenario | conns | server | requests/s | p50 ms | p90 ms | p99 ms | p99.9 ms \
         | errors | CPU µs/request | Redis µs | load µs | RSS MB | ours ÷ floor (min–max) | by CPU |"
    );
    println!("|---|---|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for cell in cells {
        for (index, row) in cell.rows.iter().enumerate() {
            println!("{}", line(cell, index, row));
        }
    }
    if cells.iter().any(|cell| cell.scenario == Scenario::Flow) {
        println!("\nA flow is one sign-in: {FLOW_REQUESTS} requests.");
    }
    println!(
        "\nClosed loop: a connection asks again as soon as it was answered, and load and servers \
         share the cores, so latencies are those of a saturated machine."
    );
}

fn line(cell: &Cell, index: usize, row: &Row) -> String {
    let quantiles = [500, 900, 990, 999].map(|per_mille| millis(row.latencies.quantile(per_mille)));
    let redis = match cell.store {
        Store::Memory => "–".to_owned(),
        Store::Redis => format!("{:.1}", row.per_request(row.cpu.redis)),
    };
    let (ratio, by_cpu) = match (index, cell.rows.first()) {
        (1.., Some(ours)) => {
            let (median, smallest, largest) = ours.over(row);
            let ratio = format!("{median:.2} ({smallest:.2}–{largest:.2})");
            (ratio, format!("{:.2}", ours.over_by_cpu(row)))
        }
        _ => (String::new(), String::new()),
    };
    let columns = [
        cell.store.name().to_owned(),
        cell.scenario.name().to_owned(),
        cell.connections.to_string(),
        row.side.name().to_owned(),
        format!("{:.0}", row.rate()),
        quantiles.join(" | "),
        row.errors.to_string(),
        format!("{:.1}", row.per_request(row.cpu.server)),
        redis,
        format!("{:.1}", row.per_request(row.cpu.load)),
        format!("{:.1}", megabytes(row.rss)),
        ratio,
        by_cpu,
    ];
    format!("| {} |", columns.join(" | "))
}

/// Prints how much of the machine was not ours, and what that means.
pub fn company(cells: &[Cell]) {
    let rows = || cells.iter().flat_map(|cell| &cell.rows);
    let foreign: Duration = rows().map(Row::foreign).sum();
    let elapsed: Duration = rows().map(|row| row.elapsed).sum();
    let share = foreign.as_secs_f64() / elapsed.as_secs_f64().max(f64::EPSILON);
    println!("\nOther processes used {share:.2} cores while the clock ran.");
    if share > QUIET {
        println!("That is too much for latencies and speeds; the ratios by CPU still hold.");
    }
}

/// Prints what was to be reached, and whether it was.
pub fn targets(targets: &[Target]) {
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

/// Milliseconds with the digits that matter from 10 µs to a second.
pub fn millis(latency: Option<Duration>) -> String {
    latency.map_or("–".to_owned(), |latency| {
        format!("{:.2}", latency.as_secs_f64() * 1e3)
    })
}

/// Megabytes of a million bytes.
pub fn megabytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes / 1000).unwrap_or(u32::MAX)) / 1000.0
}
