//! A process that the simulation started, watched from outside, and gone when dropped.
//!
//! For `field`. Sizes stand in `/proc`, so this runs on Linux only.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// From the start of a process to its first good answer; all need well under a second on an idle machine.
const START_DEADLINE: Duration = Duration::from_secs(15);

/// Between two looks whether it answers.
const LOOK: Duration = Duration::from_millis(20);

/// A running process; dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
}

impl Process {
    /// Starts a process whose output nobody reads; errors come out where ours do.
    pub fn start(name: &'static str, command: &mut Command) -> Result<Self, String> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let child = child.map_err(|error| format!("{name} does not start: {error}"))?;
        Ok(Self { name, child })
    }

    /// Waits until `ready` says so.
    pub fn wait_until(&mut self, mut ready: impl FnMut() -> bool) -> Result<(), String> {
        let deadline = Instant::now() + START_DEADLINE;
        while !ready() {
            if !self.is_alive() {
                return Err(format!("{} ended before it was ready", self.name));
            }
            if Instant::now() > deadline {
                return Err(format!("{} was not ready in {START_DEADLINE:?}", self.name));
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Whether it runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The most resident memory that it had since its start, in bytes, by the kernel's own count.
    pub fn peak_rss(&self) -> Result<u64, String> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let peak = status.ok().and_then(|status| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("VmHWM:"))?;
            line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
        });
        peak.map(|kibibytes| kibibytes * 1024)
            .ok_or_else(|| format!("no memory size of {}", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It holds nothing that is worth a graceful end, and may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that was free a moment ago. Another process could take it in between; then the start fails, and
/// says so.
pub fn free_address() -> Result<SocketAddr, String> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map_err(|error| format!("no free port: {error}"))
}

/// File descriptors that this process, and each that it starts, may have.
pub fn descriptors() -> u64 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next());
    // "unlimited" is no number.
    soft.map_or(0, |soft| soft.parse().unwrap_or(u64::MAX))
}
