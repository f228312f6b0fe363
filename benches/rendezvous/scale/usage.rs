//! What a Redis has used so far, by its own INFO.

use std::time::Duration;
use testkit::redis::RedisServer;

/// Counters of one Redis, or the difference of two readings.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// CPU time of the main thread, which runs all commands and all I/O.
    pub cpu: Duration,
    /// Number of all commands, those that scripts call included.
    pub commands: u64,
    /// Number of EVALSHA.
    pub calls: u64,
    /// Number of EVALSHA that failed.
    pub failed: u64,
    /// Number of reads from connections. One read may return several pipelined commands.
    reads: u64,
}

impl Usage {
    /// Reads the counters.
    pub fn now(redis: &RedisServer) -> Self {
        let info = redis.command(&["INFO", "all"]).text();
        let field = |name: &str| {
            let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(':')?.to_owned());
            info.lines().find_map(value).unwrap_or_default()
        };
        let seconds = |name: &str| {
            field(name)
                .parse()
                .map_or(Duration::ZERO, Duration::from_secs_f64)
        };
        let script = field("cmdstat_evalsha");
        let of_scripts = |name: &str| {
            let value = |part: &str| part.strip_prefix(name)?.strip_prefix('=')?.parse().ok();
            script.split(',').find_map(value).unwrap_or(0)
        };
        Self {
            cpu: seconds("used_cpu_user_main_thread") + seconds("used_cpu_sys_main_thread"),
            calls: of_scripts("calls"),
            commands: field("total_commands_processed").parse().unwrap_or(0),
            failed: of_scripts("failed_calls"),
            reads: field("total_reads_processed").parse().unwrap_or(0),
        }
    }

    /// What was used since an earlier reading.
    pub fn since(before: Self, redis: &RedisServer) -> Self {
        let now = Self::now(redis);
        Self {
            cpu: now.cpu.saturating_sub(before.cpu),
            calls: now.calls.saturating_sub(before.calls),
            commands: now.commands.saturating_sub(before.commands),
            failed: now.failed.saturating_sub(before.failed),
            reads: now.reads.saturating_sub(before.reads),
        }
    }

    /// Checks that the scripts did what they are measured for.
    ///
    /// # Errors
    /// If one failed, because then other work was measured, or if none ran.
    pub fn expect_success(self) -> Result<Self, String> {
        match self {
            Self { failed: 1.., .. } => Err(format!("{} scripts failed", self.failed)),
            Self { calls: 0, .. } => Err("no script ran".to_owned()),
            _ => Ok(self),
        }
    }

    /// CPU time per EVALSHA, in microseconds.
    pub fn per_call(self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / count(self.calls)
    }

    /// Commands per read: the depth of the pipelines as Redis sees them.
    pub fn depth(self) -> f64 {
        count(self.calls) / count(self.reads)
    }

    /// The same, as the whole number that is next, but at least 1.
    pub fn whole_depth(self) -> u64 {
        let reads = self.reads.max(1);
        ((self.calls + reads / 2) / reads).max(1)
    }
}

/// A count as a divisor.
pub fn count(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX).max(1))
}
