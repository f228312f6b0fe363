//! Runs one scenario: honest sign-ins from its first second to its last, and an attack at the same
//! time.
//!
//! It asserts that the sign-ins complete, that memory stays within its bounds, and that the attack
//! took place. It reports latencies and never asserts them: attackers, workers and Redis share the
//! cores of one machine.

use crate::attacks::{self, AttackContext};
use crate::counters::Counters;
use crate::environment::Environment;
use crate::scenarios::Scenario;
use crate::sign_in_clients::{self, Honest, SignInResults};
use std::sync::Arc;
use std::time::{Duration, Instant};
use testkit::homeserver::HomeserverStub;
use tokio_util::sync::CancellationToken;

/// Maximum memory of a worker, in bytes (docs/threat-model.md): 2,500 connections at 84 KiB, which
/// is what a new connection takes that sends a body slowly and stops before its end, and 50 MiB for
/// everything else.
pub const MAX_WORKER_MEMORY: u64 = 256 << 20;

/// Maximum memory of Redis, in bytes: this much for each session, and 32 MiB for Redis itself, the
/// workers' connections and the clients' shares.
const PER_SESSION: u64 = 7 << 10;
const BESIDE_SESSIONS: u64 = 32 << 20;

/// The result of a scenario.
#[derive(Debug)]
pub struct ScenarioResult {
    /// The scenario.
    pub scenario: &'static Scenario,
    /// The honest sign-ins.
    pub sign_ins: SignInResults,
    /// The attackers' requests.
    pub requests: u64,
    /// The rejected requests among them.
    pub rejected: u64,
    /// Duration of the attack.
    pub duration: Duration,
    /// The larger peak of the workers' resident memory, in bytes.
    pub worker_memory: u64,
    /// The peak of Redis's memory, in bytes.
    pub redis_memory: u64,
    /// The failed assertions.
    pub failures: Vec<String>,
}

/// Maximum memory of Redis in a scenario, in bytes.
pub fn max_redis_memory(scenario: &Scenario) -> u64 {
    u64::from(scenario.settings.max_live) * PER_SESSION + BESIDE_SESSIONS
}

/// Runs a scenario.
///
/// # Errors
/// Returns an error if the attack could not take place. Failed assertions are in the result.
pub fn run_scenario(
    scenario: &'static Scenario,
    homeserver: &HomeserverStub,
) -> Result<ScenarioResult, String> {
    let environment = Environment::start(scenario.settings, homeserver);
    let (counters, stop) = (Arc::new(Counters::default()), CancellationToken::new());
    let workers = environment.addresses();
    let mode = scenario.settings.mode;
    let context = AttackContext::new(workers, mode, Arc::clone(&counters));
    let begun = Instant::now();
    // Attackers and honest devices have a thread each. Otherwise a device would wait for the
    // attackers' tasks and not for the workers.
    let (attack, sign_ins) = std::thread::scope(|scope| {
        let attackers = scope.spawn(|| run_attack(scenario, context, &stop));
        // However this part ends, the attackers must stop: the scope waits for them.
        let stop = stop.drop_guard_ref();
        let sign_ins = crate::runtime().block_on(async {
            tokio::time::sleep(Duration::from_secs(scenario.head_start)).await;
            match scenario.honest {
                Honest::SignIns => sign_in_clients::run_sign_ins(workers, mode).await,
                Honest::Newcomers => sign_in_clients::run_newcomers(workers).await,
            }
        });
        // The attack still runs: connections that are open now were open all the time.
        let failures = check_attack(scenario, &environment, &counters);
        let duration = begun.elapsed();
        drop(stop);
        let ended = attackers.join();
        let ended = ended.unwrap_or_else(|_| Err("the attackers panicked".to_owned()));
        (ended.map(|()| (failures, duration)), sign_ins)
    });
    let (failures, duration) = attack?;
    let mut result = ScenarioResult {
        scenario,
        sign_ins,
        requests: counters.requests(),
        rejected: counters.rejected(),
        duration,
        worker_memory: environment.peak_rss(),
        redis_memory: environment.peak_redis_memory(),
        failures,
    };
    if !environment.is_alive() {
        result.failures.push("a process ended".to_owned());
    }
    result.check();
    Ok(result)
}

/// Runs the attackers until `stop` is cancelled.
fn run_attack(
    scenario: &Scenario,
    context: AttackContext,
    stop: &CancellationToken,
) -> Result<(), String> {
    crate::runtime().block_on(async {
        let attack = async {
            attacks::start(scenario.attack, context).await?;
            stop.cancelled().await;
            Ok(())
        };
        stop.run_until_cancelled(attack).await.unwrap_or(Ok(()))
    })
}

/// Checks that the attack was large enough and reached what it attacks. Otherwise the scenario
/// proves nothing.
fn check_attack(
    scenario: &Scenario,
    environment: &Environment,
    counters: &Counters,
) -> Vec<String> {
    let mut failures = Vec::new();
    let (requests, minimum) = (counters.requests(), scenario.min_requests);
    if requests < minimum {
        failures.push(format!(
            "the attackers sent {requests} requests, expected at least {minimum}"
        ));
    }
    for (series, minimum) in scenario.min_metrics {
        let value = environment.metric(series);
        eprintln!("    {value} {series}");
        if value < *minimum {
            failures.push(format!("{series} is {value}, expected at least {minimum}"));
        }
    }
    failures
}

impl ScenarioResult {
    fn check(&mut self) {
        let (total, completed) = (self.sign_ins.total, self.sign_ins.completed());
        if completed < total {
            let failed = total - completed;
            self.failures
                .push(format!("{failed} of {total} honest sign-ins failed"));
            // The first few; the others repeat them.
            self.failures
                .extend(self.sign_ins.failures.iter().take(5).cloned());
        }
        let sizes = [
            ("a worker", self.worker_memory, MAX_WORKER_MEMORY),
            ("Redis", self.redis_memory, max_redis_memory(self.scenario)),
        ];
        for (process, bytes, maximum) in sizes {
            if bytes > maximum {
                self.failures.push(format!(
                    "{process} used {} MiB, expected at most {}",
                    bytes >> 20,
                    maximum >> 20
                ));
            }
        }
    }
}
