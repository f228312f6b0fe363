//! The load: processes with up to 5,000 pairs of devices each.
//!
//! The benchmark runs itself again with [`ARGUMENT`] and a plan, because one process may open 20,000
//! files on some machines, and 10,000 pairs need more. Each process has one thread. It prints its
//! report as JSON.

use super::pair::{Latencies, Pair};
use crate::load::runtime;
use crate::machine::{own_cpu, raise_open_files};
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::io::Read;
use std::net::SocketAddr;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;
use testkit::process::Process;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

/// The first argument that makes this process a part of the load.
pub const ARGUMENT: &str = "sign-ins-load";

/// Maximum of pairs of one process.
const PAIRS: u32 = 5000;

/// Addresses of the devices of one process. The kernel has 28,000 ports for the connections of each.
const SOURCES: u8 = 16;

/// The server's default lifetime of a session. A sign-in that takes longer is lost.
const SESSION_TTL: Duration = Duration::from_mins(5);

/// The part of one process.
#[derive(Debug, Serialize, Deserialize)]
pub struct Plan {
    workers: Vec<SocketAddr>,
    /// Number of pairs of all processes.
    pairs: u32,
    /// Pairs that begin per second, of all processes.
    rate: u32,
    processes: u8,
    /// The number of this process, which has every pair with this remainder.
    process: u8,
}

/// The result of one process, or of all.
#[derive(Debug, Serialize, Deserialize)]
pub struct LoadReport {
    pub latencies: Latencies,
    /// Number of requests.
    pub requests: u64,
    /// Number of sign-ins that were not completed.
    pub lost: u64,
    /// Why the first of them was lost.
    pub first_loss: Option<String>,
    /// Largest number of sign-ins at the same time. The maxima of several processes are added.
    pub at_once: u64,
    /// CPU time of the load.
    pub cpu: Duration,
}

/// Runs all processes of a load, to their end.
pub fn run_processes(workers: &[SocketAddr], pairs: u32, rate: u32) -> Result<LoadReport, String> {
    let processes = u8::try_from(pairs.div_ceil(PAIRS));
    let processes = processes.map_err(|_| format!("{pairs} pairs are too many"))?;
    let plans = (0..processes).map(|process| Plan {
        workers: workers.to_vec(),
        pairs,
        rate,
        processes,
        process,
    });
    let started = plans.map(|plan| start(&plan));
    let started: Vec<_> = started.collect::<Result<_, String>>()?;
    let mut sum = LoadReport::new();
    for (_process, mut output) in started {
        let mut text = String::new();
        let read = output.read_to_string(&mut text);
        read.map_err(|error| format!("the load's report: {error}"))?;
        let report: LoadReport = serde_json::from_str(&text)
            .map_err(|error| format!("the load's report: {error}: {text:?}"))?;
        sum.merge(report);
    }
    Ok(sum)
}

fn start(plan: &Plan) -> Result<(Process, std::io::PipeReader), String> {
    let failed = |error: &dyn std::fmt::Display| format!("a process of the load: {error}");
    let own = std::env::current_exe().map_err(|error| failed(&error))?;
    let plan = serde_json::to_string(plan).map_err(|error| failed(&error))?;
    let (output, input) = std::io::pipe().map_err(|error| failed(&error))?;
    let mut command = Command::new(own);
    command.args([ARGUMENT, &plan]).stdout(input);
    // The command has a copy of the pipe's end, and is dropped here.
    Ok((Process::start("the load", &mut command), output))
}

/// Runs the part of this process, and prints its report.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let [plan] = arguments else {
        return Err(format!("{ARGUMENT} PLAN"));
    };
    let plan: Plan = serde_json::from_str(plan).map_err(|error| format!("the plan: {error}"))?;
    raise_open_files();
    let report = runtime()?.block_on(sign_in_all(&plan));
    let report = serde_json::to_string(&report).map_err(|error| format!("the report: {error}"))?;
    println!("{report}");
    Ok(())
}

impl Plan {
    /// The pairs of this process, in the order of their starts.
    fn pairs(&self) -> impl Iterator<Item = Pair> {
        let numbers = (0..self.pairs)
            .filter(|number| number % u32::from(self.processes) == u32::from(self.process));
        numbers.zip((0..SOURCES).cycle()).map(|(number, source)| {
            // Consecutive pairs begin at consecutive workers, and so do the devices of a pair.
            let worker = |device: usize| {
                let index = usize::try_from(number).unwrap_or(0) + device;
                self.workers[index % self.workers.len()]
            };
            Pair {
                number,
                source: [127, 0, self.process + 1, source + 1].into(),
                workers: [worker(0), worker(1)],
            }
        })
    }

    /// When a pair begins, after the first of all.
    fn begin(&self, number: u32) -> Duration {
        Duration::from_secs(1) * number / self.rate
    }
}

/// What the sign-ins of this process share.
struct Shared {
    latencies: RefCell<Latencies>,
    requests: Rc<Cell<u64>>,
    running: Cell<u64>,
    at_once: Cell<u64>,
}

async fn sign_in_all(plan: &Plan) -> LoadReport {
    let shared = Rc::new(Shared {
        latencies: RefCell::new(Latencies::new()),
        requests: Rc::default(),
        running: Cell::new(0),
        at_once: Cell::new(0),
    });
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for pair in plan.pairs() {
        sleep_until(begun + plan.begin(pair.number)).await;
        tasks.spawn_local(sign_in(pair, Rc::clone(&shared)));
    }
    let mut report = LoadReport::new();
    // Connections stay open until the last sign-in has ended.
    let mut connections = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok(Ok(both)) => connections.push(both),
            Ok(Err(reason)) => report.add_loss(reason),
            Err(panic) => report.add_loss(panic.to_string()),
        }
    }
    report.latencies.merge(&shared.latencies.borrow());
    report.requests = shared.requests.get();
    report.at_once = shared.at_once.get();
    report.cpu = own_cpu();
    report
}

async fn sign_in(pair: Pair, shared: Rc<Shared>) -> Result<[TcpStream; 2], String> {
    shared.running.set(shared.running.get() + 1);
    let at_once = shared.at_once.get().max(shared.running.get());
    shared.at_once.set(at_once);
    let sign_in = pair.sign_in(&shared.latencies, &shared.requests);
    let ended = timeout(SESSION_TTL, sign_in).await;
    shared.running.set(shared.running.get() - 1);
    ended.unwrap_or_else(|_| Err("it outlasted its session".to_owned()))
}

impl LoadReport {
    fn new() -> Self {
        Self {
            latencies: Latencies::new(),
            requests: 0,
            lost: 0,
            first_loss: None,
            at_once: 0,
            cpu: Duration::ZERO,
        }
    }

    fn add_loss(&mut self, reason: String) {
        self.lost += 1;
        self.first_loss.get_or_insert(reason);
    }

    fn merge(&mut self, other: Self) {
        self.latencies.merge(&other.latencies);
        self.requests += other.requests;
        self.lost += other.lost;
        self.first_loss = self.first_loss.take().or(other.first_loss);
        self.at_once += other.at_once;
        self.cpu += other.cpu;
    }
}
