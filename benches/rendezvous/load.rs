//! The load generator: connections in a closed loop. Each sends its next request when it has a
//! reply.
//!
//! Each thread has a single-threaded runtime, so that the threads share nothing while the clock
//! runs. Set-up and round have a deadline each. A request that misses it is an error.

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
use testkit::keep_alive::KeepAliveClient;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Connecting 500 sockets and creating 500 sessions takes some 50 ms. A server that hangs must not
/// stop the run.
const SET_UP_DEADLINE: Duration = Duration::from_secs(10);

/// How long the last requests of a round may take after its end. It is longer than the server's own
/// deadline for a reply of the store (0.8 s), so that its 503 arrives.
const STRAGGLERS: Duration = Duration::from_secs(5);

/// Time before a broken connection is opened again. Without it, a dead server would get connections
/// as fast as the kernel refuses them.
const RECONNECT_PAUSE: Duration = Duration::from_millis(10);

/// Maximum of creates in one round. At full speed the memory store would otherwise have a million
/// sessions by the last round. With this maximum it takes 300 MB.
const MAX_CREATES: u64 = 40_000;

/// One round of one scenario.
#[derive(Debug, Clone)]
pub struct LoadPlan {
    /// The addresses of the servers. Connections are spread over them.
    pub addresses: Arc<[SocketAddr]>,
    /// The requests.
    pub scenario: Scenario,
    /// Whether the server sends fixed bytes and creates no sessions.
    pub fixed: bool,
    /// Number of connections, each with one request in flight.
    pub connections: usize,
    /// Number of threads for them.
    pub threads: usize,
    /// Duration of the load before the clock starts.
    pub warm_up: Duration,
    /// Duration of the load while the clock runs.
    pub window: Duration,
}

/// The result of one round.
#[derive(Debug)]
pub struct LoadResult {
    /// Latencies of the good replies to requests sent inside the window.
    pub latencies: Histogram,
    /// Number of other replies and of broken connections, warm-up included.
    pub errors: u64,
    /// Duration of the window, or the time until the maximum of creates.
    pub elapsed: Duration,
}

/// A running round: every connection is open and has its session, and the warm-up has begun.
pub struct RunningLoad {
    /// When the clock starts.
    pub start: Instant,
    threads: Vec<JoinHandle<Result<LoadResult, String>>>,
}

/// Starts a round. Returns when its warm-up begins.
pub fn start(plan: &LoadPlan) -> RunningLoad {
    let threads = plan.threads.min(plan.connections);
    let gate = Arc::new(Barrier::new(threads + 1));
    let budget = match plan.scenario {
        Scenario::Create => MAX_CREATES,
        Scenario::Poll
        | Scenario::Unchanged
        | Scenario::Write
        | Scenario::Flow
        | Scenario::Delete => u64::MAX,
    };
    let budget = Arc::new(AtomicU64::new(budget));
    let threads = (0..threads)
        .map(|thread| {
            let share = (plan.connections + thread) / threads;
            let (gate, budget) = (Arc::clone(&gate), Arc::clone(&budget));
            let plan = plan.clone();
            std::thread::spawn(move || run_thread(&plan, share, &gate, budget))
        })
        .collect();
    // Every thread reaches the gate in bounded time, even if its set-up failed.
    gate.wait();
    RunningLoad {
        start: Instant::now() + plan.warm_up,
        threads,
    }
}

impl RunningLoad {
    /// Waits for the end of the round, and adds up the results of the threads.
    pub fn finish(self) -> Result<LoadResult, String> {
        let mut sum = LoadResult {
            latencies: Histogram::new(),
            errors: 0,
            elapsed: Duration::ZERO,
        };
        for thread in self.threads {
            let result = thread
                .join()
                .map_err(|_| "a load thread panicked".to_owned())??;
            sum.latencies.merge(&result.latencies);
            sum.errors += result.errors;
            sum.elapsed = sum.elapsed.max(result.elapsed);
        }
        Ok(sum)
    }
}

fn run_thread(
    plan: &LoadPlan,
    share: usize,
    gate: &Barrier,
    budget: Arc<AtomicU64>,
) -> Result<LoadResult, String> {
    let ready = runtime().and_then(|runtime| {
        let clients =
            runtime.block_on(async { timeout(SET_UP_DEADLINE, set_up(plan, share)).await });
        Ok((
            runtime,
            clients.map_err(|_| "set-up took too long".to_owned())??,
        ))
    });
    gate.wait();
    let (runtime, clients) = ready?;
    Ok(runtime.block_on(drive_all(clients, plan, budget)))
}

/// A runtime on this thread.
pub fn runtime() -> Result<LocalRuntime, String> {
    let built = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default());
    built.map_err(|error| format!("no runtime for the load: {error}"))
}

/// The connections of one thread.
type Clients = Vec<(SocketAddr, KeepAliveClient, Driver)>;

async fn set_up(plan: &LoadPlan, share: usize) -> Result<Clients, String> {
    let payloads: Rc<[String]> = payload::typical().into();
    let mut clients = Vec::with_capacity(share);
    for address in plan.addresses.iter().cycle().take(share) {
        let failed = |error: std::io::Error| format!("set-up: {error}");
        let mut client = KeepAliveClient::connect(*address).await.map_err(failed)?;
        let mut driver = Driver::new(plan.scenario, Rc::clone(&payloads));
        if plan.fixed {
            driver.assume_session();
        }
        if driver.needs_session() {
            let reply = client.send(driver.request()).await.map_err(failed)?;
            if !driver.accept(reply) {
                return Err(format!(
                    "set-up: the status of a create is {}",
                    reply.status
                ));
            }
        }
        clients.push((*address, client, driver));
    }
    Ok(clients)
}

/// State that the connections of one thread share.
struct Shared {
    start: Instant,
    end: Instant,
    latencies: RefCell<Histogram>,
    errors: Cell<u64>,
    /// Creates that are left in the round. The threads share it.
    budget: Arc<AtomicU64>,
    /// When this thread found no creates left.
    exhausted: Cell<Option<Instant>>,
}

async fn drive_all(clients: Clients, plan: &LoadPlan, budget: Arc<AtomicU64>) -> LoadResult {
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
    for (address, client, driver) in clients {
        tasks.spawn_local(drive(client, driver, address, Rc::clone(&shared)));
    }
    let all = async { while tasks.join_next().await.is_some() {} };
    let late = timeout(plan.warm_up + plan.window + STRAGGLERS, all)
        .await
        .is_err();
    // Each connection that still waits has a reply missing.
    let missing = if late { tasks.len() as u64 } else { 0 };
    LoadResult {
        latencies: shared.latencies.borrow().clone(),
        errors: shared.errors.get() + missing,
        elapsed: shared.exhausted.get().map_or(plan.window, |at| at - start),
    }
}

/// The loop of one connection. It reads the clock once per request: the end of one is the start of
/// the next.
async fn drive(
    mut client: KeepAliveClient,
    mut driver: Driver,
    address: SocketAddr,
    shared: Rc<Shared>,
) {
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
            if let Ok(again) = KeepAliveClient::connect(address).await {
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
    /// Takes one request from the budget. When none is left, the clock of this thread ends.
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
