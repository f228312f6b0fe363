//! What the clients of one run have done so far, for the fault, which waits for it, and for the
//! report.

use crate::client::Session;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use testkit::counter::Counter;

/// Bound of every wait for the clients.
const DEADLINE: Duration = Duration::from_secs(45);

/// Time between two checks of a condition.
const CHECK_INTERVAL: Duration = Duration::from_millis(2);

/// The progress of one run. All times are since its start.
#[derive(Debug)]
pub struct Progress {
    /// The start of the run.
    pub start: Instant,
    /// Sign-ins to create at least.
    pub sign_ins: u64,
    /// Whether creations need a token.
    pub requires_tokens: bool,
    /// Requests that were answered, and those that were not.
    pub requests: Counter,
    /// Requests without a usable response.
    pub failed: Counter,
    /// Sign-ins of clients that retry.
    pub with_retries: SignIns,
    /// Sign-ins of clients that retry nothing.
    pub without_retries: SignIns,
    /// Completed sign-ins in the ETag dialect, of both kinds of clients.
    pub completed_with_etag: Counter,
    statuses: Mutex<BTreeMap<String, u64>>,
    refused: Mutex<Vec<RefusedCreation>>,
    failed_probes: Mutex<Vec<Duration>>,
    sessions: Mutex<Vec<Session>>,
    strike: Mutex<Option<Period>>,
    struck_slots: Mutex<Option<BTreeSet<u16>>>,
    idle_released: AtomicBool,
    stopped: AtomicBool,
}

/// When the store was broken, since the start of the run.
#[derive(Debug, Clone, Copy)]
pub struct Period {
    /// The first moment.
    pub begin: Duration,
    /// The moment at which the store was whole again.
    pub end: Duration,
}

impl Period {
    /// Whether this moment is in the period.
    pub fn contains(self, moment: Duration) -> bool {
        self.begin <= moment && moment <= self.end
    }
}

/// A creation that was refused, or got no response. Both times are since the start of the run.
#[derive(Debug, Clone, Copy)]
pub struct RefusedCreation {
    /// When it was sent.
    pub sent: Duration,
    /// When its response arrived, or its connection broke.
    pub answered: Duration,
}

/// Counters of sign-ins.
#[derive(Debug, Default)]
pub struct SignIns {
    /// Sign-ins with a session.
    pub created: Counter,
    /// Completed sign-ins.
    pub completed: Counter,
    /// Why a sign-in with a session did not complete.
    pub lost: Mutex<Vec<String>>,
}

/// Locks, also after a panic in another task, which fails the run by itself.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SignIns {
    /// Sign-ins that have a session and have not ended.
    pub fn under_way(&self) -> u64 {
        let ended = self.completed.get() + lock(&self.lost).len() as u64;
        self.created.get().saturating_sub(ended)
    }
}

impl Progress {
    /// The progress of a run that creates this many sign-ins, each with a token or without.
    pub fn new(sign_ins: u64, requires_tokens: bool) -> Self {
        Self {
            start: Instant::now(),
            sign_ins,
            requires_tokens,
            requests: Counter::default(),
            failed: Counter::default(),
            with_retries: SignIns::default(),
            without_retries: SignIns::default(),
            completed_with_etag: Counter::default(),
            statuses: Mutex::default(),
            refused: Mutex::default(),
            failed_probes: Mutex::default(),
            sessions: Mutex::default(),
            strike: Mutex::default(),
            struck_slots: Mutex::default(),
            idle_released: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
        }
    }

    /// Counters of the clients that retry a poll and a write, or of those that do not.
    pub fn sign_ins_of(&self, retries: bool) -> &SignIns {
        if retries {
            &self.with_retries
        } else {
            &self.without_retries
        }
    }

    /// Counts a response; `None` for a request that got none.
    pub fn record_status(&self, status: Option<u16>) {
        self.requests.add();
        if status.is_none_or(|status| status >= 500) {
            self.failed.add();
        }
        let name = status.map_or("none".to_owned(), |status| status.to_string());
        *lock(&self.statuses).entry(name).or_default() += 1;
    }

    /// How often each status was seen.
    pub fn statuses(&self) -> BTreeMap<String, u64> {
        lock(&self.statuses).clone()
    }

