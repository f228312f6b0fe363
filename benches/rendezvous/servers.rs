//! The servers that are compared: ours, built with the same profile, and the baselines.
//!
//! Each is a process with one listener on a free port. All inherit the environment of the
//! benchmark, except its `RENDEZVOUS_` variables.

use crate::baselines;
use crate::payload;
use crate::scenario::PATH;
use clap::ValueEnum;
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use testkit::http::{Connection, Request};
use testkit::process::{Process, free_address};
use testkit::redis::RedisServer;
use testkit::server::{self, ServerBinary};

const BINARY: ServerBinary = ServerBinary(env!("CARGO_BIN_EXE_matrix-rendezvous"));

/// Where sessions are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Store {
    /// In the server's process.
    Memory,
    /// In the Redis that the benchmark starts.
    Redis,
}

impl Store {
    /// Its name in the tables and in the server's configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redis => "redis",
        }
    }
}

/// A server that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerKind {
    /// The server of this repository, with this number of worker threads of tokio, or its default.
    Ours(Option<u16>),
    /// hyper and fixed bytes.
    Bare,
    /// hyper and a map.
    Map,
    /// hyper and fred.
    Fred,
    /// hyper and fred with the fewest and cheapest commands, on one thread.
    Thin,
}

impl ServerKind {
    /// Its name in the tables.
    pub fn name(self) -> String {
        match self {
            Self::Ours(None) => "**ours**".to_owned(),
            Self::Ours(Some(threads)) => format!("**ours**, `TOKIO_WORKER_THREADS={threads}`"),
            Self::Bare => "bare hyper".to_owned(),
            Self::Map => "hyper + map".to_owned(),
            Self::Fred => "hyper + fred".to_owned(),
            Self::Thin => "thin".to_owned(),
        }
    }
}

/// The headers of a baseline's replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BaselineHeaders {
    /// Those of the server's own replies.
    Same,
    /// Content-Type alone.
    Minimal,
}

/// The options of a server.
#[derive(Debug, Clone, Copy)]
pub struct ServerOptions<'a> {
    /// Where sessions are kept.
    pub store: Store,
    /// The Redis of this run, if there is one.
    pub redis: Option<&'a RedisServer>,
    /// Whether our server limits rates, which is its default.
    pub limits: bool,
    /// Number of worker threads of our server; without it the default.
    pub threads: Option<u16>,
}

/// A server that is ready.
#[derive(Debug)]
pub enum Server {
    /// Ours.
    Ours(server::Server),
    /// A baseline, and its address.
    Baseline(Process, SocketAddr),
}

impl Server {
    /// Starts our server and waits until it is ready.
    pub fn start_ours(options: ServerOptions<'_>) -> Result<Self, String> {
        let limits = options.limits.to_string();
        let mut settings = vec![
            ("limits.enabled", &*limits),
            ("store.backend", options.store.name()),
        ];
        let url;
        if options.store == Store::Redis {
            url = redis_url(options)?;
            settings.push(("store.redis.url", &url));
        }
        Ok(Self::Ours(start_worker_with(options.threads, &settings)))
    }

    /// Starts a baseline and waits until it listens.
    pub fn start_baseline(
        kind: ServerKind,
        options: ServerOptions<'_>,
        model: &str,
    ) -> Result<Self, String> {
        let address = free_address();
        let own = std::env::current_exe().map_err(|error| format!("own program: {error}"))?;
        let mut command = Command::new(own);
        command
            .arg(baselines::ARGUMENT)
            .env(baselines::reply::VARIABLE, model)
            .stdout(Stdio::null());
        let address_text = address.to_string();
        match kind {
            ServerKind::Bare => command.args(["bare", &address_text]),
            ServerKind::Map => command.args(["map", &address_text]),
            ServerKind::Fred => command.args(["redis", &address_text, &redis_url(options)?]),
            ServerKind::Thin => command.args(["thin", &address_text, &redis_url(options)?]),
            ServerKind::Ours(_) => return Err("our server is not a baseline".to_owned()),
        };
        let process = Process::start(&kind.name(), &mut command);
        process.wait_until(|| TcpStream::connect(address).is_ok());
        Ok(Self::Baseline(process, address))
    }

    /// Its process.
    pub fn process(&self) -> &Process {
        match self {
            Self::Ours(server) => server.process(),
            Self::Baseline(process, _) => process,
        }
    }

    /// The address for clients.
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Ours(server) => server.http,
            Self::Baseline(_, address) => *address,
        }
    }
}

/// Starts our server with these settings and waits until it is ready.
pub fn start_worker(settings: &[(&str, &str)]) -> server::Server {
    start_worker_with(None, settings)
}

fn start_worker_with(threads: Option<u16>, settings: &[(&str, &str)]) -> server::Server {
    let mut all = vec![
        ("mode", "open"),
        ("telemetry.access_log", "false"),
        ("telemetry.log_level", "error"),
        // More than a run creates before its sessions expire. A full store would reject
        // creations.
        ("session.max_live", "2000000"),
    ];
    all.extend(settings);
    let mut command = BINARY.command();
    if let Some(threads) = threads {
        command.env("TOKIO_WORKER_THREADS", threads.to_string());
    }
    let addresses = [free_address(), free_address()];
    let server = ServerBinary::launch_command_at(&mut command, addresses, &all);
    server.process().wait_until(|| server.is_ready());
    server
}

/// Our server's reply to a poll, which the baselines send too.
pub fn model_reply(headers: BaselineHeaders) -> Result<String, String> {
    let server = Server::start_ours(ServerOptions {
        store: Store::Memory,
        redis: None,
        limits: false,
        threads: None,
    })?;
    let mut connection = Connection::open(server.address());
    let payload = payload::payload(payload::TYPICAL, 1);
    let create = Request::post(PATH).json(&serde_json::json!({ "data": payload }));
    let id = connection.send(&create).expect(200).text("id");
    let poll = Request::get(&format!("{PATH}/{id}"));
    let reply = connection.send(&poll).expect(200);
    let mut head = String::new();
    for (name, value) in &reply.headers {
        // Writing to a String cannot fail.
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if headers == BaselineHeaders::Minimal {
        "content-type: application/json\r\n".clone_into(&mut head);
    }
    let body = String::from_utf8(reply.body).map_err(|error| error.to_string())?;
    Ok(format!("{head}\r\n{body}"))
}

fn redis_url(options: ServerOptions<'_>) -> Result<String, String> {
    options
        .redis
        .map(RedisServer::url)
        .ok_or_else(|| "this run has no Redis".to_owned())
}
