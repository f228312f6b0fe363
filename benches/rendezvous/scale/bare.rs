//! The same scripts without a worker: redis-benchmark on sessions that are there.

use super::evalsha::{EvalSha, RANDOM};
use super::usage::Usage;
use crate::memory;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;
use testkit::redis::{RedisServer, Reply};

/// Makes leases, and restores a copy of a session for each, if there is one.
const RESTORE: &str = "for number = 0, ARGV[1] - 1 do
  local text = string.format('%012d', number)
  redis.call('ZADD', KEYS[1], ARGV[2], text)
  if KEYS[2] then
    redis.call('RESTORE', (string.gsub(KEYS[2], ARGV[3], text)), 300000, ARGV[4])
  end
end";

/// The score of those leases: a time in milliseconds that no run reaches.
const FAR_FUTURE: &str = "9000000000000";

/// The range of random numbers for calls that make sessions: few are made twice.
pub const NEW_SESSIONS: u32 = 1_000_000_000;

/// One script to run bare.
#[derive(Debug, Clone)]
pub struct BareCall {
    /// The command, with a random session.
    pub command: EvalSha,
    /// Sessions that are there before, if any.
    pub sessions: Option<SessionSet>,
    /// The random part of a session's id is below this number.
    pub range: u32,
    /// Number of calls of one round.
    pub calls: u32,
}

/// Leases that a round begins with, and their sessions.
#[derive(Debug, Clone)]
pub struct SessionSet {
    /// Number of leases.
    pub count: u32,
    /// The key of the index of leases.
    pub index: String,
    /// The key of a session, with [`RANDOM`] in it, and the session, as DUMP returns it. `None` on a
    /// node of a Cluster that has the leases alone.
    pub session: Option<(String, Vec<u8>)>,
}

/// Connections and pipeline of redis-benchmark.
#[derive(Debug, Clone, Copy)]
pub struct Pipelines {
    /// Number of connections.
    pub connections: usize,
    /// Number of commands that a connection sends at once.
    pub depth: u64,
}

/// What one run of redis-benchmark showed.
#[derive(Debug, Clone, Copy)]
pub struct BareResult {
    /// CPU time of Redis per call, in microseconds.
    pub per_call: f64,
    /// Calls a second.
    pub rate: f64,
    /// 99th percentile of the latency, in milliseconds.
    pub p99: f64,
}

impl BareCall {
    /// Runs the calls on a Redis with these sessions only.
    pub fn run(&self, redis: &RedisServer, pipelines: Pipelines) -> Result<BareResult, String> {
        memory::empty(redis);
        if let Some(sessions) = &self.sessions {
            sessions.restore(redis)?;
        }
        // Whole pipelines. redis-benchmark counts past `-n` otherwise, and may abort by that.
        let calls = u64::from(self.calls) / pipelines.depth * pipelines.depth;
        let mut command = Command::new("redis-benchmark");
        for (name, value) in [
            ("-p", redis.port().to_string()),
            ("-c", pipelines.connections.to_string()),
            ("-P", pipelines.depth.to_string()),
            ("-n", calls.to_string()),
            ("-r", self.range.to_string()),
        ] {
            command.args([name, &value]);
        }
        command.arg("--csv");
        let words = self.command.words().iter();
        command.args(words.map(|word| OsStr::from_bytes(word)));
        let before = Usage::now(redis);
        let failed = |error: &dyn std::fmt::Display| format!("redis-benchmark: {error}");
        let output = command.output().map_err(|error| failed(&error))?;
        let usage = Usage::since(before, redis).expect_success()?;
        if !output.status.success() {
            return Err(failed(&String::from_utf8_lossy(&output.stderr)));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        // The name of the test is the whole command. Seven figures follow it.
        let mut figures = text.trim_end().trim_end_matches('"').rsplit("\",\"");
        let mut figure = |skip| figures.nth(skip).and_then(|figure| figure.parse().ok());
        match (figure(1), figure(4)) {
            (Some(p99), Some(rate)) => Ok(BareResult {
                per_call: usage.per_call(),
                rate,
                p99,
            }),
            _ => Err(failed(&format!("unexpected output: {text}"))),
        }
    }
}

impl SessionSet {
    /// Makes the leases and the sessions.
    pub fn restore(&self, redis: &RedisServer) -> Result<(), String> {
        let count = self.count.to_string();
        let script: [&[u8]; 2] = [b"EVAL", RESTORE.as_bytes()];
        let [index, count, end] = [self.index.as_str(), &count, FAR_FUTURE].map(str::as_bytes);
        let words = match &self.session {
            Some((key, dump)) => {
                let session: [&[u8]; 2] = [RANDOM.as_bytes(), dump];
                [
                    &script[..],
                    &[b"2", index, key.as_bytes(), count, end],
                    &session,
                ]
                .concat()
            }
            None => [&script[..], &[b"1", index, count, end]].concat(),
        };
        match redis.command(&words) {
            Reply::Error(error) => Err(format!("RESTORE: {error}")),
            _ => Ok(()),
        }
    }
}
