//! The soak: one worker on Redis, under honest load and one attack after the other, for a long time.
//!
//! It finds what grows slowly. The attacks run in rounds, and the worker's memory after the last round
//! must be that after the first rounds. Then the load ends, and the worker must release what the load
//! took: connections, descriptors, keys of rate limiters, sessions and leases. Every honest sign-in
//! must complete.

use crate::attacks::{self, Attack, AttackContext};
use crate::counters::Counters;
use crate::environment::{BINARY, Mode};
use crate::sign_in_clients::{self, SignInResults};
use crate::slowloris::SlowSources;
use crate::source_ips::SourceIps;
use std::sync::Arc;
use std::time::{Duration, Instant};
use testkit::homeserver::HomeserverStub;
use testkit::process::free_address;
use testkit::redis::RedisServer;
use testkit::server::Server;
use testkit::until;
use tokio_util::sync::CancellationToken;

/// The attacks of one round. Together they reach every rate limiter, and both dialects. Those that begin
/// with sessions of their own come first: the others use up what their addresses may create.
const ATTACKS: [Attack; 7] = [
    Attack::Poll(64),
    Attack::Write(200),
    Attack::User,
    Attack::Create(SourceIps::One48),
    Attack::Tokens(SourceIps::One48),
    Attack::Guess(SourceIps::Many(2_000)),
    Attack::Slow(250, SlowSources::Each),
];

/// Length of a round in a long soak.
const ROUND: Duration = Duration::from_mins(5);

/// Minimum number of rounds: half of them to warm up, half to compare.
const MIN_ROUNDS: u32 = 4;

/// `session.ttl`: longer than an honest sign-in, and short enough for many generations.
const TTL: &str = "30s";

/// Upper bound of the time in which the worker and Redis release what the load took. Sessions live for
/// 30 s, the rates below forget a key within 40 s and a sweep of 10 s, pooled connections to the homeserver
/// are closed after 45 s, and a set of leases expires up to a minute after its last lease
/// (`add_lease.lua`).
const RELEASE: Duration = Duration::from_mins(2);

/// Time between two checks of what is not released yet.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// Memory that an allocator may keep, in bytes, beside an eighth of the total.
const ALLOCATOR_SLACK: u64 = 6 << 20;

/// The processes of the soak.
struct Soak {
    redis: RedisServer,
    worker: Server,
    counters: Arc<Counters>,
    /// Cancelled when the attacks have ended.
    stop: CancellationToken,
}

/// What the worker holds at one moment.
#[derive(Debug, PartialEq, Eq)]
struct Sample {
    /// Resident memory, in bytes.
    memory: u64,
    held: Held,
}

/// What the worker releases without load.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    connections: u64,
    descriptors: usize,
    limiter_keys: u64,
    /// Keys in Redis of sessions, leases and rates.
    redis_keys: usize,
}

/// Runs the soak with this much load. Returns the failed assertions.
///
/// # Errors
/// Returns an error if an attack could not take place.
pub fn run(load: Duration, homeserver: &HomeserverStub) -> Result<Vec<String>, String> {
    let soak = Soak::start(homeserver);
    let idle = soak.held();
    let (samples, sign_ins) = std::thread::scope(|scope| {
        let sign_ins = scope.spawn(|| soak.sign_in_repeatedly());
        // However the attacks end, the honest clients must stop: the scope waits for them.
        let stop = soak.stop.drop_guard_ref();
        let samples = soak.run_rounds(load);
        drop(stop);
        let sign_ins = sign_ins.join();
        let sign_ins = sign_ins.map_err(|_| "the honest clients panicked".to_owned());
        Ok::<_, String>((samples?, sign_ins?))
    })?;
    print_table(&samples);
    let (requests, total) = (soak.counters.requests(), sign_ins.total);
    println!("{requests} requests of attackers, {total} honest sign-ins");
    let mut failures = sign_ins.failures;
    failures.truncate(10);
    failures.extend(memory_growth(&samples));
    failures.extend(soak.not_released(&idle));
    Ok(failures)
}

impl Soak {
    fn start(homeserver: &HomeserverStub) -> Self {
        let redis = RedisServer::start();
        let settings = [
            ("http.trusted_proxies", "127.0.0.1/32"),
            ("store.backend", "redis"),
            ("store.redis.url", &redis.url()),
            ("session.ttl", TTL),
            ("mode", "open"),
            ("msc4108.enabled", "true"),
            ("http.public_base_url", "https://matrix.example.org"),
            ("auth.homeserver_url", &homeserver.url()),
            // The defaults need 100 s to forget a user, and allow 10 sessions: a short round has less time.
            ("limits.create.user.per_second", "1"),
            ("limits.live.user", "100"),
            ("telemetry.access_log", "false"),
            ("telemetry.log_level", "error"),
        ];
        let worker = BINARY.launch_at([free_address(), free_address()], &[], &settings);
        until("the worker is ready", || worker.is_ready());
        Self {
            redis,
            worker,
            counters: Arc::default(),
            stop: CancellationToken::new(),
        }
    }

