//! A server as a process of its own: started, watched from outside, and gone when dropped.
//!
//! For `servers`. What it reads of a process stands in `/proc`, so the bench runs on Linux only. It
//! never asks a server about itself.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// `USER_HZ`, in which `/proc/PID/stat` counts: 100 on every architecture we build for.
const TICK: Duration = Duration::from_millis(10);

/// From the start of a process to its first good answer; all need well under a second.
const START_DEADLINE: Duration = Duration::from_secs(15);

/// Between two looks whether it answers.
const LOOK: Duration = Duration::from_millis(20);

/// A running process; dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts a process. Its standard input ends with the bench; its errors come out where ours do.
    pub fn start(name: &str, command: &mut Command) -> std::io::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let child = command.spawn()?;
        Ok(Self {
            name: name.to_owned(),
            child,
        })
    }

    /// Waits until `ready` says so.
    pub fn wait_until(&mut self, mut ready: impl FnMut() -> bool) -> Result<(), String> {
        let deadline = Instant::now() + START_DEADLINE;
        while !ready() {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("{} ended before it was ready: {status}", self.name));
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "{} was not ready within {START_DEADLINE:?}",
                    self.name
                ));
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// CPU time that it has used, in user and kernel.
    pub fn cpu(&self) -> Result<Duration, String> {
        cpu(&self.child.id().to_string()).ok_or_else(|| format!("no CPU time of {}", self.name))
    }

    /// Its resident memory, in bytes.
    pub fn rss(&self) -> Result<u64, String> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        status
            .ok()
            .and_then(|status| kibibytes(&status, "VmRSS:"))
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

/// CPU time of the bench itself, which is the load generator's.
pub fn own_cpu() -> Duration {
    cpu("self").unwrap_or_default()
}

/// CPU time of everything on the machine, and what a hypervisor took from it.
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

fn cpu(pid: &str) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, also parentheses. After it, utime and stime are the 12th and 13th.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(TICK * (user + system))
}

/// The value of a line `NAME  1234 kB`, in bytes.
pub fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(number * 1024)
}

/// An address that was free a moment ago. Another process could take it in between; then the start
/// fails, with the reason on standard error.
pub fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}
