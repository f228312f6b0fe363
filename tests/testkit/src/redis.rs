//! A real `redis-server` for one test: its own process, port and directory.
//!
//! For every test that touches Redis. It starts Debian's server (7.0) and nothing else, never talks to
//! one that it did not start, and takes it away on drop, or when the test process dies in any way. No
//! `redis-server` on the path is a panic that says what to install, never a skipped test.

pub mod process;
pub mod resp;
pub mod tls;
pub mod topology;
pub mod worker;

use std::net::SocketAddr;

use process::{LOADS, Process, SERVES, free_port};
use resp::Connection;
pub use resp::Reply;
use tempfile::TempDir;

use super::eventually;

/// Options that make every acknowledged write survive `kill -9`.
pub const DURABLE: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];

/// One running (or killed, or not yet started) Redis.
#[derive(Debug)]
pub struct RedisServer {
    process: Option<Process>,
    port: u16,
    options: Vec<String>,
    password: Option<String>,
    dir: TempDir,
}

impl RedisServer {
    /// A standalone server without persistence that answers.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with more options of redis-server: `&["--maxmemory", "4mb"]`.
    pub fn start_with(options: &[&str]) -> Self {
        let mut server = Self::planned(options);
        server.start_on_any_port();
        server
    }

    /// A server that is not there yet: its port is known and refuses connections until
    /// [`restart`](Self::restart).
    pub fn planned(options: &[&str]) -> Self {
        let password = options
            .iter()
            .position(|option| *option == "--requirepass")
            .and_then(|at| options.get(at + 1))
            .map(ToString::to_string);
        let dir = tempfile::Builder::new()
            .prefix("mrv-redis-")
            .tempdir()
            .expect("a directory");
        Self {
            process: None,
            port: free_port(),
            options: options.iter().map(ToString::to_string).collect(),
            password,
            dir,
        }
    }

    fn start_on_any_port(&mut self) {
        for _ in 0..20 {
            if self.try_start(SERVES, &[]) {
                return;
            }
            self.port = free_port();
        }
        panic!("no free port for redis-server in 20 attempts");
    }

    /// False when another process took the port first.
    fn try_start(&mut self, ready: &str, more: &[&str]) -> bool {
        let port = self.port.to_string();
        let mut arguments = vec!["redis-server".to_owned()];
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
        self.process = Process::start(&arguments, self.dir.path(), ready);
        self.process.is_some()
    }

    /// What the service is given as `store.redis.url`.
    pub fn url(&self) -> String {
        match &self.password {
            Some(password) => format!("redis://:{password}@127.0.0.1:{}/0", self.port),
            None => format!("redis://127.0.0.1:{}/0", self.port),
        }
    }

    /// The plain-text port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where the plain-text port is, for a proxy in front.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// SIGSTOP: connections are accepted by the kernel, nothing answers.
    pub fn pause(&self) {
        self.process().pause();
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.process().resume();
    }

    /// SIGKILL, and gone when this returns.
    pub fn kill(&mut self) {
        drop(self.process.take().expect("redis-server was not running"));
    }

    /// Starts it again (or for the first time): same port, same directory, same options.
    pub fn restart(&mut self) {
        self.start_here(SERVES, &[]);
    }

    /// Starts it again with more options, and returns while it still loads its snapshot.
    pub fn restart_loading(&mut self, options: &[&str]) {
        self.start_here(LOADS, options);
    }

    fn start_here(&mut self, ready: &str, options: &[&str]) {
        assert!(self.process.is_none(), "redis-server runs");
        let started = self.try_start(ready, options);
        assert!(
            started,
            "port {} was taken while redis-server was down",
            self.port
        );
    }

    /// One command on a connection of its own, as the superuser.
    #[track_caller]
    pub fn command<W: AsRef<[u8]>>(&self, words: &[W]) -> Reply {
        self.connect().command(words)
    }

    /// A connection for many commands, as the superuser.
    #[track_caller]
    pub fn connect(&self) -> Connection {
        let mut connection = Connection::open(self.address());
        if let Some(password) = &self.password {
            assert_eq!(
                connection.command(&["AUTH", password]),
                Reply::Simple("OK".into())
            );
        }
        connection
    }

    fn process(&self) -> &Process {
        self.process.as_ref().expect("redis-server is not running")
    }
}

/// Waits until the condition holds.
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    eventually(what, || condition().then_some(()));
}
