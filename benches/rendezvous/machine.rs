//! The machine of the measurement, without which its numbers mean nothing.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::time::Duration;
use testkit::process::{TICK, cpu_time, kibibytes};
use testkit::redis::RedisServer;

/// One line: processor, cores, memory, kernel, Redis.
pub fn describe(redis: Option<&RedisServer>) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown processor", |(_, name)| name.trim());
    let gibibytes = kibibytes(&read("/proc/meminfo"), "MemTotal:").unwrap_or(0) >> 30;
    let kernel = read("/proc/sys/kernel/osrelease");
    let redis = redis.map_or(String::new(), |redis| {
        format!(", Redis {}", redis.info("server", "redis_version"))
    });
    let cores = cores();
    // The name of a kernel may contain its builder's. The version is what matters.
    let kernel = kernel.trim().split('-').next().unwrap_or_default();
    format!("{model}, {cores} cores, {gibibytes} GiB, Linux {kernel}{redis}")
}

/// Cores that load, servers and Redis share.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Raises the limit of open files of this process, and of those that it starts, to the hard limit.
/// Returns the limit; `None` without one.
pub fn raise_open_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    // Without it, a connection fails, and the report says so.
    let _ = setrlimit(Resource::Nofile, raised);
    limit.maximum
}

/// CPU time of the benchmark itself, which is the load generator.
pub fn own_cpu() -> Duration {
    cpu_time("self").unwrap_or_default()
}

/// CPU time of all processes of the machine, and what a hypervisor took from it.
pub fn machine_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = stat
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1);
    let ticks: Vec<u32> = fields.map(|field| field.parse().unwrap_or(0)).collect();
    // user, nice, system, (idle, iowait,) irq, softirq, steal
    match ticks.as_slice() {
        [user, nice, system, _, _, irq, softirq, steal, ..] => {
            TICK * (user + nice + system + irq + softirq + steal)
        }
        _ => Duration::ZERO,
    }
}
