//! The server under test: the real binary, on ports of its own, with a life no longer than its test.
//!
//! For every black-box test. It is configured through the environment alone, inherits none of the
//! caller's `RENDEZVOUS_…`, binds port 0 and tells in its log where it listens. When a test fails, the
//! log is printed with it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::eventually;
use super::http::{Connection, Reply, Request};
use super::redis::RedisServer;

/// Where a server under test keeps its sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    Memory,
    Redis,
}

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    child: Life,
    log: Log,
    /// Where clients go.
    pub http: SocketAddr,
    /// Where operators go.
    pub admin: SocketAddr,
    /// What its keys in the tests' Redis begin with; none on the embedded store.
    pub prefix: Option<String>,
}

/// The Redis that the servers of [`ServerBinary::start`] share, each under a prefix of its own.
pub fn shared_redis() -> &'static RedisServer {
    static SHARED: OnceLock<RedisServer> = OnceLock::new();
    SHARED.get_or_init(RedisServer::start)
}

/// The server's executable, which the caller names: `env!("CARGO_BIN_EXE_matrix-rendezvous")`.
#[derive(Clone, Copy, Debug)]
pub struct ServerBinary(pub &'static str);

impl ServerBinary {
    /// A server that is ready, in mode `open`, with the limiter off unless the settings say otherwise.
    /// A setting is named as in the configuration file: `("session.max_live", "2")`.
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

    /// A server with these settings and no others, listening, ready or not.
    #[track_caller]
    pub fn launch(self, settings: &[(&str, &str)]) -> Server {
        self.launch_with_arguments(&[], settings)
    }

    /// Starts a server with these arguments and these settings, listening, ready or not.
    #[track_caller]
    pub fn launch_with_arguments(self, arguments: &[&str], settings: &[(&str, &str)]) -> Server {
        let mut command = self.command();
        command.args(arguments);
        command.env("RENDEZVOUS_HTTP__LISTEN", "127.0.0.1:0");
        command.env("RENDEZVOUS_ADMIN__LISTEN", "127.0.0.1:0");
        command.envs(settings.iter().map(|(key, value)| (variable(key), *value)));
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let log = Log::of(&mut child);
        // From here on, so that one that never listens does not outlive its test.
        let child = Life(Mutex::new(child));
        let [http, admin] = ["http", "admin"].map(|listener| {
            eventually("the server says where it listens", || {
                let exit = child.0.lock().unwrap().try_wait().expect("a child");
                assert!(
                    exit.is_none(),
                    "it ended: {}\n{}",
                    exit.unwrap(),
                    log.text()
                );
                log.address_of(listener)
            })
        });
        let named = |(key, prefix): &(&str, &str)| {
            (*key == "store.redis.prefix").then(|| (*prefix).to_owned())
        };
        let prefix = settings.iter().rev().find_map(named);
        Server {
            child,
            log,
            http,
            admin,
            prefix,
        }
    }

    /// The binary, with none of the caller's configuration and nothing on its input.
    pub fn command(self) -> Command {
        let mut command = Command::new(self.0);
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

    /// Asks the admin listener.
    #[track_caller]
    pub fn admin_get(&self, path: &str) -> Reply {
        Connection::open(self.admin).send(&Request::get(path))
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("the server is ours and alive");
    }

    pub fn pid(&self) -> Pid {
        let id = self.child.0.lock().unwrap().id();
        Pid::from_raw(i32::try_from(id).expect("a process id"))
    }

    /// Waits for its end and says how it ended.
    #[track_caller]
    pub fn ended(&self) -> ExitStatus {
        eventually("the server ends", || {
            self.child.0.lock().unwrap().try_wait().expect("a child")
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the server's log\n{}---", self.log.text());
        }
    }
}

/// A process that ends with whoever holds it.
#[derive(Debug)]
struct Life(Mutex<Child>);

impl Drop for Life {
    fn drop(&mut self) {
        let child = self
            .0
            .get_mut()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// `session.max_live` as the environment spells it.
pub fn variable(key: &str) -> String {
    format!("RENDEZVOUS_{}", key.replace('.', "__").to_uppercase())
}

/// What a server writes to its standard error, read by a thread so that it never blocks.
#[derive(Clone, Debug)]
struct Log(Arc<Mutex<String>>);

impl Log {
    fn of(child: &mut Child) -> Self {
        let output = BufReader::new(child.stderr.take().expect("piped"));
        let log = Self(Arc::default());
        let written = Arc::clone(&log.0);
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let mut written = written.lock().unwrap();
                written.push_str(&line);
                written.push('\n');
            }
        });
        log
    }

    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    /// From a line such as `… listening listener=http address=127.0.0.1:41234`, or the same in JSON.
    fn address_of(&self, listener: &str) -> Option<SocketAddr> {
        let text = self.text();
        let line = text
            .lines()
            .find(|line| line.contains("listening") && field(line, "listener") == Some(listener))?;
        Some(field(line, "address")?.parse().expect("an address"))
    }
}

/// A field of a line of the log, in either format.
fn field<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let quoted = format!("\"{name}\":");
    let plain = format!("{name}=");
    let at = line.find(&quoted).map(|at| at + quoted.len());
    let at = at.or_else(|| line.find(&plain).map(|at| at + plain.len()))?;
    line[at..]
        .split(['"', ' ', ',', '}'])
        .find(|value| !value.is_empty())
}
