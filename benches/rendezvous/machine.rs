//! What the numbers were taken on, since without it they say nothing.

use crate::process::kibibytes;
use crate::redis::Redis;

/// One line: processor, cores, memory, kernel, Redis.
pub fn describe(redis: Option<&Redis>) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown processor", |(_, name)| name.trim());
    let gibibytes = kibibytes(&read("/proc/meminfo"), "MemTotal:").unwrap_or(0) >> 30;
    let kernel = read("/proc/sys/kernel/osrelease");
    let redis = match redis.map(Redis::version) {
        Some(Ok(version)) => format!(", Redis {version}"),
        Some(Err(_)) | None => String::new(),
    };
    let cores = cores();
    // A kernel's name may carry the builder's; the version is what matters.
    let kernel = kernel.trim().split('-').next().unwrap_or_default();
    format!("{model}, {cores} cores, {gibibytes} GiB, Linux {kernel}{redis}")
}

/// Cores that load, servers and Redis share.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
