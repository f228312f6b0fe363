//! Prints the tables of the scale measurement, for docs/redis.md.

use super::comparison::{Round, ScaleCase};
use super::saturation::{BareRow, ThroughRow};
use super::usage::count;

/// Maximum of Redis' CPU time per script through three workers, as a multiple of the bare script's.
const TARGET: f64 = 1.25;

/// Prints Redis' CPU time per request through workers, beside the bare scripts.
pub fn print_comparison(cases: &[ScaleCase]) {
    println!(
        "| request | workers | requests/s | worker CPU µs | scripts | commands per read | Redis CPU µs \
         | bare, same pipelines | ratio (min–max) | bare, 50 connections | ratio (min–max) |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for case in cases {
        let median = |of_round: fn(&Round) -> f64| case.figure(of_round).0;
        let range = |(median, smallest, largest): (f64, f64, f64)| {
            format!("{median:.2} ({smallest:.2}–{largest:.2})")
        };
        println!(
            "| {} | {} | {:.0} | {:.1} | {:.2} | {:.1} | {:.1} | {:.1} | {} | {:.1} | {} |",
            case.scenario.name(),
            case.workers,
            median(|round| round.through.rate),
            median(|round| round.through.worker),
            median(|round| count(round.through.redis[0].calls) / round.through.requests),
            median(|round| round.through.redis[0].depth()),
            median(|round| round.through.redis[0].per_call()),
            median(|round| round.bare),
            range(case.figure(|round| round.through.redis[0].per_call() / round.bare)),
            median(|round| round.bare_default),
            range(case.figure(|round| round.through.redis[0].per_call() / round.bare_default)),
        );
    }
    println!("\nTarget: the first ratio is at most {TARGET} with three workers.\n");
}

/// Prints the rates of the scripts of a creation.
pub fn print_bare_creations(rows: &[BareRow]) {
    println!("| script | connections × pipeline | calls/s | Redis CPU µs | Redis cores | p99 ms |");
    println!("|---|--:|--:|--:|--:|--:|");
    for row in rows {
        let pipelines = row.pipelines;
        println!(
            "| {} | {} × {} | {:.0} | {:.1} | {:.2} | {:.2} |",
            row.what,
            pipelines.connections,
            pipelines.depth,
            row.rate,
            row.per_call,
            row.cores,
            row.p99
        );
    }
    println!();
}

/// Prints the rates of creations through workers.
pub fn print_creations(rows: &[ThroughRow]) {
    println!(
        "| topology | workers | connections | creations/s | worker CPU µs | CPU µs of all Redis nodes \
         | CPU µs of the node with the leases | its cores | creations/s that saturate it | errors |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for row in rows {
        println!(
            "| {} | {} | {} | {:.0} | {:.1} | {:.1} | {:.1} | {:.2} | {:.0} | {} |",
            row.topology,
            row.workers,
            row.connections,
            row.rate,
            row.worker,
            row.all_nodes,
            row.lease_node,
            row.rate * row.lease_node / 1e6,
            1e6 / row.lease_node,
            row.errors,
        );
    }
    println!();
}