    /// Runs honest sign-ins until the attacks have ended.
    fn sign_in_repeatedly(&self) -> SignInResults {
        let mut all = SignInResults::default();
        while !self.stop.is_cancelled() {
            let workers = [self.worker.http; 2];
            let round = sign_in_clients::run_sign_ins(workers, Mode::Open);
            let round = crate::runtime().block_on(round);
            all.total += round.total;
            all.failures.extend(round.failures);
        }
        all
    }

    /// Runs the attacks in rounds, for this long together. Returns a sample for each round.
    fn run_rounds(&self, load: Duration) -> Result<Vec<Sample>, String> {
        let rounds = u32::try_from(load.as_secs() / ROUND.as_secs()).unwrap_or(u32::MAX);
        let rounds = rounds.max(MIN_ROUNDS);
        let attacks = u32::try_from(ATTACKS.len()).unwrap_or(u32::MAX);
        let time = load / rounds / attacks;
        let round = |_| {
            for attack in ATTACKS {
                self.attack(attack, time)?;
            }
            Ok(self.sample())
        };
        (0..rounds).map(round).collect()
    }

    /// Runs one attack for this long.
    fn attack(&self, attack: Attack, time: Duration) -> Result<(), String> {
        let before = self.counters.requests();
        let workers = [self.worker.http; 2];
        let context = AttackContext::new(workers, Mode::Open, Arc::clone(&self.counters));
        // The attackers' tasks end with the runtime.
        crate::runtime().block_on(async {
            let started = attacks::start(attack, context).await;
            started.map_err(|failure| format!("{attack:?}: {failure}"))?;
            tokio::time::sleep(time).await;
            Ok::<_, String>(())
        })?;
        if self.counters.requests() == before {
            return Err(format!("{attack:?} sent no request"));
        }
        Ok(())
    }

    fn sample(&self) -> Sample {
        Sample {
            memory: self.worker.process().rss(),
            held: self.held(),
        }
    }

    fn held(&self) -> Held {
        let metrics = self.worker.metrics();
        Held {
            connections: metrics.sum("rendezvous_connections", &[]),
            descriptors: self.worker.process().open_files(),
            limiter_keys: metrics.sum("rendezvous_limiter_keys", &[]),
            redis_keys: ["mrv:s:*", "mrv:{lease}*"]
                .map(|pattern| self.redis.command(&["KEYS", pattern]).texts().len())
                .iter()
                .sum(),
        }
    }

    /// What the worker does not release, within [`RELEASE`], down to what it held before the load.
    fn not_released(&self, idle: &Held) -> Option<String> {
        let begin = Instant::now();
        loop {
            let held = self.held();
            if held.is_at_most(idle) {
                println!(
                    "released after {:.0} s: {held:?}",
                    begin.elapsed().as_secs_f64()
                );
                return None;
            }
            if begin.elapsed() > RELEASE {
                return Some(format!("not released: {held:?}, before the load: {idle:?}"));
            }
            std::thread::sleep(CHECK_INTERVAL);
        }
    }
}

impl Held {
    fn is_at_most(&self, idle: &Self) -> bool {
        self.connections <= idle.connections
            && self.descriptors <= idle.descriptors
            && self.limiter_keys <= idle.limiter_keys
            && self.redis_keys <= idle.redis_keys
    }
}

/// Compares the memory after the last round with the largest of the first half of the rounds.
fn memory_growth(samples: &[Sample]) -> Option<String> {
    let memory: Vec<_> = samples.iter().map(|sample| sample.memory).collect();
    let (early, late) = memory.split_at(memory.len() / 2);
    let (early, last) = (early.iter().max()?, late.last()?);
    let maximum = early + early / 8 + ALLOCATOR_SLACK;
    (*last > maximum).then(|| {
        let [early, last] = [early, last].map(|bytes| bytes >> 20);
        format!("the worker grew from {early} MiB in the first rounds to {last} MiB in the last")
    })
}

fn print_table(samples: &[Sample]) {
    println!("| round | worker MiB | connections | descriptors | limiter keys | Redis keys |");
    println!("|--:|--:|--:|--:|--:|--:|");
    for (round, Sample { memory, held }) in samples.iter().enumerate() {
        let columns = [
            (round + 1).to_string(),
            (memory >> 20).to_string(),
            held.connections.to_string(),
            held.descriptors.to_string(),
            held.limiter_keys.to_string(),
            held.redis_keys.to_string(),
        ];
        println!("| {} |", columns.join(" | "));
    }
}
