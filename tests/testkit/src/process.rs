//! Child processes that cannot outlive the process that started them.
//!
//! A small shell, the watchdog, waits on a pipe that only this process holds. The pipe closes if
//! this process ends in any way, `kill -9` included, and the watchdog then kills the child. Child
//! and watchdog have process groups of their own, so that a signal to this process's group does not
//! end them before their owner has seen it. What is measured is read from `/proc`: Linux only.

use std::fmt::Debug;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{PATIENCE, until};

/// Kills process `$1` when its own input ends.
const WATCHDOG: &str = r#"read -r _; kill -9 "$1""#;

/// Below the kernel's range for outgoing connections, so that none of them ever has the port of a
/// server that is down. A client that connects to such a port could even reach itself.
const PORTS: std::ops::Range<u32> = 12_000..32_000;

/// Time between two checks of a condition on a process.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// Unit of the CPU times in `/proc/PID/stat` (`USER_HZ`): 100 a second on every architecture we
/// build for.
pub const TICK: Duration = Duration::from_millis(10);

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: Pid,
    running: Mutex<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    watchdog: Option<Child>,
}

impl Process {
    /// Starts a process without input. Its output goes where the command sends it.
    #[track_caller]
    pub fn start(name: &str, command: &mut Command) -> Self {
        command.stdin(Stdio::null()).process_group(0);
        let child = command.spawn();
        let child = child.unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(pid.to_string())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh");
        let watchdog = Some(watchdog);
        Self {
            name: name.to_owned(),
            pid,
            running: Mutex::new(Running { child, watchdog }),
        }
    }

    /// Starts a process and sends its output into this file, which is emptied first.
    #[track_caller]
    pub fn start_with_log(name: &str, command: &mut Command, log: &Path) -> Self {
        let file = std::fs::File::create(log).expect("a log file");
        let copy = file.try_clone().expect("a second handle");
        Self::start(name, command.stdout(file).stderr(copy))
    }

    /// Waits until `condition` holds. Panics if the process ends first, or after [`PATIENCE`].
    #[track_caller]
    pub fn wait_until(&self, condition: impl FnMut() -> bool) {
        self.wait(PATIENCE, condition)
            .unwrap_or_else(|failure| panic!("{failure}"));
    }

    /// Waits until `condition` holds.
    ///
    /// # Errors
    /// Says so if the process ends first, or if `limit` is over.
    pub fn wait(&self, limit: Duration, mut condition: impl FnMut() -> bool) -> Result<(), String> {
        let deadline = Instant::now() + limit;
        while !condition() {
            if let Some(status) = self.exit_status() {
                return Err(format!("{} ended: {status}", self.name));
            }
            if Instant::now() > deadline {
                return Err(format!("{}: not ready within {limit:?}", self.name));
            }
            std::thread::sleep(CHECK_INTERVAL);
        }
        Ok(())
    }

    /// The process id.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends a signal.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill(self.pid, signal).expect("the process is ours and alive");
    }

    /// Sends SIGSTOP. The process is stopped when this returns.
    #[track_caller]
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
        until("the process is stopped", || self.is_paused());
    }

    /// Sends SIGCONT.
    #[track_caller]
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Whether the process is stopped by SIGSTOP.
    pub fn is_paused(&self) -> bool {
        self.state() == Some('T')
    }

    /// The state letter of proc(5). The name before it stands in parentheses.
    fn state(&self) -> Option<char> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        stat.rsplit_once(") ")?.1.chars().next()
    }

    /// Whether the process runs.
    pub fn is_alive(&self) -> bool {
        self.exit_status().is_none()
    }

    /// How the process ended, if it has ended.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        let mut running = self.running();
        let status = running.child.try_wait().expect("a child");
        if status.is_some() {
            running.dismiss_watchdog();
        }
        status
    }

    /// Waits until the process has ended, and returns how.
    #[track_caller]
    pub fn wait_for_exit(&self) -> ExitStatus {
        crate::eventually("the process ends", || self.exit_status())
    }

    /// Resident memory, in bytes.
    pub fn rss(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// Largest resident memory since the start, in bytes, by the kernel's own count.
    pub fn peak_rss(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid));
        let bytes = status.ok().and_then(|status| kibibytes(&status, field));
        bytes.unwrap_or_else(|| panic!("no {field} of {}", self.name))
    }

    /// Number of open file descriptors.
    pub fn open_files(&self) -> usize {
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.pid));
        files.map_or(0, Iterator::count)
    }

    /// CPU time used so far, in user and kernel mode.
    pub fn cpu_time(&self) -> Duration {
        let time = cpu_time(&self.pid.to_string());
        time.unwrap_or_else(|| panic!("no CPU time of {}", self.name))
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// Ends the watchdog before the process id that it knows can belong to another process.
    fn dismiss_watchdog(&mut self) {
        if let Some(mut watchdog) = self.watchdog.take() {
            let _ = watchdog.kill();
            let _ = watchdog.wait();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.dismiss_watchdog();
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU time of the process with this id, or of the caller if `pid` is `self`.
pub fn cpu_time(pid: &str) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may contain parentheses. After it, utime and stime are fields 12 and 13.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(TICK * (user + system))
}

/// The value of a line `FIELD  1234 kB`, in bytes.
pub fn kibibytes(text: &str, field: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    let number: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(number * 1024)
}

/// The limit of open files of this process, which its children inherit.
pub fn open_files_limit() -> u64 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next());
    // "unlimited" is not a number.
    soft.map_or(0, |soft| soft.parse().unwrap_or(u64::MAX))
}

/// Returns a port on which no process listens, and which no other caller in this process gets.
#[track_caller]
pub fn free_port() -> u16 {
    let listener = listen();
    listener.local_addr().expect("an address").port()
}

/// Listens on a port of loopback that no other caller in this process gets, now or later: what still
/// sends to it after the listener is gone reaches no other test.
#[track_caller]
pub fn listen() -> TcpListener {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Test processes that run at the same time begin far apart.
    let first = std::process::id().wrapping_mul(7919);
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(step < PORTS.end - PORTS.start, "no free port");
        let offset = first.wrapping_add(step) % (PORTS.end - PORTS.start);
        let port = u16::try_from(PORTS.start + offset).expect("a port");
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return listener;
        }
    }
}

/// A [`free_port`] on the loopback address.
#[track_caller]
pub fn free_address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port()).into()
}
