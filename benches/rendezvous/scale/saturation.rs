//! The rate of creations at which one Redis saturates: of the scripts alone, and through workers.
//!
//! In a Cluster every creation needs the node with the slot of the leases, so that node is the limit
//! of all. On a standalone Redis one script creates lease and session.

use super::bare::{BareCall, NEW_SESSIONS, Pipelines, SessionSet};
use super::evalsha::{EvalSha, capture};
use super::scripts::{capture_create, delete};
use super::worker_load::{WORKERS, WorkerLoad};
use crate::options::Options;
use crate::runner::median;
use crate::scenario::Scenario;
use crate::{REDIS_OPTIONS, memory, payload, servers};
use testkit::redis::RedisServer;
use testkit::redis::cluster::{Cluster, ClusterConfig};
use testkit::server::Server;

/// The key of the index of leases.
const INDEX: &str = "mrv:{lease}:live";

/// The letter of the principal that is a client's address.
const CLIENT: char = 'c';

/// Pipelines of redis-benchmark, from an idle Redis to one that does nothing but run scripts.
const PIPELINES: [Pipelines; 4] = [
    Pipelines {
        connections: 1,
        depth: 1,
    },
    Pipelines {
        connections: 3,
        depth: 1,
    },
    Pipelines {
        connections: 3,
        depth: 8,
    },
    Pipelines {
        connections: 3,
        depth: 32,
    },
];

/// Connections of the load through workers.
const CONNECTIONS: [usize; 2] = [48, 480];

/// Calls of one run of redis-benchmark, and leases that a release finds.
const CALLS: u32 = 20_000;

/// One script at one depth of pipelines.
#[derive(Debug)]
pub struct BareRow {
    pub what: &'static str,
    pub pipelines: Pipelines,
    /// Calls a second.
    pub rate: f64,
    /// CPU time of Redis per call, in microseconds.
    pub per_call: f64,
    /// CPU time of Redis per second of the run.
    pub cores: f64,
    /// 99th percentile of the latency, in milliseconds.
    pub p99: f64,
}

/// Creations through workers.
#[derive(Debug)]
pub struct ThroughRow {
    pub topology: &'static str,
    pub workers: usize,
    pub connections: usize,
    /// Creations a second.
    pub rate: f64,
    /// CPU time of the node with the leases per creation, in microseconds.
    pub lease_node: f64,
    /// CPU time of all nodes per creation, in microseconds.
    pub all_nodes: f64,
    /// CPU time of the workers per creation, in microseconds.
    pub worker: f64,
    /// Creations that failed, of all rounds.
    pub errors: u64,
}

/// The topologies to measure.
#[derive(Debug)]
pub struct Topologies<'a> {
    standalone: &'a RedisServer,
    cluster: Cluster,
}

impl<'a> Topologies<'a> {
    /// Starts a Cluster beside this standalone Redis.
    pub fn start(standalone: &'a RedisServer) -> Self {
        let cluster = Cluster::start(&ClusterConfig {
            options: REDIS_OPTIONS,
            ..ClusterConfig::steady()
        });
        Self {
            standalone,
            cluster,
        }
    }

    /// The nodes of the Cluster, the one with the leases first.
    fn nodes(&self) -> Vec<&RedisServer> {
        let owner = self.cluster.owner_of_key(INDEX);
        let mut nodes: Vec<_> = self.cluster.nodes.iter().collect();
        nodes.swap(0, owner);
        nodes
    }

    /// Measures the scripts alone.
    pub fn measure_bare(&self, options: &Options) -> Result<Vec<BareRow>, String> {
        let lease_node = self.nodes()[0];
        let mut rows = Vec::new();
        for limits in ["false", "true"] {
            let standalone = start_workers(&self.standalone.url(), limits, 1).remove(0);
            let clustered = start_workers(&self.cluster.url(), limits, 1).remove(0);
            let scripts =
                capture_scripts(self.standalone, &standalone, lease_node, &clustered, limits)?;
            for (what, node, call) in &scripts {
                eprintln!("{what}…");
                for pipelines in PIPELINES {
                    rows.push(BareRow::measure(what, node, call, pipelines, options)?);
                }
            }
        }
        Ok(rows)
    }

