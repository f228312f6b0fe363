//! Faults of a Redis Cluster of three primaries and three replicas.

use crate::catalogue::BreakableStore;
use crate::progress::{Period, Progress};
use crate::setup::Setup;
use std::time::Duration;
use testkit::redis::RedisServer;
use testkit::redis::cluster::{Cluster, ClusterConfig, PRIMARIES};
use testkit::until;

/// The key of the live index, in whose slot each creation takes its lease.
const LEASE_KEY: &str = "mrv:{lease}:live";

/// Requests after which the clients have met the state of the fault.
const ENOUGH_REQUESTS: u64 = 200;

/// Duration of a partition between the workers and a primary.
const PARTITION: Duration = Duration::from_secs(3);

/// Slots that migrate at the same time. Until all their keys have moved, the old primary sends
/// `-ASK` for each key that it does not have.
const BATCH: usize = 100;

/// Requests while a batch migrates.
const REQUESTS_OF_BATCH: u64 = 60;

/// Batches that move from one primary to another: in each, a hundredth of the requests meets a slot
/// that migrates.
const RESHARDED: usize = 15;
const REBALANCED: usize = 6;

/// As `docs/redis.md` recommends: the other slots are served while one has no primary.
fn isolating() -> ClusterConfig<'static> {
    ClusterConfig {
        options: &["--cluster-require-full-coverage", "no"],
        ..ClusterConfig::default()
    }
}

struct ClusterStore {
    cluster: Cluster,
    /// What stands before the host in the URL: `name:password@`.
    user: String,
    strike: fn(&mut Cluster, &Progress) -> Result<Period, String>,
}

impl BreakableStore for ClusterStore {
    fn url(&self) -> String {
        self.cluster.url_as(&self.user)
    }

    fn nodes(&self) -> &[RedisServer] {
        &self.cluster.nodes
    }

    fn strike(&mut self, progress: &Progress) -> Result<Period, String> {
        progress.wait_for_load()?;
        (self.strike)(&mut self.cluster, progress)
    }
}

fn start(
    setup: &Setup,
    config: &ClusterConfig,
    strike: fn(&mut Cluster, &Progress) -> Result<Period, String>,
) -> Box<dyn BreakableStore> {
    let is_readable = setup.tls().is_none() || !config.relays;
    assert!(is_readable, "nodes behind relays announce no TLS port");
    let user = setup.redis_options();
    let user = user.iter().map(String::as_str);
    let options: Vec<_> = user.chain(config.options.iter().copied()).collect();
    let cluster = Cluster::start(&ClusterConfig {
        options: &options,
        tls: setup.tls(),
        ..*config
    });
    Box::new(ClusterStore {
        cluster,
        user: setup.url_user(),
        strike,
    })
}

/// A slot of the lease, and its primary.
fn lease(cluster: &Cluster) -> (u16, usize) {
    let slot = cluster.slot(LEASE_KEY);
    (slot, cluster.owner(slot))
}

/// A slot of a primary that does not have the lease, and that primary.
fn other(cluster: &Cluster) -> (u16, usize) {
    let (_, holder) = lease(cluster);
    let slots = (0..PRIMARIES).map(|number| u16::try_from(number * 5_500).expect("a slot"));
    let mut owned = slots.map(|slot| (slot, cluster.owner(slot)));
    let other = owned.find(|(_, owner)| *owner != holder);
    other.expect("another primary")
}

fn kill(
    cluster: &mut Cluster,
    (slot, old): (u16, usize),
    progress: &Progress,
) -> Result<Period, String> {
    progress.record_struck_slots(cluster.slots_of(old));
    let begin = progress.now();
    cluster.nodes[old].kill();
    cluster.wait_for_promotion(slot, old);
    let end = progress.now();
    cluster.nodes[old].restart();
    cluster.wait_until_ok();
    progress.wait_for_requests(ENOUGH_REQUESTS)?;
    Ok(Period { begin, end })
}

/// Does this to the Cluster, which is whole all the time.
fn during(
    progress: &Progress,
    step: impl FnOnce() -> Result<(), String>,
) -> Result<Period, String> {
    let begin = progress.now();
    step()?;
    let end = progress.now();
    Ok(Period { begin, end })
}

