//! Prints the tables of the sign-ins, for docs/performance.md.

use super::measure::RowResult;
use crate::histogram::Histogram;
use crate::units::{megabytes, millis};

/// Prints latencies, costs, and why sign-ins were lost.
pub fn print(results: &[RowResult]) {
    print_latencies(results);
    println!();
    print_costs(results);
    println!();
    print_losses(results);
}

fn print_latencies(results: &[RowResult]) {
    println!(
        "| pairs | workers | store | holds | pairs/s | sign-ins at once | message p50 ms | p90 | p99 | max \
         | after a pause p50 ms | p90 | p99 | max | sign-in p50 s | p99 s | lost |"
    );
    println!("|--:|--:|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for result in results {
        let of_messages = |histogram: &Histogram| {
            [500, 900, 990, 1000]
                .map(|per_mille| millis(histogram.quantile(per_mille)))
                .join(" | ")
        };
        let sign_in = [500, 990].map(|per_mille| {
            let quantile = result.load.latencies.sign_in.quantile(per_mille);
            quantile.map_or("–".to_owned(), |time| {
                format!("{:.2}", time.as_secs_f64())
            })
        });
        println!(
            "| {} | {} | {} | {} | {} | {} | {} |",
            first_columns(result),
            result.row.rate,
            result.load.at_once,
            of_messages(&result.load.latencies.prompt),
            of_messages(&result.load.latencies.after_pause),
            sign_in.join(" | "),
            result.load.lost,
        );
    }
}

fn print_costs(results: &[RowResult]) {
    println!(
        "| pairs | workers | store | holds | requests per sign-in | scripts of Redis | commands of Redis \
         | worker CPU ms | Redis CPU ms | load CPU ms | peak RSS of a worker MB |"
    );
    println!("|--:|--:|---|---|--:|--:|--:|--:|--:|--:|--:|");
    for result in results {
        let figure = |figure: Option<f64>| figure.map_or("–".to_owned(), |it| format!("{it:.1}"));
        println!(
            "| {} | {:.1} | {} | {} | {:.2} | {} | {:.2} | {:.1} |",
            first_columns(result),
            result.requests(),
            figure(result.scripts()),
            figure(result.commands()),
            result.worker_millis(),
            result
                .redis_millis()
                .map_or("–".to_owned(), |it| format!("{it:.2}")),
            result.load_millis(),
            megabytes(result.peak_rss),
        );
    }
}

fn first_columns(result: &RowResult) -> String {
    let row = &result.row;
    let holds = if row.holds { "on" } else { "off" };
    format!(
        "{} | {} | {} | {holds}",
        row.pairs,
        row.workers,
        row.store.name()
    )
}

fn print_losses(results: &[RowResult]) {
    let mut lost = 0;
    for result in results {
        lost += result.load.lost;
        if let Some(reason) = &result.load.first_loss {
            println!(
                "- {}: {} lost. The first: {reason}",
                result.row, result.load.lost
            );
        }
    }
    println!("Sign-ins lost: {lost}.");
}
