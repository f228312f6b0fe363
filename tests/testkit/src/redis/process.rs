//! A process of Redis that cannot outlive its test.
//!
//! For the servers of this harness. Each runs under a small shell that waits on a pipe which only the
//! test process holds: the pipe closes on drop, on a panic and on `kill -9` of the tests alike, and the
//! shell then kills and reaps its server. It is a process group of its own, so that a signal to the
//! tests' group leaves the shell alive to do that. It never decides what Redis is asked.

use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::redis::until;

/// Starts its arguments in the background with output in `log`, tells the process id, and kills the
/// process at the end of its own input.
const KEEPER: &str =
    r#"log=$1; shift; "$@" >"$log" 2>&1 & pid=$!; echo $pid; read -r _; kill -9 $pid; wait $pid"#;

/// Below the kernel's range for outgoing connections, so that none of them ever sits on the port of a
/// server that is down: a client that dials such a port could even reach itself.
const PORTS: std::ops::Range<u32> = 12_000..32_000;

/// What redis-server logs once it serves.
pub const SERVES: &str = "Ready to accept connections";
/// What it logs when it has begun to load a snapshot, and answers LOADING.
pub const LOADS: &str = "Loading RDB produced by";
/// What a sentinel logs once it serves.
pub const WATCHES: &str = "Sentinel ID is";

/// One server process and its keeper.
#[derive(Debug)]
pub struct Process {
    keeper: Child,
    server: Pid,
    log: PathBuf,
}

impl Process {
    /// Starts it and waits until its log says `ready`. None: another process has the port.
    pub fn start(arguments: &[String], dir: &Path, ready: &str) -> Option<Self> {
        require_redis_server();
        let log = dir.join("log");
        // Of the run before, which would look ready.
        let _ = std::fs::remove_file(&log);
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(&log)
            .args(arguments)
            .current_dir(dir)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh");
        let mut line = String::new();
        let output = keeper.stdout.take().expect("piped");
        BufReader::new(output)
            .read_line(&mut line)
            .expect("the process id");
        let server = Pid::from_raw(line.trim().parse().expect("a process id"));
        let process = Self {
            keeper,
            server,
            log,
        };
        process.says(ready).then_some(process)
    }

    /// Reads the log, which belongs to this process alone: an answer on the port might be another's.
    fn says(&self, ready: &str) -> bool {
        let mut taken = false;
        until("redis-server says that it is ready", || {
            let log = self.log();
            taken = log.contains("Address already in use");
            let failed = log.contains("FATAL CONFIG") || log.contains("Fatal error");
            assert!(!failed, "redis-server does not start:\n{log}");
            taken || log.contains(ready)
        });
        !taken
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// SIGSTOP, in effect when this returns.
    pub fn pause(&self) {
        kill(self.server, Signal::SIGSTOP).expect("the server is ours and alive");
        until("the process is stopped", || self.state() == Some('T'));
    }

    /// SIGCONT.
    pub fn resume(&self) {
        kill(self.server, Signal::SIGCONT).expect("the server is ours and alive");
    }

    /// The state letter of proc(5); the name before it stands in parentheses.
    fn state(&self) -> Option<char> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.server)).ok()?;
        stat.rsplit_once(") ")?.1.chars().next()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// A port that nobody listens on and that no other caller in this process is given.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Test processes that run side by side begin far apart.
    let first = std::process::id().wrapping_mul(7919);
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(step < PORTS.end - PORTS.start, "no free port");
        let offset = first.wrapping_add(step) % (PORTS.end - PORTS.start);
        let port = u16::try_from(PORTS.start + offset).expect("a port");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

fn require_redis_server() {
    match Command::new("redis-server")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
    {
        Ok(status) if status.success() => {}
        Err(error) if error.kind() != ErrorKind::NotFound => panic!("redis-server: {error}"),
        _ => panic!(
            "these tests need a real redis-server on the path: `apt-get install redis-server` on \
             Debian 12 (7.0 or newer elsewhere)"
        ),
    }
}
