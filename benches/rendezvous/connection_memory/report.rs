//! Prints the tables of the memory per connection, for docs/performance.md.

use super::{Activity, CONNECTIONS, Case, Round};
use crate::report::print_targets;
use crate::servers::{ServerKind, Store};
use crate::targets::Target;
use crate::units::megabytes;

/// Largest memory of an idle connection on Redis, in KB.
const IDLE_KB: f64 = 20.0;

/// Largest memory of a connection with a held read on Redis, in KB.
const HELD_KB: f64 = 28.0;

/// Prints the memory per connection, and the targets.
pub fn print(results: &[(Case, Vec<Round>)]) {
    let [few, many] = CONNECTIONS;
    println!(
        "| server | store | connections are | KB per connection | min–max | RSS MB with {few} | with {many} \
         | reads held |"
    );
    println!("|---|---|---|--:|--:|--:|--:|--:|");
    for (case, rounds) in results {
        let slopes = slopes(rounds);
        let rss = |index: usize| {
            let mut rss: Vec<_> = rounds.iter().map(|round| round.rss[index]).collect();
            rss.sort_unstable();
            megabytes(rss[rss.len() / 2])
        };
        let held = match (case.activity, rounds.iter().map(|round| round.held).min()) {
            (Activity::Held, Some([few, many])) => format!("{few}, {many}"),
            _ => "–".to_owned(),
        };
        println!(
            "| {} | {} | {} | {:.1} | {:.1}–{:.1} | {:.1} | {:.1} | {held} |",
            case.kind.name(),
            case.store.map_or("–", Store::name),
            match case.activity {
                Activity::Idle => "idle",
                Activity::Held => "held",
            },
            slopes[slopes.len() / 2],
            slopes[0],
            slopes[slopes.len() - 1],
            rss(0),
            rss(1),
        );
    }
    println!("\nRounds: {}.\n", results[0].1.len());
    print_targets(&targets(results));
    println!();
}

/// The memory per connection of each round, sorted.
fn slopes(rounds: &[Round]) -> Vec<f64> {
    let mut slopes: Vec<_> = rounds.iter().map(Round::per_connection).collect();
    slopes.sort_by(f64::total_cmp);
    slopes
}

fn targets(results: &[(Case, Vec<Round>)]) -> Vec<Target> {
    let median = |kind: ServerKind, activity: Activity| {
        let on_redis = Case {
            kind,
            store: Some(Store::Redis),
            activity,
        };
        let (_, rounds) = results.iter().find(|(case, _)| *case == on_redis)?;
        Some(slopes(rounds)[rounds.len() / 2])
    };
    let thin = median(ServerKind::Thin, Activity::Idle);
    let targets = [
        ("idle connection on `redis`", Activity::Idle, Some(IDLE_KB)),
        (
            "idle connection on `redis`, below thin",
            Activity::Idle,
            thin,
        ),
        ("held read on `redis`", Activity::Held, Some(HELD_KB)),
    ];
    let targets = targets.into_iter().filter_map(|(what, activity, limit)| {
        let (measured, limit) = (median(ServerKind::Ours(None), activity)?, limit?);
        Some(Target {
            what: what.to_owned(),
            goal: format!("< {limit:.1} KB"),
            measured: format!("{measured:.1} KB"),
            met: measured < limit,
        })
    });
    targets.collect()
}
