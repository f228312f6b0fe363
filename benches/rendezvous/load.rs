//! The load generator: N connections in closed loop, each asking as soon as it was answered.
//!
//! For `measure`. Its threads have one single-threaded runtime each, so that nothing is shared while
//! the clock runs. It never waits without end: set-up and round have a deadline each, and a request
//! that misses it is an error.

use crate::client::Client;
use crate::histogram::Histogram;
use crate::payload;
use crate::scenario::{Driver, Scenario};
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Connecting 500 sockets and creating 500 sessions takes some 50 ms; a stuck server must not hold
/// the run.
const SET_UP_DEADLINE: Duration = Duration::from_secs(10);

/// What the last requests of a round may take beyond it: more than the server's own deadline for a
/// store's reply (0.8 s), so that its 503 is seen as such.
const STRAGGLERS: Duration = Duration::from_secs(5);

/// Pause before a broken connection is made again, or a dead server would be asked as fast as the
/// kernel refuses.
const RECONNECT_PAUSE: Duration = Duration::from_millis(10);

/// Creates of one round, at most. At full speed the memory store would otherwise hold a million
/// sessions by the last round; so it is 300 MB.
const MAX_CREATES: u64 = 40_000;

/// One round of one scenario against one server.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Where the server listens.
    pub address: SocketAddr,
    /// What is asked.
    pub scenario: Scenario,
    /// Whether the server answers fixed bytes, so that no session can be created.
    pub fixed: bool,
    /// Connections, each with one request in flight.
    pub connections: usize,
    /// Threads that carry them.
    pub threads: usize,
    /// Load before the clock starts.
    pub warm_up: Duration,
    /// Load while the clock runs.
    pub window: Duration,
}

/// What one round counted.
#[derive(Debug)]
pub struct Tally {
    /// Latencies of the good replies to requests sent inside the window.
    pub latencies: Histogram,
    /// Other replies and broken connections, warm-up included.
    pub errors: u64,
    /// The window, or what it took to reach the bound on creates.
    pub elapsed: Duration,
}

/// A round under way: every connection is open and has its session, and the warm-up has begun.
pub struct Running {
    /// When the clock starts.
    pub start: Instant,
    threads: Vec<JoinHandle<Result<Tally, String>>>,
}

/// Starts a round; returns when its warm-up begins.
pub fn start(plan: Plan) -> Running {
    let threads = plan.threads.min(plan.connections);
    let gate = Arc::new(Barrier::new(threads + 1));
    let budget = match plan.scenario {
        Scenario::Create => MAX_CREATES,
        Scenario::Poll | Scenario::Write | Scenario::Flow => u64::MAX,
    };
    let budget = Arc::new(AtomicU64::new(budget));
    let threads = (0..threads)
        .map(|thread| {
            let share = (plan.connections + thread) / threads;
            let (gate, budget) = (Arc::clone(&gate), Arc::clone(&budget));
            std::thread::spawn(move || carry(plan, share, &gate, budget))
        })
        .collect();
    // Every thread comes here in bounded time, also when its set-up failed.
    gate.wait();
    Running {
        start: Instant::now() + plan.warm_up,
        threads,
    }
}

impl Running {
    /// Waits for the end and adds the threads' counts up.
    pub fn finish(self) -> Result<Tally, String> {
        let mut sum = Tally {
            latencies: Histogram::new(),
            errors: 0,
            elapsed: Duration::ZERO,
        };
        for thread in self.threads {
            let tally = thread
                .join()
                .map_err(|_| "a load thread panicked".to_owned())??;
            sum.latencies.merge(&tally.latencies);
            sum.errors += tally.errors;
            sum.elapsed = sum.elapsed.max(tally.elapsed);
        }
        Ok(sum)
    }
}

