//! A worker that can be replaced: it always has the same addresses, and a configuration file that
//! can change.

use nix::sys::signal::Signal;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use testkit::http::{Connection, Request};
use testkit::process::free_address;
use testkit::server::{Server, ServerBinary};

/// Upper bound of every wait for a worker: longer than both phases of a shutdown, 5 s and 20 s.
const DEADLINE: Duration = Duration::from_secs(40);

/// Time between two checks.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// The server of this source.
pub const CURRENT: ServerBinary = ServerBinary(env!("CARGO_BIN_EXE_matrix-rendezvous"));

/// A worker.
#[derive(Debug)]
pub struct Worker {
    binary: ServerBinary,
    config: PathBuf,
    server: Server,
}

impl Worker {
    /// Starts a worker of this binary, and waits until it is ready.
    pub fn start(binary: ServerBinary, config: &Path) -> Result<Self, String> {
        let mut worker = Self {
            binary,
            config: config.to_owned(),
            server: launch(binary, [free_address(), free_address()], config),
        };
        worker.wait_until_ready()?;
        Ok(worker)
    }

    /// The addresses for clients and for operators.
    pub fn addresses(&self) -> [SocketAddr; 2] {
        [self.server.http, self.server.admin]
    }

    /// Sends SIGTERM, waits until the worker has ended, and starts one of this binary in its place.
    pub fn replace(&mut self, binary: ServerBinary) -> Result<(), String> {
        self.server.signal(Signal::SIGTERM);
        let process = self.server.process();
        let Some(status) = poll_until(|| Ok(process.exit_status()))? else {
            return Err(format!("a worker did not end within {DEADLINE:?}"));
        };
        // The status is an error if the worker had to cut a connection.
        if !status.success() {
            let log = self.server.log();
            return Err(format!("a worker ended with {status}:\n{log}"));
        }
        self.binary = binary;
        self.restart()
    }

    /// Kills the worker, as a kernel without memory does.
    pub fn kill(&mut self) -> Result<(), String> {
        self.server.signal(Signal::SIGKILL);
        let status = self.server.ended();
        match status.signal() {
            Some(9) => Ok(()),
            _ => Err(format!("the worker ended before the kill, with {status}")),
        }
    }

    /// Starts another worker in its place, after it has ended.
    pub fn restart(&mut self) -> Result<(), String> {
        self.server = launch(self.binary, self.addresses(), &self.config);
        self.wait_until_ready()
    }

    /// Reloads the configuration, and waits until the worker has applied it.
    pub fn reload(&mut self) -> Result<(), String> {
        let applied = |server: &Server| {
            let labels = [("outcome", "applied")];
            server
                .metrics()
                .sum("rendezvous_config_reloads_total", &labels)
        };
        let before = applied(&self.server);
        self.server.signal(Signal::SIGHUP);
        self.wait_until("the new configuration is applied", |server| {
            applied(server) > before
        })
    }

    /// Waits until the balancer sends requests to the worker again. New connections show that at
    /// once; those of a pool may all be at other workers, and stay there.
    pub fn wait_until_used(&mut self, balancer: SocketAddr) -> Result<(), String> {
        self.wait_until("the balancer sends it requests", |server| {
            Connection::open(balancer).send(&Request::get("/"));
            server.metrics().sum("rendezvous_http_requests_total", &[]) > 0
        })
    }

    /// The value of a metric without labels.
    pub fn metric(&self, name: &str) -> u64 {
        self.server.metrics().sum(name, &[])
    }

    /// Whether the worker was built from this commit, as its metrics say.
    pub fn is_built_from(&self, commit: &str) -> bool {
        let revision = format!("revision=\"{commit}\"");
        let metrics = self.server.metrics();
        let samples = metrics.samples("rendezvous_build_info");
        samples.iter().any(|(labels, _)| labels.contains(&revision))
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        self.wait_until("it is ready", Server::is_ready)
    }

    fn wait_until(
        &self,
        what: &str,
        mut condition: impl FnMut(&Server) -> bool,
    ) -> Result<(), String> {
        let server = &self.server;
        let waited = server.process().wait(DEADLINE, || condition(server));
        waited.map_err(|failure| format!("{failure}, before: {what}\n{}", server.log()))
    }
}

/// Calls `attempt` until it returns a value. Returns `None` after [`DEADLINE`].
fn poll_until<T>(
    mut attempt: impl FnMut() -> Result<Option<T>, String>,
) -> Result<Option<T>, String> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let value = attempt()?;
        if value.is_some() || Instant::now() > deadline {
            return Ok(value);
        }
        std::thread::sleep(CHECK_INTERVAL);
    }
}

fn launch(binary: ServerBinary, addresses: [SocketAddr; 2], config: &Path) -> Server {
    let arguments = ["--config", config.to_str().expect("UTF-8")];
    binary.launch_at(addresses, &arguments, &[])
}
