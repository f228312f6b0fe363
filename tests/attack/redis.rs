//! A Redis of its own for each scenario: empty, without persistence, and asked for its memory.
//!
//! For `field`. It never touches a Redis that it did not start.

use crate::process::{Process, free_address};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

/// For one answer, while a flood keeps Redis busy.
const DEADLINE: Duration = Duration::from_secs(10);

/// A running redis-server.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    address: SocketAddr,
    /// Its working directory, where a configuration or a dump of the machine's own Redis cannot be.
    _directory: tempfile::TempDir,
}

impl Redis {
    /// Starts one and waits until it answers. Its memory policy is Redis's default, `noeviction`.
    pub fn start() -> Result<Self, String> {
        let address = free_address()?;
        let directory = tempfile::tempdir().map_err(|error| format!("no directory: {error}"))?;
        let port = address.port().to_string();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port]);
        command.args(["--save", "", "--loglevel", "warning", "--dir"]);
        command.arg(directory.path());
        let mut process = Process::start("redis-server", &mut command)?;
        process.wait_until(|| ask(address, "PING").is_ok_and(|reply| reply == "PONG"))?;
        Ok(Self {
            process,
            address,
            _directory: directory,
        })
    }

    /// What the workers are configured with.
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    /// Whether it runs.
    pub fn is_alive(&mut self) -> bool {
        self.process.is_alive()
    }

    /// The most that it had allocated since its start, in bytes.
    pub fn peak_memory(&self) -> Result<u64, String> {
        let info = ask(self.address, "INFO memory")
            .map_err(|error| format!("redis: INFO memory: {error}"))?;
        info.lines()
            .find_map(|line| line.strip_prefix("used_memory_peak:")?.trim().parse().ok())
            .ok_or_else(|| "redis: INFO has no used_memory_peak".to_owned())
    }
}

/// One inline command on a connection of its own; a status or a bulk reply (RESP2).
fn ask(address: SocketAddr, line: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, DEADLINE)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.write_all(format!("{line}\r\n").as_bytes())?;
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let first = first.trim_end();
    if let Some(status) = first.strip_prefix('+') {
        return Ok(status.to_owned());
    }
    let length = first.strip_prefix('$').and_then(|text| text.parse().ok());
    let mut bulk = String::new();
    reader
        .take(length.ok_or(ErrorKind::InvalidData)?)
        .read_to_string(&mut bulk)?;
    Ok(bulk)
}