/// SIGKILL of the primary that has the lease.
pub fn kill_lease_primary(setup: &Setup) -> Box<dyn BreakableStore> {
    start(setup, &isolating(), |cluster, progress| {
        let lease = lease(cluster);
        kill(cluster, lease, progress)
    })
}

/// SIGKILL of another primary.
pub fn kill_other_primary(setup: &Setup) -> Box<dyn BreakableStore> {
    start(setup, &isolating(), |cluster, progress| {
        let other = other(cluster);
        kill(cluster, other, progress)
    })
}

/// SIGSTOP of a primary until its replica is promoted, and then SIGCONT.
pub fn pause_primary(setup: &Setup) -> Box<dyn BreakableStore> {
    start(setup, &isolating(), |cluster, progress| {
        let (slot, old) = other(cluster);
        progress.record_struck_slots(cluster.slots_of(old));
        let begin = progress.now();
        cluster.nodes[old].pause();
        cluster.wait_for_promotion(slot, old);
        let end = progress.now();
        progress.wait_for_requests(ENOUGH_REQUESTS)?;
        cluster.nodes[old].resume();
        progress.release_idle_worker();
        until("the old primary is a replica", || {
            let info = cluster.nodes[old].info("replication", "role");
            info == "slave"
        });
        progress.wait_for_requests(ENOUGH_REQUESTS)?;
        Ok(Period { begin, end })
    })
}

/// `CLUSTER FAILOVER` of each primary.
pub fn planned_failover(setup: &Setup) -> Box<dyn BreakableStore> {
    start(setup, &ClusterConfig::default(), |cluster, progress| {
        during(progress, || {
            for primary in 0..PRIMARIES {
                cluster.failover(cluster.replica_of(primary));
                progress.wait_for_requests(ENOUGH_REQUESTS)?;
            }
            Ok(())
        })
    })
}

/// Moves slots in batches, in each of which half of the keys move before the requests come.
fn move_slots(
    cluster: &Cluster,
    (from, to): (usize, usize),
    batches: usize,
    progress: &Progress,
) -> Result<(), String> {
    let mut slots = cluster.slots_of(from).into_iter();
    for _ in 0..batches {
        let batch: Vec<_> = slots.by_ref().take(BATCH).collect();
        let mut migrations: Vec<_> = batch
            .iter()
            .map(|slot| cluster.begin_migration(*slot, to))
            .collect();
        for migration in migrations.iter_mut().step_by(2) {
            migration.move_all_keys();
        }
        progress.wait_for_requests(REQUESTS_OF_BATCH)?;
        for mut migration in migrations {
            migration.move_all_keys();
            migration.finish();
        }
    }
    Ok(())
}

/// Slots move from one primary to another.
pub fn reshard(setup: &Setup) -> Box<dyn BreakableStore> {
    start(setup, &ClusterConfig::default(), |cluster, progress| {
        during(progress, || {
            let (_, from) = lease(cluster);
            let to = (from + 1) % PRIMARIES;
            move_slots(cluster, (from, to), RESHARDED, progress)
        })
    })
}

/// Slots move from each primary to the next.
pub fn rebalance(setup: &Setup) -> Box<dyn BreakableStore> {
    start(setup, &ClusterConfig::default(), |cluster, progress| {
        during(progress, || {
            (0..PRIMARIES).try_for_each(|from| {
                let to = (from + 1) % PRIMARIES;
                move_slots(cluster, (from, to), REBALANCED, progress)
            })
        })
    })
}

/// The workers' connections to a primary fall silent, and new ones work.
pub fn silent_connections(setup: &Setup) -> Box<dyn BreakableStore> {
    let config = ClusterConfig {
        relays: true,
        ..ClusterConfig::default()
    };
    start(setup, &config, |cluster, progress| {
        let (_, primary) = other(cluster);
        during(progress, || {
            cluster.relay(primary).silence();
            Ok(())
        })
    })
}

/// All connections between the workers and a primary are silent for a while. The other nodes reach
/// it, so that no replica is promoted.
pub fn partition(setup: &Setup) -> Box<dyn BreakableStore> {
    let config = ClusterConfig {
        relays: true,
        ..ClusterConfig::default()
    };
    start(setup, &config, |cluster, progress| {
        let (_, primary) = other(cluster);
        during(progress, || {
            cluster.relay(primary).silence_for(PARTITION);
            Ok(())
        })
    })
}
