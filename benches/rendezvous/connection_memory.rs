//! Memory per open connection: the growth of a server's resident memory from 1,000 to 9,000
//! connections, for connections that wait between two polls and for reads that are held.
//!
//! For docs/performance.md ("Memory of a connection"): `cargo bench --bench rendezvous -- --memory`.
//! The difference of two readings excludes what a server needs without connections. Resident memory
//! does not depend on what else the machine does, so the figures hold on a busy one.

mod clients;
mod report;

use crate::load::runtime;
use crate::machine;
use crate::memory::{SETTLE, empty};
use crate::options::Options;
use crate::servers::{self, Server, ServerKind, ServerOptions, Store};
use crate::{REDIS_OPTIONS, scale::usage::count};
use clients::{Clients, Preparation};
use std::time::Duration;
use testkit::redis::RedisServer;
use testkit::redis::launch::require_redis_server;
use tokio::time::{Instant, sleep};

/// Connections at the first reading, and at the second. The largest number is below the server's
/// default `http.max_connections`.
const CONNECTIONS: [u32; 2] = [1000, 9000];

/// Open files that a process needs: the larger number of connections, and some beside them.
const OPEN_FILES: u64 = 9600;

/// Time until every read must be held. The holds last 10 s, and the reading must be in time.
const ALL_HELD: Duration = Duration::from_secs(9);

/// Reads that are sent at a time.
const READS: usize = 500;

/// Pause between two scrapes while not every read is held.
const SCRAPE_PAUSE: Duration = Duration::from_millis(10);

/// What the connections do while the memory is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activity {
    /// Each has had the reply to one poll.
    Idle,
    /// Each has a held read in flight.
    Held,
}

/// A server, its store, and what its connections do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Case {
    kind: ServerKind,
    store: Option<Store>,
    activity: Activity,
}

/// The readings of one process, one for each number of connections.
#[derive(Debug, Clone, Copy)]
struct Round {
    /// Resident memory, in bytes.
    rss: [u64; 2],
    /// The metric `rendezvous_reads_held`, just before; 0 for a baseline.
    held: [u64; 2],
}

/// Measures, and prints the tables. Returns the Redis that was measured, if there was one.
pub fn run(options: &Options) -> Result<Option<RedisServer>, String> {
    match machine::raise_open_files() {
        Some(limit) if limit < OPEN_FILES => {
            return Err(format!(
                "the hard limit of open files is {limit}, and --memory needs {OPEN_FILES}. Raise it"
            ));
        }
        _ => (),
    }
    let stores = options.stores();
    let redis = if stores.contains(&Store::Redis) {
        require_redis_server()?;
        Some(RedisServer::start_with(REDIS_OPTIONS))
    } else {
        None
    };
    let model = servers::model_reply(options.baseline_headers)?;
    let mut results: Vec<_> = cases(&stores)
        .into_iter()
        .map(|case| (case, Vec::new()))
        .collect();
    for round in 1..=options.rounds(false) {
        for (case, rounds) in &mut results {
            eprintln!("round {round}, {}…", case.name());
            rounds.push(case.measure(redis.as_ref(), &model)?);
        }
    }
    report::print(&results);
    Ok(redis)
}

fn cases(stores: &[Store]) -> Vec<Case> {
    let case = |kind, store, activity| Case {
        kind,
        store,
        activity,
    };
    let mut cases = vec![case(ServerKind::Bare, None, Activity::Idle)];
    for store in stores {
        if *store == Store::Redis {
            cases.push(case(ServerKind::Thin, Some(*store), Activity::Idle));
        }
        for activity in [Activity::Idle, Activity::Held] {
            cases.push(case(ServerKind::Ours(None), Some(*store), activity));
        }
    }
    cases
}

impl Case {
    fn name(self) -> String {
        let store = self.store.map_or("no store", Store::name);
        format!("{}, {store}, {:?}", self.kind.name(), self.activity)
    }

    /// Measures one round, with a new process and an empty Redis.
    fn measure(self, redis: Option<&RedisServer>, model: &str) -> Result<Round, String> {
        if let Some(redis) = redis {
            empty(redis);
        }
        let server = self.start(redis, model)?;
        let measured = runtime()?.block_on(self.read_both(&server));
        measured.map_err(|error| format!("{}: {error}", self.name()))
    }

    fn start(self, redis: Option<&RedisServer>, model: &str) -> Result<Server, String> {
        let store = self.store.unwrap_or(Store::Memory);
        if !matches!(self.kind, ServerKind::Ours(_)) {
            let options = ServerOptions {
                store,
                redis,
                limits: false,
                threads: None,
            };
            return Server::start_baseline(self.kind, options, model);
        }
        let url = redis.map(RedisServer::url).unwrap_or_default();
        let mut settings = vec![
            ("limits.enabled", "false"),
            ("msc4108.enabled", "true"),
            ("http.public_base_url", "http://rendezvous.example.org"),
            // The largest values: every session must be written before the first read is held.
            ("msc4108.long_poll.window", "30s"),
            ("msc4108.long_poll.timeout", "10s"),
            ("msc4108.long_poll.max_waiting", "20000"),
            ("store.backend", store.name()),
        ];
        if store == Store::Redis {
            settings.push(("store.redis.url", &url));
        }
        Ok(Server::Ours(servers::start_worker(&settings)))
    }

    async fn read_both(self, server: &Server) -> Result<Round, String> {
        let mut clients = Clients::new(server.address());
        let preparation = match (self.activity, self.kind) {
            (Activity::Held, _) => Preparation::Write,
            (Activity::Idle, ServerKind::Ours(_)) => clients.poll_of_etag_dialect().await?,
            (Activity::Idle, ServerKind::Bare) => Clients::poll_without_session(),
            (Activity::Idle, _) => clients.poll_of_json_dialect().await?,
        };
        let mut round = Round {
            rss: [0; 2],
            held: [0; 2],
        };
        for (index, connections) in CONNECTIONS.into_iter().enumerate() {
            clients.open(connections, &preparation).await?;
            match self.activity {
                Activity::Idle => sleep(SETTLE).await,
                Activity::Held => {
                    // Those of the first reading.
                    clients.end_reads().await?;
                    round.held[index] = hold_all(server, &mut clients).await?;
                }
            }
            round.rss[index] = server.process().rss();
            let open = server.process().open_files();
            if count_of(open) < u64::from(connections) {
                return Err(format!("{open} open files with {connections} connections"));
            }
        }
        Ok(round)
    }
}

/// Sends the read of each connection, and waits until the server holds all. Returns their number.
/// Sends them in parts, so that no call to the store is late: a read that waited is not held.
async fn hold_all(server: &Server, clients: &mut Clients) -> Result<u64, String> {
    let Server::Ours(ours) = server else {
        return Err("a baseline holds no read".to_owned());
    };
    let begun = Instant::now();
    loop {
        let sent = clients.reads_in_flight();
        let held = ours.metrics().value("rendezvous_reads_held");
        if held < count_of(sent) {
            if begun.elapsed() > ALL_HELD {
                return Err(format!(
                    "{held} of {sent} reads are held. The sessions must be written within 30 s before"
                ));
            }
            sleep(SCRAPE_PAUSE).await;
        } else if clients.begin_reads(READS) == 0 {
            return Ok(held);
        }
    }
}

impl Round {
    /// Growth of resident memory, in KB (1,000 bytes) per connection.
    fn per_connection(&self) -> f64 {
        let grown = self.rss[1].saturating_sub(self.rss[0]);
        count(grown) / f64::from(CONNECTIONS[1] - CONNECTIONS[0]) / 1e3
    }
}

fn count_of(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
