//! Sign-ins as the released SDKs make them, in the `ETag` dialect: how long a message takes to the
//! other device, how long a sign-in takes, and what it costs, with short holds (protocol.md, 2.7) and
//! without.
//!
//! For docs/performance.md ("Sign-ins"): `cargo bench --bench rendezvous -- --sign-ins`. Unlike the
//! other modes it does not saturate the machine: pairs begin at a fixed rate, and devices sleep as the
//! SDKs and their users do. So the latencies are those that users see, if other processes leave the
//! machine alone.

mod device;
pub mod load;
mod measure;
mod pair;
mod report;
mod rows;

use crate::machine::{machine_cpu, own_cpu};
use crate::options::Options;
use crate::servers::Store;
use measure::RowResult;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};
use testkit::redis::RedisServer;
use testkit::redis::launch::require_redis_server;

/// Measures, and prints the tables. Returns a Redis that was measured, if there was one.
///
/// # Errors
/// Also if a sign-in was lost.
pub fn run(options: &Options) -> Result<Option<RedisServer>, String> {
    let groups = rows::groups(options)?;
    if groups.iter().flatten().any(|row| row.store == Store::Redis) {
        require_redis_server()?;
    }
    let (begun, machine, own) = (Instant::now(), machine_cpu(), own_cpu());
    let (mut results, mut redis) = (Vec::new(), None);
    for group in groups {
        for row in &group {
            eprintln!("{row}…");
        }
        // The rows of a group load the machine so little that they do not disturb each other.
        let measured: Vec<_> = std::thread::scope(|scope| {
            let rows = group.iter().map(|row| scope.spawn(|| row.measure()));
            let rows: Vec<_> = rows.collect();
            rows.into_iter().map(ScopedJoinHandle::join).collect()
        });
        for measured in measured {
            let (result, used) = measured.map_err(|_| "a row panicked".to_owned())??;
            redis = used.or(redis);
            results.push(result);
        }
    }
    let measured: Duration = results.iter().map(RowResult::cpu).sum();
    let own = own_cpu().saturating_sub(own);
    let others = machine_cpu().saturating_sub(machine + measured + own);
    report::print(&results);
    crate::report::print_share_of_others(others, begun.elapsed());
    println!();
    match results.iter().map(|result| result.load.lost).sum() {
        0 => Ok(redis),
        lost => Err(format!("sign-ins were lost: {lost}")),
    }
}
