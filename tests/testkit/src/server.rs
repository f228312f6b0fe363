//! Starts the server under test: the real binary, on ports of its own. It ends no later than its
//! test.
//!
//! The environment alone configures it, without the caller's `RENDEZVOUS_…` variables. If a test
//! fails, the server's log is printed with it.

mod log;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::http::{Connection, Reply, Request};
use crate::process::Process;
use crate::redis::RedisServer;
use crate::{eventually, until};
use log::Log;

/// The variables of the addresses.
const HTTP_LISTEN: &str = "RENDEZVOUS_HTTP__LISTEN";
const ADMIN_LISTEN: &str = "RENDEZVOUS_ADMIN__LISTEN";

/// A port that the kernel chooses, and the server logs.
const ANY_PORT: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));

/// Where a server under test keeps its sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// In its own memory.
    Memory,
    /// In the [`shared_redis`].
    Redis,
}

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    process: Process,
    log: Log,
    /// The address for clients: the first one with a port.
    pub http: SocketAddr,
    /// The address for operators: the first one with a port.
    pub admin: SocketAddr,
    /// The prefix of its keys in Redis, if a setting names one.
    pub prefix: Option<String>,
}

/// The Redis that the servers of [`ServerBinary::start`] share. Each has a key prefix of its own.
pub fn shared_redis() -> &'static RedisServer {
    static SHARED: OnceLock<RedisServer> = OnceLock::new();
    SHARED.get_or_init(RedisServer::start)
}

/// The limits of open files of a server: `RLIMIT_NOFILE`.
#[derive(Clone, Copy, Debug)]
pub struct OpenFiles {
    /// The limit that applies until the process raises it.
    pub soft: u32,
    /// The highest value of `soft`.
    pub hard: u32,
}

