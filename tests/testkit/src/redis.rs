//! Starts a real `redis-server` with a process, a port and a directory of its own.
//!
//! It starts the installed server (Debian 12 has 7.0) and never connects to a server that it did
//! not start. The server ends on drop, and if the test process dies in any way. If `redis-server`
//! is not installed, it panics and says what to install; no test is skipped. The environment
//! variable `TESTKIT_REDIS_SERVER` names another executable, such as a `valkey-server`.

pub mod acl_rule;
pub mod cluster;
pub mod launch;
pub mod one_node_cluster;
pub mod resp;
pub mod sentinels;
pub mod tls;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use launch::{LOADING, READY, launch};
use resp::Connection;
pub use resp::Reply;
use tempfile::TempDir;

use crate::process::{Process, free_port};

/// Options with which every acknowledged write survives `kill -9`.
pub const DURABLE: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];

/// A Redis that runs, was killed, or is not started yet.
#[derive(Debug)]
pub struct RedisServer {
    process: Option<Process>,
    port: u16,
    options: Vec<String>,
    dir: TempDir,
}

impl RedisServer {
    /// Starts a standalone server without persistence, and waits until it is ready.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// [`start`](Self::start) with more options of redis-server: `&["--maxmemory", "4mb"]`.
    pub fn start_with(options: &[&str]) -> Self {
        let mut server = Self::planned(options);
        server.start_on_any_port();
        server
    }

    /// A server that is not started: its port is known and refuses connections until
    /// [`restart`](Self::restart).
    pub fn planned(options: &[&str]) -> Self {
        Self::planned_on(free_port(), options)
    }

    /// [`planned`](Self::planned) on this port, which must be free.
    fn planned_on(port: u16, options: &[&str]) -> Self {
        Self {
            process: None,
            port,
            options: options.iter().map(ToString::to_string).collect(),
            dir: directory(),
        }
    }

    fn start_on_any_port(&mut self) {
        for _ in 0..20 {
            if self.try_start(READY, &[]) {
                return;
            }
            self.port = free_port();
        }
        panic!("no free port for redis-server in 20 attempts");
    }

    /// Returns false if another process took the port first.
    fn try_start(&mut self, ready: &str, more: &[&str]) -> bool {
        let port = self.port.to_string();
        let mut arguments = Vec::new();
        for fixed in [
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--repl-diskless-sync-delay",
            "0",
        ] {
            arguments.push(fixed.to_owned());
        }
        arguments.extend(["--port".to_owned(), port]);
        arguments.extend(self.options.iter().cloned());
        arguments.extend(more.iter().map(ToString::to_string));
        self.process = launch(&arguments, self.dir.path(), ready);
        self.process.is_some()
    }

    /// The value of an option that was given at the start.
    fn option(&self, name: &str) -> Option<&str> {
        let at = self.options.iter().position(|option| option == name)?;
        self.options.get(at + 1).map(String::as_str)
    }

    fn password(&self) -> Option<&str> {
        self.option("--requirepass")
    }

    /// The value of `store.redis.url`.
    pub fn url(&self) -> String {
        match self.password() {
            Some(password) => format!("redis://:{password}@127.0.0.1:{}/0", self.port),
            None => format!("redis://127.0.0.1:{}/0", self.port),
        }
    }

    /// The plain-text port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port that the node of a Sentinel deployment or of a Cluster announces: of a relay in
    /// front of it, of TLS, or the plain-text port.
    pub fn announced_port(&self) -> u16 {
        let announced = self
            .option("--cluster-announce-port")
            .or_else(|| self.option("--tls-port"));
        announced.map_or(self.port, |port| port.parse().expect("a port"))
    }

    /// The directory where it keeps its data.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The path of the socket of `--unixsocket`, whose value is relative to the server's directory.
    #[track_caller]
    pub fn unix_socket(&self) -> PathBuf {
        let socket = self.option("--unixsocket").expect("a Unix socket");
        self.dir.path().join(socket)
    }

    /// The address of the plain-text port.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Sends SIGSTOP: the kernel still accepts connections, and Redis does not reply.
    pub fn pause(&self) {
        self.process().pause();
    }

    /// Sends SIGCONT.
    pub fn resume(&self) {
        self.process().resume();
    }

    /// Sends SIGKILL. The process has ended when this returns.
    pub fn kill(&mut self) {
        drop(self.process.take().expect("redis-server was not running"));
    }

    /// Starts it, for the first time or again, with the same port, directory and options.
    pub fn restart(&mut self) {
        self.start_here(READY, &[]);
    }

    /// Starts another Redis in its place after it was killed: with the same port and options, and
    /// an empty directory.
    pub fn restart_empty(&mut self) {
        self.dir = directory();
        self.restart();
    }

    /// Starts it again with more options, which override those of the first start this once.
    pub fn restart_with(&mut self, options: &[&str]) {
        self.start_here(READY, options);
    }

    /// Starts it again with more options, and returns while it loads its snapshot.
    pub fn restart_loading(&mut self, options: &[&str]) {
        self.start_here(LOADING, options);
    }

    fn start_here(&mut self, ready: &str, options: &[&str]) {
        assert!(self.process.is_none(), "redis-server is running");
        let started = self.try_start(ready, options);
        assert!(
            started,
            "port {} was taken while redis-server was down",
            self.port
        );
    }

    /// Sends one command, as the superuser, on a connection of its own.
    #[track_caller]
    pub fn command<W: AsRef<[u8]>>(&self, words: &[W]) -> Reply {
        self.connect().command(words)
    }

    /// Opens a connection for many commands, as the superuser.
    #[track_caller]
    pub fn connect(&self) -> Connection {
        let mut connection = Connection::open(self.address());
        if let Some(password) = self.password() {
            assert_eq!(
                connection.command(&["AUTH", password]),
                Reply::Simple("OK".into())
            );
        }
        connection
    }

    /// The value of a field of `INFO section`.
    #[track_caller]
    pub fn info(&self, section: &str, field: &str) -> String {
        let info = self.command(&["INFO", section]).text();
        let value = info
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':').map(str::trim));
        value
            .unwrap_or_else(|| panic!("INFO {section} has no {field}"))
            .to_owned()
    }

    /// Number of EVALSHA that it has executed.
    #[track_caller]
    pub fn script_calls(&self) -> u64 {
        let info = self.command(&["INFO", "commandstats"]).text();
        let calls = info.lines().find_map(|line| {
            let (calls, _) = line
                .strip_prefix("cmdstat_evalsha:calls=")?
                .split_once(',')?;
            calls.parse().ok()
        });
        calls.unwrap_or(0)
    }

    /// A field of `INFO memory`, in bytes: `used_memory`, `used_memory_peak`.
    #[track_caller]
    pub fn memory(&self, field: &str) -> u64 {
        self.info("memory", field).parse().expect("a number")
    }

    /// Whether it runs and is not paused, so that it can reply.
    pub fn is_serving(&self) -> bool {
        let process = self.process.as_ref();
        process.is_some_and(|process| process.is_alive() && !process.is_paused())
    }

    /// The running process. Panics if it was killed or is not started.
    #[track_caller]
    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("redis-server is not running")
    }
}

fn directory() -> TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix("mrv-redis-").tempdir().expect("a directory")
}
