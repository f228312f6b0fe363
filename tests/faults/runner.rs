//! Runs one fault: sign-ins, raced sessions and probes from before it until after it, and then the
//! check of every history.

use crate::catalogue::{BreakableStore, Fault};
use crate::fleet::Fleet;
use crate::leases::{self, LeaseComparison};
use crate::other_slots::OtherSlots;
use crate::progress::{Period, Progress};
use crate::setup::Setup;
use crate::verdict::{Verdict, first_few, judge};
use crate::{probes, races, sign_ins};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;

/// How long the clients may need after the fault: longer than they retry a request, and then a
/// sign-in.
const DEADLINE: Duration = Duration::from_mins(1);

/// How much load there is.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Sign-ins to create at least.
    pub sign_ins: u64,
    /// Pairs of devices that sign in at the same time.
    pub pairs: usize,
    /// Sessions that are raced at the same time.
    pub races: usize,
}

/// The result of a fault.
pub struct FaultResult {
    /// The fault.
    pub fault: Fault,
    /// What the clients did.
    pub progress: Arc<Progress>,
    /// When the store was broken; `None` if it could not be broken or repaired.
    pub period: Option<Period>,
    /// What the histories show.
    pub verdict: Verdict,
    /// Requests on slots that the fault did not strike; `None` if it strikes no single primary.
    pub other_slots: Option<OtherSlots>,
    /// Leases and sessions that were left; `None` if the store could not be broken or repaired.
    pub leases: Option<LeaseComparison>,
    /// Number of sessions that were created.
    pub sessions: usize,
    /// The failed assertions.
    pub failures: Vec<String>,
}

/// Runs a fault.
pub fn run_fault(runtime: &Runtime, setup: &Setup, fault: Fault, load: Load) -> FaultResult {
    let store = (fault.start)(setup);
    let settings = [store.settings(), setup.worker_settings()].concat();
    let fleet = Fleet::start(&store.url(), fault.has_limits, &settings);
    let progress = Arc::new(Progress::new(load.sign_ins, setup.requires_tokens()));
    let (store, mut failures) = runtime.block_on(run_load(load, store, &fleet, &progress));
    for log in fleet.ended() {
        failures.push(format!("a worker ended:\n{log}"));
    }
    let period = progress.strike();
    let leases = store
        .as_deref()
        .zip(period)
        .map(|(store, period)| leases::compare(store.nodes(), &fault, period, &progress));
    if let Some(leases) = &leases {
        failures.extend(first_few(leases.failures.clone()));
    }
    let logs = fleet.logs();
    drop((fleet, store));
    let sessions = progress.sessions();
    let (verdict, wrong) = judge(fault, &sessions, period);
    failures.extend(wrong);
    let struck = progress.struck_slots().zip(period);
    let other_slots = struck.map(|(slots, period)| OtherSlots::measure(&sessions, &slots, period));
    let mut result = FaultResult {
        fault,
        progress,
        period,
        verdict,
        other_slots,
        leases,
        sessions: sessions.len(),
        failures,
    };
    result.check_sign_ins();
    if !result.failures.is_empty() {
        for log in &logs {
            eprintln!("{log}---");
        }
    }
    result
}

/// Runs the clients and the fault. Returns the store and what went wrong.
async fn run_load(
    load: Load,
    mut store: Box<dyn BreakableStore>,
    fleet: &Fleet,
    progress: &Arc<Progress>,
) -> (Option<Box<dyn BreakableStore>>, Vec<String>) {
    let workers = fleet.addresses();
    let (mut clients, mut probing, mut failures) = (JoinSet::new(), JoinSet::new(), Vec::new());
    for number in 0..load.pairs {
        clients.spawn(sign_ins::run_pair(
            number,
            Arc::clone(progress),
            workers.clone(),
        ));
    }
    for number in 0..load.races {
        clients.spawn(races::run_place(
            number,
            Arc::clone(progress),
            workers.clone(),
        ));
    }
    for (number, worker) in workers.iter().enumerate() {
        probing.spawn(probes::run_probes(number, Arc::clone(progress), *worker));
    }
    probing.spawn(probes::read_by_idle_worker(
        Arc::clone(progress),
        fleet.idle(),
    ));
    let seen = Arc::clone(progress);
    let strike = spawn_blocking(move || {
        let result = store.strike(&seen);
        (store, result)
    });
    let store = match strike.await {
        Ok((store, Ok(period))) => {
            progress.record_strike(period);
            Some(store)
        }
        Ok((store, Err(failure))) => {
            failures.push(failure);
            progress.stop();
            Some(store)
        }
        Err(panic) => {
            failures.push(format!("the fault: {panic}"));
            progress.stop();
            None
        }
    };
    let ended = timeout(DEADLINE, async {
        while let Some(ended) = clients.join_next().await {
            if let Err(panic) = ended {
                failures.push(format!("a client: {panic}"));
            }
        }
    });
    if ended.await.is_err() {
        let left = clients.len();
        failures.push(format!(
            "{left} clients did not complete within {DEADLINE:?} after the fault"
        ));
    }
    failures.extend(store.as_ref().and_then(|store| store.disturbance()));
    progress.stop();
    // A call that is cut has an unknown outcome.
    clients.shutdown().await;
    probing.shutdown().await;
    (store, failures)
}