    /// Measures creations through workers.
    pub fn measure_workers(&self, options: &Options) -> Result<Vec<ThroughRow>, String> {
        let mut rows = Vec::new();
        for (topology, nodes, url) in [
            ("standalone", vec![self.standalone], self.standalone.url()),
            ("Cluster of 3", self.nodes(), self.cluster.url()),
        ] {
            let workers = start_workers(&url, "false", WORKERS[0]);
            for connections in CONNECTIONS {
                for number in WORKERS {
                    eprintln!(
                        "creations, {topology}, {number} workers, {connections} connections…"
                    );
                    let workers = &workers[..number];
                    let row = ThroughRow::measure(topology, &nodes, workers, connections, options)?;
                    rows.push(row);
                }
            }
        }
        Ok(rows)
    }
}

fn start_workers(url: &str, limits: &str, count: usize) -> Vec<Server> {
    let settings = [
        ("limits.enabled", limits),
        ("store.backend", "redis"),
        ("store.redis.url", url),
    ];
    (0..count)
        .map(|_| servers::start_worker(&settings))
        .collect()
}

type NamedScript<'a> = (&'static str, &'a RedisServer, BareCall);

/// Captures the scripts of a creation, and of the release of its lease.
fn capture_scripts<'a>(
    redis: &'a RedisServer,
    standalone: &Server,
    lease_node: &'a RedisServer,
    clustered: &Server,
    limits: &str,
) -> Result<Vec<NamedScript<'a>>, String> {
    let payload = payload::payload(payload::TYPICAL, 1);
    let names = match limits {
        "true" => [
            "lease and session, per-client limits",
            "lease (Cluster), per-client limits",
        ],
        _ => ["lease and session, no limits", "lease (Cluster), no limits"],
    };
    // The first call of each script may be an EVAL.
    let warm = clustered.create(&payload);
    delete(clustered, &warm.id);
    standalone.create(&payload);

    let creation = capture_create(redis, standalone, &payload)?;
    let mut session = None;
    let acquire = capture(
        lease_node,
        |command| command.has_key(INDEX) && command.argument_count() >= 5,
        || session = Some(clustered.create(&payload)),
    )?;
    let id = session.map(|session| session.id).unwrap_or_default();
    let release = capture(
        lease_node,
        |command| command.has_key(INDEX) && command.argument_count() == 2,
        || delete(clustered, &id),
    )?;
    let call = |command: EvalSha, sessions| BareCall {
        command: command
            .with_random_session(&id, true)
            .with_random_principal(CLIENT),
        sessions,
        range: NEW_SESSIONS,
        calls: CALLS,
    };
    let mut scripts = vec![
        (names[0], redis, call(creation, None)),
        (names[1], lease_node, call(acquire, None)),
    ];
    if limits == "true" {
        let leases = SessionSet {
            count: CALLS * 10,
            index: INDEX.to_owned(),
            session: None,
        };
        let mut release = call(release, Some(leases));
        release.range = CALLS * 10;
        scripts.push(("release (Cluster), per-client limits", lease_node, release));
    }
    Ok(scripts)
}

impl BareRow {
    fn measure(
        what: &'static str,
        node: &RedisServer,
        call: &BareCall,
        pipelines: Pipelines,
        options: &Options,
    ) -> Result<Self, String> {
        let runs = (0..options.rounds(false)).map(|_| call.run(node, pipelines));
        let runs = runs.collect::<Result<Vec<_>, _>>()?;
        let of_runs = |figure: fn(&super::bare::BareResult) -> f64| {
            median(&runs.iter().map(figure).collect::<Vec<_>>())
        };
        Ok(Self {
            what,
            pipelines,
            rate: of_runs(|run| run.rate),
            per_call: of_runs(|run| run.per_call),
            cores: of_runs(|run| run.rate * run.per_call / 1e6),
            p99: of_runs(|run| run.p99),
        })
    }
}

impl ThroughRow {
    fn measure(
        topology: &'static str,
        nodes: &[&RedisServer],
        workers: &[Server],
        connections: usize,
        options: &Options,
    ) -> Result<Self, String> {
        let runs = (0..options.rounds(false)).map(|_| {
            for node in nodes {
                memory::empty(node);
            }
            WorkerLoad::measure(
                Scenario::Create,
                workers,
                nodes,
                connections,
                options.window(),
            )
        });
        let runs = runs.collect::<Result<Vec<_>, _>>()?;
        let of_runs =
            |figure: fn(&WorkerLoad) -> f64| median(&runs.iter().map(figure).collect::<Vec<_>>());
        Ok(Self {
            topology,
            workers: workers.len(),
            connections,
            rate: of_runs(|run| run.rate),
            lease_node: of_runs(|run| run.per_request(0..1)),
            all_nodes: of_runs(|run| run.per_request(0..run.redis.len())),
            worker: of_runs(|run| run.worker),
            errors: runs.iter().map(|run| run.errors).sum(),
        })
    }
}
