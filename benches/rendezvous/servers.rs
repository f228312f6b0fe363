//! The servers that are compared: ours, built with the same profile, and the floors.
//!
//! For `measure` and `footprint`. Each is a process with one listener on a free port; all inherit the
//! bench's environment but for RENDEZVOUS_ variables.

use crate::control::Control;
use crate::floors;
use crate::payload;
use crate::process::{Process, free_address};
use crate::redis::Redis;
use crate::scenario::PATH;
use clap::ValueEnum;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

/// Where sessions are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Store {
    /// In the server's process.
    Memory,
    /// In the Redis that the bench starts.
    Redis,
}

impl Store {
    /// Its name, in tables and in the server's configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redis => "redis",
        }
    }
}

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The server of this repository.
    Ours,
    /// hyper and fixed bytes.
    Bare,
    /// hyper and a map.
    Map,
    /// hyper and fred.
    Fred,
}

impl Side {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "**ours**",
            Self::Bare => "bare hyper",
            Self::Map => "hyper + map",
            Self::Fred => "hyper + fred",
        }
    }
}

/// Which headers a floor's replies have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FloorHeaders {
    /// Those of the server's own replies.
    Same,
    /// Content-Type alone.
    Minimal,
}

/// What the servers are started with.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// Where sessions are kept.
    pub store: Store,
    /// The Redis of this run, where there is one.
    pub redis: Option<&'a Redis>,
    /// Whether our server limits rates, which it does unless told not to.
    pub limits: bool,
}

/// A server that answers.
#[derive(Debug)]
pub struct Server {
    /// Its process.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Starts our server and waits until it is ready.
    pub fn start_ours(setting: Setting<'_>) -> Result<Self, String> {
        let (address, admin) = (free()?, free()?);
        let mut command = without_our_variables(env!("CARGO_BIN_EXE_matrix-rendezvous"));
        command
            .env("RENDEZVOUS_MODE", "open")
            .env("RENDEZVOUS_HTTP__LISTEN", address.to_string())
            .env("RENDEZVOUS_ADMIN__LISTEN", admin.to_string())
            .env("RENDEZVOUS_LIMITS__ENABLED", setting.limits.to_string())
            .env("RENDEZVOUS_TELEMETRY__ACCESS_LOG", "false")
            .env("RENDEZVOUS_TELEMETRY__LOG_LEVEL", "error")
            // More than a run creates before its sessions expire; a full store would refuse.
            .env("RENDEZVOUS_SESSION__MAX_LIVE", "2000000")
            .env("RENDEZVOUS_STORE__BACKEND", setting.store.name());
        if setting.store == Store::Redis {
            command.env("RENDEZVOUS_STORE__REDIS__URL", redis_url(setting)?);
        }
        let process = Process::start("matrix-rendezvous", &mut command);
        let mut process = process.map_err(|error| format!("matrix-rendezvous: {error}"))?;
        process.wait_until(|| {
            let reply = Control::connect(admin).and_then(|mut admin| admin.get("/readyz"));
            reply.is_ok_and(|reply| reply.is_ok())
        })?;
        Ok(Self { process, address })
    }

    /// Starts a floor and waits until it listens.
    pub fn start_floor(side: Side, setting: Setting<'_>, model: &str) -> Result<Self, String> {
        let address = free()?;
        let own = std::env::current_exe().map_err(|error| format!("own program: {error}"))?;
        let mut command = without_our_variables(own);
        command
            .arg(floors::ARGUMENT)
            .env(floors::reply::VARIABLE, model);
        let address_text = address.to_string();
        match side {
            Side::Bare => command.args(["bare", &address_text]),
            Side::Map => command.args(["map", &address_text]),
            Side::Fred => command.args(["redis", &address_text, &redis_url(setting)?]),
            Side::Ours => return Err("our server is no floor".to_owned()),
        };
        let process = Process::start(side.name(), &mut command);
        let mut process = process.map_err(|error| format!("{}: {error}", side.name()))?;
        process.wait_until(|| TcpStream::connect(address).is_ok())?;
        Ok(Self { process, address })
    }
}

/// The reply of our server to a poll, for the floors to send the same.
pub fn model_reply(headers: FloorHeaders) -> Result<String, String> {
    let setting = Setting {
        store: Store::Memory,
        redis: None,
        limits: false,
    };
    let server = Server::start_ours(setting)?;
    let failed = |error: std::io::Error| format!("the model reply: {error}");
    let mut control = Control::connect(server.address).map_err(failed)?;
    let id = control
        .create(&payload::payload(payload::TYPICAL, 1))
        .map_err(failed)?;
    let reply = control.get(&format!("{PATH}/{id}")).map_err(failed)?;
    if !reply.is_ok() {
        return Err(format!("the model reply: {}", reply.head));
    }
    let head = match headers {
        FloorHeaders::Same => reply.head.as_str(),
        FloorHeaders::Minimal => "content-type: application/json",
    };
    Ok(format!("{head}\r\n\r\n{}", reply.body))
}

fn without_our_variables(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RENDEZVOUS_") {
            command.env_remove(name);
        }
    }
    command
}

fn redis_url(setting: Setting<'_>) -> Result<String, String> {
    setting
        .redis
        .map(Redis::url)
        .ok_or_else(|| "this run has no Redis".to_owned())
}

fn free() -> Result<SocketAddr, String> {
    free_address().map_err(|error| format!("no free port: {error}"))
}
