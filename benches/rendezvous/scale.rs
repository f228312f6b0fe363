//! How far one Redis goes: its CPU time per request through one and three workers, beside what the
//! same scripts cost it bare, and the rate of creations at which the slot of the leases saturates.
//!
//! For docs/redis.md ("Throughput and scale"): `cargo bench --bench rendezvous -- --scale`. Workers
//! and redis-benchmark take turns. Redis reports its own CPU time. So the ratios hold on a machine
//! that does other work too, and the rates do not.

mod bare;
mod comparison;
mod evalsha;
mod report;
mod saturation;
mod scripts;
pub mod usage;
mod worker_load;

use crate::REDIS_OPTIONS;
use crate::options::Options;
use saturation::Topologies;
use testkit::redis::RedisServer;
use testkit::redis::launch::require_redis_server;

/// Measures, and prints the tables. Returns the standalone Redis that was measured.
pub fn run(options: &Options) -> Result<RedisServer, String> {
    require_redis_server()?;
    let redis = RedisServer::start_with(REDIS_OPTIONS);
    let cases = comparison::measure(&redis, options)?;
    report::print_comparison(&cases);
    let topologies = Topologies::start(&redis);
    report::print_bare_creations(&topologies.measure_bare(options)?);
    report::print_creations(&topologies.measure_workers(options)?);
    drop(topologies);
    Ok(redis)
}