fn carry(
    plan: Plan,
    share: usize,
    gate: &Barrier,
    budget: Arc<AtomicU64>,
) -> Result<Tally, String> {
    let ready = runtime().and_then(|runtime| {
        let ends = runtime.block_on(async { timeout(SET_UP_DEADLINE, set_up(plan, share)).await });
        Ok((
            runtime,
            ends.map_err(|_| "set-up took too long".to_owned())??,
        ))
    });
    gate.wait();
    let (runtime, ends) = ready?;
    Ok(runtime.block_on(drive_all(ends, plan, budget)))
}

fn runtime() -> Result<LocalRuntime, String> {
    let built = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default());
    built.map_err(|error| format!("no runtime for the load: {error}"))
}

async fn set_up(plan: Plan, share: usize) -> Result<Vec<(Client, Driver)>, String> {
    let payloads: Rc<[String]> = payload::typical().into();
    let mut ends = Vec::with_capacity(share);
    for _ in 0..share {
        let failed = |error: std::io::Error| format!("set-up: {error}");
        let mut client = Client::connect(plan.address).await.map_err(failed)?;
        let mut driver = Driver::new(plan.scenario, Rc::clone(&payloads));
        if plan.fixed {
            driver.assume_session();
        }
        if driver.needs_session() {
            let reply = client.send(driver.request()).await.map_err(failed)?;
            if !driver.accept(reply) {
                return Err(format!(
                    "set-up: a create was answered with {}",
                    reply.status
                ));
            }
        }
        ends.push((client, driver));
    }
    Ok(ends)
}

/// What the connections of one thread share.
struct Shared {
    start: Instant,
    end: Instant,
    latencies: RefCell<Histogram>,
    errors: Cell<u64>,
    /// Creates that the round may still make; the threads share it.
    budget: Arc<AtomicU64>,
    /// When this thread found the budget used up.
    exhausted: Cell<Option<Instant>>,
}

async fn drive_all(ends: Vec<(Client, Driver)>, plan: Plan, budget: Arc<AtomicU64>) -> Tally {
    let start = Instant::now() + plan.warm_up;
    let shared = Rc::new(Shared {
        start,
        end: start + plan.window,
        latencies: RefCell::new(Histogram::new()),
        errors: Cell::new(0),
        budget,
        exhausted: Cell::new(None),
    });
    let mut tasks = JoinSet::new();
    for (client, driver) in ends {
        tasks.spawn_local(drive(client, driver, plan.address, Rc::clone(&shared)));
    }
    let all = async { while tasks.join_next().await.is_some() {} };
    let late = timeout(plan.warm_up + plan.window + STRAGGLERS, all)
        .await
        .is_err();
    // Each connection that is still waiting owes a reply.
    let owed = if late { tasks.len() as u64 } else { 0 };
    Tally {
        latencies: shared.latencies.borrow().clone(),
        errors: shared.errors.get() + owed,
        elapsed: shared.exhausted.get().map_or(plan.window, |at| at - start),
    }
}

/// One connection's loop. The clock is read once a request: the end of one is the begin of the next.
async fn drive(mut client: Client, mut driver: Driver, address: SocketAddr, shared: Rc<Shared>) {
    let mut begun = Instant::now();
    while begun < shared.end {
        let measured = begun >= shared.start;
        if measured && !shared.may_send(begun) {
            break;
        }
        let good = if let Ok(reply) = client.send(driver.request()).await {
            driver.accept(reply)
        } else {
            driver.restart();
            sleep(RECONNECT_PAUSE).await;
            if let Ok(again) = Client::connect(address).await {
                client = again;
            }
            false
        };
        let now = Instant::now();
        if !good {
            shared.errors.set(shared.errors.get() + 1);
        } else if measured {
            shared.latencies.borrow_mut().record(now - begun);
        }
        begun = now;
    }
}

impl Shared {
    /// Takes one request from the budget; the first refusal of a thread ends its clock.
    fn may_send(&self, now: Instant) -> bool {
        let one_less = |left: u64| left.checked_sub(1);
        let taken = self
            .budget
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
            .is_ok();
        if !taken && self.exhausted.get().is_none() {
            self.exhausted.set(Some(now));
        }
        taken
    }
}
