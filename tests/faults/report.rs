//! Prints the table: Markdown on standard output.

use crate::catalogue::{LostSignIns, StoreLoss};
use crate::runner::FaultResult;
use crate::verdict::LATE;
use std::time::Duration;

/// Prints a row for each fault.
pub fn print_table(results: &[FaultResult]) {
    println!(
        "| fault | completed, without retries | lost | completed, with retries | lost | completed, ETag dialect | lost by the store | refused \
         creations | of them late | outage s | recovery s | requests on other slots, failed, slowest s | leases at the end, sessions, differences allowed, s | responses | sessions checked | violations |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|--:|--:|");
    for result in results {
        println!("{}", row(result));
    }
    println!();
    println!(
        "Lost: the session was created, the sign-in did not complete, and the store did not lose the session. Late: answered \
         more than {LATE:?} after recovery, and not sent before it. Recovery: from the end of the fault to the last probe that failed."
    );
    for result in results {
        let (name, reason) = (result.fault.name, result.fault.lost_sign_ins);
        if let LostSignIns::Possible(reason) = reason {
            println!("{name}: sign-ins may be lost, since {reason}.");
        }
        match result.fault.store_loses {
            StoreLoss::Tail | StoreLoss::Split => {
                println!("{name}: Redis may lose the last writes.");
            }
            StoreLoss::Unacknowledged => {
                println!("{name}: Redis may lose the last writes, but none that was acknowledged.");
            }
            StoreLoss::Nothing | StoreLoss::Everything => {}
        }
    }
}

fn row(result: &FaultResult) -> String {
    let progress = &result.progress;
    let [without, with] = [&progress.without_retries, &progress.with_retries];
    let statuses = progress.statuses();
    let statuses = statuses
        .iter()
        .map(|(status, count)| format!("{count} × {status}"));
    let other_slots = result.other_slots.as_ref().map(|other| {
        let (calls, failed) = (other.calls, other.failed.len());
        format!("{calls}, {failed}, {}", seconds(Some(other.slowest)))
    });
    let leases = result.leases.as_ref().map(|found| {
        let (leases, sessions, allowed) = (found.leases, found.sessions, found.allowed);
        format!(
            "{leases}, {sessions}, {allowed}, {}",
            seconds(Some(found.time))
        )
    });
    let columns = [
        result.fault.name.to_owned(),
        without.completed.get().to_string(),
        result.lost(without).len().to_string(),
        with.completed.get().to_string(),
        result.lost(with).len().to_string(),
        progress.completed_with_etag.get().to_string(),
        result.verdict.lost_by_store.len().to_string(),
        progress.refused().len().to_string(),
        result.late_refusals().len().to_string(),
        seconds(result.outage()),
        seconds(result.recovery()),
        other_slots.unwrap_or("–".to_owned()),
        leases.unwrap_or("–".to_owned()),
        statuses.collect::<Vec<_>>().join(", "),
        result.sessions.to_string(),
        result.verdict.violations.to_string(),
    ];
    format!("| {} |", columns.join(" | "))
}

fn seconds(duration: Option<Duration>) -> String {
    duration.map_or("–".to_owned(), |duration| {
        format!("{:.1}", duration.as_secs_f64())
    })
}