/// The server's executable, which the caller names: `env!("CARGO_BIN_EXE_matrix-rendezvous")`.
#[derive(Clone, Copy, Debug)]
pub struct ServerBinary(pub &'static str);

impl ServerBinary {
    /// Starts a server and waits until it is ready.
    ///
    /// The mode is `open` and the limits are off, unless the settings say otherwise. A setting is
    /// named as in the configuration file: `("session.max_live", "2")`.
    #[track_caller]
    pub fn start(self, store: Store, settings: &[(&str, &str)]) -> Server {
        let mut all = vec![("mode", "open"), ("limits.enabled", "false")];
        let (url, prefix);
        if store == Store::Redis {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            url = shared_redis().url();
            prefix = format!("t{}:", NEXT.fetch_add(1, Ordering::Relaxed));
            all.push(("store.backend", "redis"));
            all.extend([("store.redis.url", &*url), ("store.redis.prefix", &*prefix)]);
        }
        all.extend(settings);
        let server = self.launch(&all);
        eventually("the server is ready", || {
            (server.admin_get("/readyz").status == 200).then_some(())
        });
        server
    }

    /// Starts a server with these settings alone, and waits until it listens, ready or not.
    ///
    /// It listens on port 0, and logs which ports it has.
    #[track_caller]
    pub fn launch(self, settings: &[(&str, &str)]) -> Server {
        self.launch_with_arguments(&[], settings)
    }

    /// Starts a server with these arguments and these settings, and waits until it listens, ready
    /// or not.
    #[track_caller]
    pub fn launch_with_arguments(self, arguments: &[&str], settings: &[(&str, &str)]) -> Server {
        let mut command = self.command();
        Self::launch_command(command.args(arguments), settings)
    }

    /// Starts a server with these limits of open files, and waits until it listens, ready or not.
    #[track_caller]
    pub fn launch_with_open_files(self, limits: OpenFiles, settings: &[(&str, &str)]) -> Server {
        let mut command = self.command_with_open_files(limits);
        Self::launch_command(&mut command, settings)
    }

    /// Starts a server with these settings, whose configuration file has `http.listen`, and waits until
    /// it listens. For tests that change that key.
    #[track_caller]
    pub fn launch_listening_by_file(self, settings: &[(&str, &str)]) -> Server {
        let mut command = self.command();
        command.env(ADMIN_LISTEN, ANY_PORT.to_string());
        Self::start_and_wait(&mut command, settings)
    }

    /// Starts this command of a server, as [`command`](Self::command) returns it, and waits until it listens,
    /// ready or not.
    #[track_caller]
    pub fn launch_command(command: &mut Command, settings: &[(&str, &str)]) -> Server {
        let any = ANY_PORT.to_string();
        Self::start_and_wait(
            command.env(HTTP_LISTEN, &any).env(ADMIN_LISTEN, &any),
            settings,
        )
    }

    /// Starts this command, and waits until it listens.
    #[track_caller]
    fn start_and_wait(command: &mut Command, settings: &[(&str, &str)]) -> Server {
        let any = ANY_PORT;
        let mut server = Self::start_command(command, [any, any], settings);
        // The lines of `http` come first, so they are complete once `admin` has one.
        let [admin, http] = ["admin", "http"].map(|listener| {
            eventually("the server logs where it listens", || {
                let exit = server.process.exit_status();
                let log = || server.log.text();
                assert!(exit.is_none(), "it ended: {}\n{}", exit.unwrap(), log());
                let addresses = server.log.addresses_of(listener);
                // A listener on Unix sockets alone has no port.
                let with_port = addresses.iter().find_map(|address| address.parse().ok());
                (!addresses.is_empty()).then(|| with_port.unwrap_or(any))
            })
        });
        (server.http, server.admin) = (http, admin);
        server
    }

    /// Starts a server at these addresses, for clients and for operators, with more arguments and
    /// settings. Does not wait until it listens.
    #[track_caller]
    pub fn launch_at(
        self,
        addresses: [SocketAddr; 2],
        arguments: &[&str],
        settings: &[(&str, &str)],
    ) -> Server {
        let mut command = self.command();
        Self::launch_command_at(command.args(arguments), addresses, settings)
    }

    /// Starts this command of a server, as [`command`](Self::command) returns it, at these addresses.
    /// Does not wait until it listens.
    #[track_caller]
    pub fn launch_command_at(
        command: &mut Command,
        [http, admin]: [SocketAddr; 2],
        settings: &[(&str, &str)],
    ) -> Server {
        command.env(HTTP_LISTEN, http.to_string());
        command.env(ADMIN_LISTEN, admin.to_string());
        Self::start_command(command, [http, admin], settings)
    }

    #[track_caller]
    fn start_command(
        command: &mut Command,
        [http, admin]: [SocketAddr; 2],
        settings: &[(&str, &str)],
    ) -> Server {
        command.envs(settings.iter().map(|(key, value)| (variable(key), *value)));
        let (errors, written) = std::io::pipe().expect("a pipe");
        let process = Process::start("matrix-rendezvous", command.stderr(written));
        // The command holds a copy of the pipe's end; while it has that, the log does not end.
        command.stderr(Stdio::inherit());
        let prefix_of = |(key, prefix): &(&str, &str)| {
            (*key == "store.redis.prefix").then(|| (*prefix).to_owned())
        };
        Server {
            process,
            log: Log::read(errors),
            http,
            admin,
            prefix: settings.iter().rev().find_map(prefix_of),
        }
    }

    /// Starts a server on this Redis, and waits until it is ready.
    #[track_caller]
    pub fn ready_on(self, url: &str, settings: &[(&str, &str)]) -> Server {
        let server = self.launch_on(url, settings);
        until("the server is ready", || server.is_ready());
        server
    }

    /// Starts a server on this Redis, ready or not.
    #[track_caller]
    pub fn launch_on(self, url: &str, settings: &[(&str, &str)]) -> Server {
        let mut all = vec![
            ("mode", "open"),
            ("limits.enabled", "false"),
            ("store.backend", "redis"),
            ("store.redis.url", url),
        ];
        all.extend(settings);
        self.launch(&all)
    }

    /// The command of the binary, without the caller's configuration and without input.
    pub fn command(self) -> Command {
        Self::clean(Command::new(self.0))
    }

    /// The same command with these limits of open files, which a shell sets.
    pub fn command_with_open_files(self, OpenFiles { soft, hard }: OpenFiles) -> Command {
        self.command_after(&format!("ulimit -Sn {soft} && ulimit -Hn {hard}"))
    }

    /// The same command, in the process of a shell that runs this script first.
    pub fn command_after(self, script: &str) -> Command {
        let script = format!("{script} && exec \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh", self.0]);
        Self::clean(command)
    }

    fn clean(mut command: Command) -> Command {
        let inherited = std::env::vars_os().map(|(name, _)| name);
        for name in inherited.filter(|name| name.to_string_lossy().starts_with("RENDEZVOUS_")) {
            command.env_remove(name);
        }
        command.stdin(Stdio::null());
        command
    }
}

impl Server {
    /// Sends one request to the public listener, on a connection of its own.
    #[track_caller]
    pub fn raw(&self, request: &Request) -> Reply {
        Connection::open(self.http).send(request)
    }

    /// Sends a GET request to the admin listener.
    #[track_caller]
    pub fn admin_get(&self, path: &str) -> Reply {
        Connection::open(self.admin).send(&Request::get(path))
    }

    /// Whether the server listens and `/readyz` returns 200.
    #[track_caller]
    pub fn is_ready(&self) -> bool {
        let connection = Connection::try_open(self.admin);
        connection.is_ok_and(|mut admin| admin.send(&Request::get("/readyz")).status == 200)
    }

    /// The addresses that a listener, `http` or `admin`, has logged.
    pub fn addresses(&self, listener: &str) -> Vec<String> {
        self.log.addresses_of(listener)
    }

    /// The log so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// The process, for its memory, CPU time and state.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Sends a signal.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// The process id.
    pub fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// Waits until the server has ended, and returns how.
    #[track_caller]
    pub fn ended(&self) -> ExitStatus {
        self.process.wait_for_exit()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the server's log\n{}---", self.log.text());
        }
    }
}

/// The environment variable of a configuration key: `session.max_live` is
/// `RENDEZVOUS_SESSION__MAX_LIVE`.
pub fn variable(key: &str) -> String {
    format!("RENDEZVOUS_{}", key.replace('.', "__").to_uppercase())
}
