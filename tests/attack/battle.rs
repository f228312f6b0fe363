//! One scenario, fought out: honest sign-ins from the first second to the last, an attack beside them, and what
//! must hold.
//!
//! Asserted are sign-ins, memory, and that the attack was one. Latencies are reported and never judged: attackers,
//! workers and Redis share the cores of one machine.

use crate::attacks::{self, Siege};
use crate::field::Field;
use crate::homeserver::Homeserver;
use crate::honest::{self, Crowd};
use crate::scenarios::Scenario;
use crate::tally::Tally;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The most memory of a worker, in bytes (docs/threat-model.md): 2,500 connections at 84 KiB, what one takes that
/// sends a body slowly and stops before its end, and 50 MiB for all else.
pub const WORKER_BOUND: u64 = 256 << 20;

/// The most memory of Redis: what a session takes at most, and 32 MiB for itself, the workers' connections and
/// the clients' shares.
const PER_SESSION: u64 = 7 << 10;
const BESIDE_SESSIONS: u64 = 32 << 20;

/// What came of a scenario.
#[derive(Debug)]
pub struct Outcome {
    /// Which one.
    pub scenario: &'static Scenario,
    /// The honest.
    pub honest: Crowd,
    /// The attackers' requests, and how many of them were refused.
    pub asked: u64,
    /// Those refused.
    pub refused: u64,
    /// How long the attack went on.
    pub attacked: Duration,
    /// The most resident memory of either worker, in bytes.
    pub rss: u64,
    /// The most memory of Redis, in bytes.
    pub redis: u64,
    /// What did not hold.
    pub faults: Vec<String>,
}

/// What Redis may take at most in a scenario, in bytes.
pub fn redis_bound(scenario: &Scenario) -> u64 {
    u64::from(scenario.settings.max_live) * PER_SESSION + BESIDE_SESSIONS
}

/// Fights it out. An error means that there was no battle.
pub fn fight(scenario: &'static Scenario, homeserver: &Homeserver) -> Result<Outcome, String> {
    let mut field = Field::start(scenario.settings, homeserver)?;
    let (tally, over) = (Arc::new(Tally::default()), CancellationToken::new());
    let siege = Siege::of(
        field.addresses(),
        scenario.settings.mode,
        Arc::clone(&tally),
    );
    let began = Instant::now();
    // Attackers and honest devices each have a thread of their own, or a device would wait for the attackers'
    // turns and not for the workers.
    let (attackers, honest) = std::thread::scope(|scope| {
        let attackers = scope.spawn(|| besiege(scenario, siege, &over));
        let honest = crate::runtime().map(|runtime| {
            runtime.block_on(async {
                tokio::time::sleep(Duration::from_secs(scenario.head_start)).await;
                honest::crowd(field.addresses(), scenario.settings.mode).await
            })
        });
        // The attack still goes on: connections that are open now were open all the time.
        let faults = faults_of_attack(scenario, &field, &tally);
        let attacked = began.elapsed();
        over.cancel();
        let ended = attackers
            .join()
            .map_err(|_| "the attackers panicked".to_owned());
        (
            ended.and_then(|ended| ended).map(|()| (faults, attacked)),
            honest,
        )
    });
    let (faults, attacked) = attackers?;
    let mut outcome = Outcome {
        scenario,
        honest: honest?,
        asked: tally.asked(),
        refused: tally.refused(),
        attacked,
        rss: field.peak_rss()?,
        redis: field.peak_redis()?,
        faults: faults?,
    };
    if !field.stands() {
        outcome.faults.push("a process ended".to_owned());
    }
    outcome.judge();
    Ok(outcome)
}

/// Runs the attackers until it is over.
fn besiege(scenario: &Scenario, siege: Siege, over: &CancellationToken) -> Result<(), String> {
    crate::runtime()?.block_on(async {
        let attack = async {
            attacks::run(scenario.attack, siege).await?;
            over.cancelled().await;
            Ok(())
        };
        over.run_until_cancelled(attack).await.unwrap_or(Ok(()))
    })
}

/// An attack that was none proves nothing.
fn faults_of_attack(
    scenario: &Scenario,
    field: &Field,
    tally: &Tally,
) -> Result<Vec<String>, String> {
    let mut faults = Vec::new();
    let asked = tally.asked();
    if asked < scenario.least {
        faults.push(format!(
            "the attackers asked {asked} times, not {}",
            scenario.least
        ));
    }
    for (series, least) in scenario.counted {
        let counted = field.counted(series)?;
        eprintln!("    {counted} {series}");
        if counted < *least {
            faults.push(format!("{series} is {counted}, not {least}"));
        }
    }
    Ok(faults)
}

impl Outcome {
    fn judge(&mut self) {
        let (all, completed) = (self.honest.all, self.honest.completed());
        if completed < all {
            self.faults.push(format!(
                "{} of {all} honest sign-ins failed",
                all - completed
            ));
            // The first few; after that they are the same again.
            self.faults
                .extend(self.honest.failures.iter().take(5).cloned());
        }
        let sizes = [
            ("a worker", self.rss, WORKER_BOUND),
            ("Redis", self.redis, redis_bound(self.scenario)),
        ];
        for (what, bytes, bound) in sizes {
            if bytes > bound {
                self.faults.push(format!(
                    "{what} took {} MiB, more than {}",
                    bytes >> 20,
                    bound >> 20
                ));
            }
        }
    }
}