    /// Records a creation that was sent at this time, and is refused now.
    pub fn record_refused(&self, sent: Duration) {
        let answered = self.now();
        lock(&self.refused).push(RefusedCreation { sent, answered });
    }

    /// All refused creations.
    pub fn refused(&self) -> Vec<RefusedCreation> {
        lock(&self.refused).clone()
    }

    /// Records a probe that failed and was sent at this time.
    pub fn record_failed_probe(&self, sent: Duration) {
        lock(&self.failed_probes).push(sent);
    }

    /// When failed probes were sent.
    pub fn failed_probes(&self) -> Vec<Duration> {
        lock(&self.failed_probes).clone()
    }

    /// Adds a session that was created.
    pub fn add_session(&self, session: &Session) {
        lock(&self.sessions).push(session.clone());
    }

    /// All sessions that were created so far, the oldest first.
    pub fn sessions(&self) -> Vec<Session> {
        lock(&self.sessions).clone()
    }

    /// Sign-ins with a session.
    pub fn created(&self) -> u64 {
        self.with_retries.created.get() + self.without_retries.created.get()
    }

    /// Completed sign-ins.
    pub fn completed(&self) -> u64 {
        self.with_retries.completed.get() + self.without_retries.completed.get()
    }

    /// Sign-ins that have a session and have not ended.
    pub fn under_way(&self) -> u64 {
        self.with_retries.under_way() + self.without_retries.under_way()
    }

    /// Time since the start of the run.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Records when the store was broken. The clients then complete their sign-ins and end.
    pub fn record_strike(&self, period: Period) {
        *lock(&self.strike) = Some(period);
        self.release_idle_worker();
    }

    /// When the store was broken, once it is whole again.
    pub fn strike(&self) -> Option<Period> {
        *lock(&self.strike)
    }

    /// Records the slots of the Cluster primary that the fault strikes. Requests on all others are
    /// then expected not to notice.
    pub fn record_struck_slots(&self, slots: impl IntoIterator<Item = u16>) {
        *lock(&self.struck_slots) = Some(slots.into_iter().collect());
    }

    /// The slots of the struck primary, if the fault has named them.
    pub fn struck_slots(&self) -> Option<BTreeSet<u16>> {
        lock(&self.struck_slots).clone()
    }

    /// Sends requests to the worker that had none so far. By default it has none until the fault is
    /// over.
    pub fn release_idle_worker(&self) {
        self.idle_released.store(true, Ordering::SeqCst);
    }

    /// Whether the idle worker gets requests now.
    pub fn is_idle_worker_released(&self) -> bool {
        self.idle_released.load(Ordering::SeqCst)
    }

    /// Makes the clients complete what they do, and begin nothing more.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// Whether the clients must begin nothing more.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Waits until the condition holds. Blocks the thread.
    ///
    /// # Errors
    /// Names the condition if it does not hold within [`DEADLINE`], or if the clients have ended.
    pub fn wait_until(&self, what: &str, condition: impl Fn(&Self) -> bool) -> Result<(), String> {
        let deadline = Instant::now() + DEADLINE;
        while !condition(self) {
            if Instant::now() > deadline || self.is_stopped() {
                return Err(format!("it did not come to this: {what}"));
            }
            std::thread::sleep(CHECK_INTERVAL);
        }
        Ok(())
    }

    /// Waits until a third of the sign-ins has been created, and as many as may be are under way.
    ///
    /// # Errors
    /// As [`Self::wait_until`].
    pub fn wait_for_load(&self) -> Result<(), String> {
        let third = self.sign_ins / 3;
        self.wait_until("a third of the sign-ins are created", |now| {
            now.created() >= third && now.under_way() >= third / 2
        })
    }

    /// Waits until this many more creations were refused.
    ///
    /// # Errors
    /// As [`Self::wait_until`].
    pub fn wait_for_refused(&self, more: usize) -> Result<(), String> {
        let enough = lock(&self.refused).len() + more;
        self.wait_until("creations are refused", |now| {
            lock(&now.refused).len() >= enough
        })
    }

    /// Waits until this many more requests were answered or have failed.
    ///
    /// # Errors
    /// As [`Self::wait_until`].
    pub fn wait_for_requests(&self, more: u64) -> Result<(), String> {
        let enough = self.requests.get() + more;
        self.wait_until("more requests are answered", |now| {
            now.requests.get() >= enough
        })
    }
}
