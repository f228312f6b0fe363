//! Raced sessions: four clients of both dialects read, write, retry and delete the same session at
//! the same moments, through different workers.

use crate::client::{Client, RETRY_PAUSE, Session};
use crate::progress::Progress;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use testkit::dialect::Dialect;
use testkit::history::{Operation, Outcome};
use testkit::random::Random;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// Clients of a session.
const CLIENTS: usize = 4;

/// All clients of a session send a request at each tick, so that their requests overlap.
const TICK: Duration = Duration::from_millis(300);

/// Ticks of a session: about five seconds.
const TICKS: u32 = 16;

/// The first tick at which a client may delete the session.
const FIRST_DELETE: u32 = 8;

/// Retries of a request of unknown outcome before the client gives up.
const RETRIES: u64 = 5;

/// Races one session after the other, until one of them began after the fault. Each place has its
/// own number.
pub async fn run_place(number: usize, progress: Arc<Progress>, workers: Vec<SocketAddr>) {
    sleep(Duration::from_millis(number as u64 * 25)).await;
    let mut begun_after_the_fault = false;
    for attempt in 0_u64.. {
        if progress.is_stopped() || begun_after_the_fault {
            return;
        }
        let is_over = progress.strike().is_some();
        let name = format!("raced session {number}/{attempt}");
        let client = |index: usize| {
            let dialect = if (number + index).is_multiple_of(2) {
                Dialect::Etag
            } else {
                Dialect::Json
            };
            let name = format!("client {index}");
            Client::new(name, dialect, &progress, &workers, number + index)
        };
        let Some(session) = client(0).create(&name, "first").await else {
            sleep(RETRY_PAUSE).await;
            continue;
        };
        begun_after_the_fault = is_over;
        let (start, mut racers) = (Instant::now(), JoinSet::new());
        for index in 0..CLIENTS {
            let seed = (number as u64) << 32 | attempt << 8 | index as u64;
            let racer = Racer {
                client: client(index),
                session: session.clone(),
                random: Random::new(seed),
                tokens: vec![session.token.clone()],
                index,
                writes: 0,
            };
            racers.spawn(racer.run(start));
        }
        // A panic of a racer panics here.
        racers.join_all().await;
    }
}

struct Racer {
    client: Client,
    session: Session,
    random: Random,
    /// The tokens that it has seen, the newest last.
    tokens: Vec<String>,
    index: usize,
    writes: u64,
}

impl Racer {
    async fn run(mut self, start: Instant) {
        let mut ticks_left_when_gone = 2;
        for tick in 1..=TICKS {
            sleep_until(start + TICK * tick).await;
            let operation = self.choose(tick);
            let outcome = self.call(&operation).await;
            if matches!(outcome, Outcome::Gone | Outcome::Deleted) {
                // What is gone must stay gone.
                if ticks_left_when_gone == 0 {
                    return;
                }
                ticks_left_when_gone -= 1;
            }
            // Its response may have been lost on the way.
            if matches!(outcome, Outcome::Written { .. }) && self.random.percent(15) {
                self.call(&operation).await;
            }
        }
        self.call(&Operation::Delete).await;
    }

    fn choose(&mut self, tick: u32) -> Operation {
        let newest = self.tokens.len() - 1;
        match self.random.below(100) {
            0..35 => Operation::Read {
                known: (self.client.dialect == Dialect::Etag && self.random.percent(50))
                    .then(|| self.tokens[newest].clone()),
            },
            35..40 if tick >= FIRST_DELETE => Operation::Delete,
            _ => {
                // One in ten writes over an older token.
                let back = if self.random.percent(10) { 2 } else { 0 };
                let (index, number) = (self.index, self.writes);
                self.writes += 1;
                let has_txn = self.client.dialect != Dialect::Etag && self.random.percent(40);
                Operation::Write {
                    compare: self.tokens[newest.saturating_sub(back)].clone(),
                    data: if self.random.percent(10) {
                        "the same".to_owned()
                    } else {
                        format!("write {number} of client {index}")
                    },
                    txn: has_txn.then(|| format!("{index}.{number}")),
                }
            }
        }
    }

    /// Sends a request. In most cases it retries one of unknown outcome.
    async fn call(&mut self, operation: &Operation) -> Outcome {
        let retries = if self.random.percent(70) { RETRIES } else { 0 };
        let mut outcome = Outcome::Unknown;
        for _ in 0..=retries {
            outcome = self.client.call(&self.session, operation.clone()).await;
            if outcome != Outcome::Unknown {
                break;
            }
            sleep(RETRY_PAUSE).await;
        }
        let seen = match &outcome {
            Outcome::Found { token, .. } | Outcome::Written { token } => Some(token),
            Outcome::Conflict { current } => current.as_ref(),
            _ => None,
        };
        self.tokens.extend(seen.cloned());
        outcome
    }
}
