//! A worker: the binary of this repository, configured by the environment alone, and what it counted.
//!
//! For `field`. Every limit is at its default; what is set says where things are, and lets the simulation say by
//! `X-Forwarded-For` whose a request is.

use crate::operators;
use crate::process::{Process, free_address};
use std::net::SocketAddr;

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    /// Where clients come in.
    pub address: SocketAddr,
    admin: SocketAddr,
    process: Process,
}

impl Worker {
    /// Starts one with these settings beside its own, named as in the environment without the prefix, and waits
    /// until it is ready.
    pub fn start(settings: &[(&str, &str)]) -> Result<Self, String> {
        let (address, admin) = (free_address()?, free_address()?);
        let mut command = operators::worker(address, admin);
        command
            .env("RENDEZVOUS_HTTP__TRUSTED_PROXIES", "127.0.0.1/32")
            .env("RENDEZVOUS_STORE__BACKEND", "redis")
            // A line for each request of a flood would measure the disk.
            .env("RENDEZVOUS_TELEMETRY__ACCESS_LOG", "false")
            .env("RENDEZVOUS_TELEMETRY__LOG_LEVEL", "error");
        for (name, value) in settings {
            command.env(format!("RENDEZVOUS_{name}"), value);
        }
        let mut process = Process::start("matrix-rendezvous", &mut command)?;
        process.wait_until(|| operators::is_ready(admin))?;
        Ok(Self {
            address,
            admin,
            process,
        })
    }

    /// Whether it runs.
    pub fn is_alive(&mut self) -> bool {
        self.process.is_alive()
    }

    /// The most resident memory that it had, in bytes.
    pub fn peak_rss(&self) -> Result<u64, String> {
        self.process.peak_rss()
    }

    /// What it counted so far.
    pub fn metrics(&self) -> Result<Metrics, String> {
        let reply = operators::get(self.admin, "/metrics");
        reply
            .map(Metrics)
            .map_err(|error| format!("/metrics: {error}"))
    }
}

/// One scrape.
#[derive(Debug)]
pub struct Metrics(String);

impl Metrics {
    /// The value of a series, `name{label="value"}`. One that is not there is an error, never a zero: all are there
    /// from the start.
    pub fn value(&self, series: &str) -> Result<u64, String> {
        let value = self.0.lines().find_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            (name == series).then(|| value.parse().ok())?
        });
        value.ok_or_else(|| format!("/metrics has no {series}"))
    }
}
