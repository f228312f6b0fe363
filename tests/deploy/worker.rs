//! A worker that can be replaced: always at the same addresses, configured by a file that can be changed.

use crate::operators;
use crate::process::free_address;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

/// For whatever a worker is waited for: longer than both clocks of a shutdown, 5 s and 20 s.
const LONGEST: Duration = Duration::from_secs(40);
const LOOK: Duration = Duration::from_millis(20);

/// A worker.
#[derive(Debug)]
pub struct Worker {
    /// Where clients come in, and operators.
    pub addresses: (SocketAddr, SocketAddr),
    config: PathBuf,
    log: PathBuf,
    child: Child,
}

impl Worker {
    /// Starts one, and waits until it is ready.
    pub fn start(directory: &Path, number: usize, config: &Path) -> Result<Self, String> {
        let addresses = (free_address()?, free_address()?);
        let log = directory.join(format!("worker-{number}.log"));
        let child = launch(addresses, config, &log)?;
        let config = config.to_owned();
        let mut worker = Self {
            addresses,
            config,
            log,
            child,
        };
        worker.wait_until_ready()?;
        Ok(worker)
    }

    /// Asks it to leave, waits for that, and starts another in its place.
    pub fn replace(&mut self) -> Result<(), String> {
        self.signal(Signal::SIGTERM)?;
        let Some(status) = look(|| self.child.try_wait().map_err(|error| error.to_string()))?
        else {
            return Err(format!("a worker did not leave in {LONGEST:?}"));
        };
        // It says so where it had to cut a connection.
        if !status.success() {
            return Err(format!("a worker left with {status}:\n{}", self.log()));
        }
        self.begin_anew()
    }

    /// Kills it, as a kernel that is out of memory does.
    pub fn kill(&mut self) -> Result<(), String> {
        self.signal(Signal::SIGKILL)?;
        let status = self.child.wait().map_err(|error| error.to_string())?;
        match status.signal() {
            Some(9) => Ok(()),
            _ => Err(format!("it was not killed, but ended with {status}")),
        }
    }

    /// Starts another in its place, once it has ended.
    pub fn begin_anew(&mut self) -> Result<(), String> {
        self.child = launch(self.addresses, &self.config, &self.log)?;
        self.wait_until_ready()
    }

    /// Has it read its configuration again, and waits until it has.
    pub fn reload(&mut self) -> Result<(), String> {
        let applied = "rendezvous_config_reloads_total{outcome=\"applied\"}";
        let before = self.counted(applied)?;
        self.signal(Signal::SIGHUP)?;
        self.wait_until("the configuration was read again", |worker| {
            Ok(worker.counted(applied)? > before)
        })
    }

    /// Waits until the balancer sends it requests again. New connections show that at once; those of a pool may all be
    /// with other workers, and stay there.
    pub fn wait_until_used(&mut self, balancer: SocketAddr) -> Result<(), String> {
        self.wait_until("the balancer sends it requests", |worker| {
            operators::get(balancer, "/").map_err(|error| error.to_string())?;
            Ok(worker.counted("rendezvous_http_requests_total{")? > 0)
        })
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        self.wait_until("it is ready", |worker| {
            Ok(operators::is_ready(worker.addresses.1))
        })
    }

    fn wait_until(
        &mut self,
        what: &str,
        mut is_so: impl FnMut(&Self) -> Result<bool, String>,
    ) -> Result<(), String> {
        let seen = look(|| {
            if is_so(self)? {
                return Ok(Some(true));
            }
            let ended = self.child.try_wait().map_err(|error| error.to_string())?;
            Ok(ended.map(|_| false))
        })?;
        match seen {
            Some(true) => Ok(()),
            Some(false) => Err(format!("it ended before: {what}\n{}", self.log())),
            None => Err(format!("not in {LONGEST:?}: {what}\n{}", self.log())),
        }
    }

    /// The sum of all series that begin so.
    pub fn counted(&self, series: &str) -> Result<u64, String> {
        let page =
            operators::get(self.addresses.1, "/metrics").map_err(|error| error.to_string())?;
        let of = |line: &str| {
            let value = line.starts_with(series).then(|| line.rsplit_once(' '))??.1;
            value.parse::<u64>().ok()
        };
        let values: Vec<u64> = page.lines().filter_map(of).collect();
        if values.is_empty() {
            return Err(format!("/metrics has no {series}"));
        }
        Ok(values.iter().sum())
    }

    fn signal(&self, signal: Signal) -> Result<(), String> {
        let id = i32::try_from(self.child.id()).map_err(|error| error.to_string())?;
        kill(Pid::from_raw(id), signal).map_err(|error| error.to_string())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks until there is something to see, or until nobody would wait longer.
fn look<T>(mut at: impl FnMut() -> Result<Option<T>, String>) -> Result<Option<T>, String> {
    let deadline = Instant::now() + LONGEST;
    loop {
        let seen = at()?;
        if seen.is_some() || Instant::now() > deadline {
            return Ok(seen);
        }
        std::thread::sleep(LOOK);
    }
}

fn launch(
    (http, admin): (SocketAddr, SocketAddr),
    config: &Path,
    log: &Path,
) -> Result<Child, String> {
    let log = File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
    let mut command = operators::worker(http, admin);
    command.arg("--config").arg(config).stderr(log);
    command
        .spawn()
        .map_err(|error| format!("matrix-rendezvous: {error}"))
}
