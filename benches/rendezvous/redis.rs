//! The Redis that the bench starts for itself, on a free port, without persistence.
//!
//! One for a whole run, emptied between measurements. It never touches a Redis that it did not start.

use crate::process::{Process, free_address};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

/// Emptying a few hundred thousand sessions takes Redis a tenth of a second.
const DEADLINE: Duration = Duration::from_secs(10);

const MISSING: &str = "redis-server is not installed, and the redis store is measured against a real \
one. Debian and Ubuntu: apt-get install redis-server; Fedora: dnf install redis; Alpine: apk add \
redis; macOS: not supported (the bench reads /proc). To measure the memory store alone: --store memory";

/// A redis-server of our own.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    address: SocketAddr,
    /// Its working directory, where a configuration or a dump of the machine's own Redis cannot be.
    _directory: tempfile::TempDir,
}

impl Redis {
    /// Starts one and waits until it answers.
    pub fn start() -> Result<Self, String> {
        let failed = |error: std::io::Error| match error.kind() {
            ErrorKind::NotFound => MISSING.to_owned(),
            _ => format!("redis-server: {error}"),
        };
        let address = free_address().map_err(|error| format!("no free port: {error}"))?;
        let directory = tempfile::tempdir().map_err(|error| format!("no directory: {error}"))?;
        let port = address.port().to_string();
        // No persistence, since a fork in the middle of a round would be measured; noeviction, since
        // the server refuses to start on any other policy.
        let mut command = Command::new("redis-server");
        command
            .args([
                "--bind",
                "127.0.0.1",
                "--port",
                &port,
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .args([
                "--maxmemory-policy",
                "noeviction",
                "--loglevel",
                "warning",
                "--dir",
            ])
            .arg(directory.path());
        let mut process = Process::start("redis-server", &mut command).map_err(failed)?;
        process.wait_until(|| command_to(address, "PING").is_ok_and(|reply| reply == "PONG"))?;
        Ok(Self {
            process,
            address,
            _directory: directory,
        })
    }

    /// What the servers are configured with.
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    /// CPU time that it has used.
    pub fn cpu(&self) -> Result<Duration, String> {
        self.process.cpu()
    }

    /// Deletes every key. Scripts stay loaded.
    pub fn empty(&self) -> Result<(), String> {
        self.command("FLUSHALL SYNC").map(drop)
    }

    /// Bytes that it has allocated.
    pub fn used_memory(&self) -> Result<u64, String> {
        self.info("memory", "used_memory")?
            .parse()
            .map_err(|_| "used_memory is no number".into())
    }

    /// Its version.
    pub fn version(&self) -> Result<String, String> {
        self.info("server", "redis_version")
    }

    fn info(&self, section: &str, field: &str) -> Result<String, String> {
        let info = self.command(&format!("INFO {section}"))?;
        let value = info
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':').map(str::trim));
        value
            .map(str::to_owned)
            .ok_or_else(|| format!("INFO has no {field}"))
    }

    fn command(&self, line: &str) -> Result<String, String> {
        command_to(self.address, line).map_err(|error| format!("redis: {line}: {error}"))
    }
}

/// One inline command on a connection of its own, as rarely as it happens; a status or a bulk reply.
fn command_to(address: SocketAddr, line: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, DEADLINE)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.write_all(format!("{line}\r\n").as_bytes())?;
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let (kind, rest) = first
        .trim_end()
        .split_at_checked(1)
        .ok_or(ErrorKind::InvalidData)?;
    match kind {
        "+" => Ok(rest.to_owned()),
        "$" => {
            let length: u64 = rest.parse().map_err(|_| ErrorKind::InvalidData)?;
            let mut bulk = String::new();
            reader.take(length).read_to_string(&mut bulk)?;
            Ok(bulk)
        }
        _ => Err(std::io::Error::other(first)),
    }
}
