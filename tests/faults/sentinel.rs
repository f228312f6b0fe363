//! Faults of a primary with two replicas and three sentinels.
//!
//! The workers have a user of their own. The replicas and the sentinels are the default user.

use crate::catalogue::BreakableStore;
use crate::progress::{Period, Progress};
use crate::setup::{Setup, url_user, user_options};
use std::time::Duration;
use testkit::redis::RedisServer;
use testkit::redis::sentinels::{Sentinels, SentinelsConfig};

/// Requests after which the clients have met the state of the fault.
const ENOUGH_REQUESTS: u64 = 200;

/// Requests to a primary without replicas before it is killed: about a fifth of a second.
const UNREPLICATED_REQUESTS: u64 = 40;

/// Time after which a sentinel considers a primary down. Less, and a busy machine fails over by itself.
const DOWN_AFTER: Duration = Duration::from_secs(2);

struct SentinelStore {
    sentinels: Sentinels,
    /// More settings of the workers.
    settings: Vec<(&'static str, String)>,
    /// The primary after the fault.
    promoted: Option<usize>,
    strike: fn(&mut Sentinels, &Progress) -> Result<Period, String>,
}

impl BreakableStore for SentinelStore {
    fn url(&self) -> String {
        self.sentinels.url_as(&url_user())
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        self.settings.clone()
    }

    fn nodes(&self) -> &[RedisServer] {
        &self.sentinels.nodes
    }

    fn strike(&mut self, progress: &Progress) -> Result<Period, String> {
        progress.wait_for_load()?;
        let period = (self.strike)(&mut self.sentinels, progress)?;
        self.promoted = self.sentinels.announced();
        Ok(period)
    }

    fn disturbance(&self) -> Option<String> {
        let promoted = self.promoted?;
        let is_primary = self.sentinels.announced() == Some(promoted);
        (!is_primary)
            .then(|| "the sentinels failed over again: is the machine too busy?".to_owned())
    }
}

fn start(
    setup: &Setup,
    options: &[&str],
    strike: fn(&mut Sentinels, &Progress) -> Result<Period, String>,
) -> Box<dyn BreakableStore> {
    Box::new(start_store(setup, options, strike))
}

fn start_store(
    setup: &Setup,
    options: &[&str],
    strike: fn(&mut Sentinels, &Progress) -> Result<Period, String>,
) -> SentinelStore {
    let user = user_options();
    let user = user.iter().map(String::as_str);
    let options: Vec<_> = user.chain(options.iter().copied()).collect();
    let config = SentinelsConfig {
        options: &options,
        down_after: DOWN_AFTER,
        tls: setup.tls(),
        ..SentinelsConfig::default()
    };
    SentinelStore {
        sentinels: Sentinels::start(&config),
        settings: Vec::new(),
        promoted: None,
        strike,
    }
}

/// SIGKILL of the primary, which comes back as a replica.
pub fn kill_primary(setup: &Setup) -> Box<dyn BreakableStore> {
    start(setup, &[], |sentinels, progress| {
        let begin = progress.now();
        let old = sentinels.primary_index();
        sentinels.nodes[old].kill();
        sentinels.wait_for_promotion(old);
        let end = progress.now();
        sentinels.restart_as_replica(old);
        Ok(Period { begin, end })
    })
}

/// SIGKILL of the primary, after it lost its replicas and executed writes that they lack. The workers
/// wait for one replica, so they have acknowledged none of these writes. It lasts until the new primary
/// has a replica: the workers acknowledge no write earlier.
pub fn kill_ahead_of_replicas(setup: &Setup) -> Box<dyn BreakableStore> {
    let mut store = start_store(setup, &[], |sentinels, progress| {
        let begin = progress.now();
        let old = sentinels.primary_index();
        let is_replica = |index: &usize| *index != old;
        let replicas: Vec<_> = (0..sentinels.nodes.len()).filter(is_replica).collect();
        for replica in &replicas {
            sentinels.nodes[*replica].pause();
        }
        // Otherwise the kernel delivers after the SIGKILL what the primary has sent.
        sentinels.nodes[old].command(&["CLIENT", "KILL", "TYPE", "replica"]);
        progress.wait_for_requests(UNREPLICATED_REQUESTS)?;
        sentinels.nodes[old].kill();
        for replica in &replicas {
            sentinels.nodes[*replica].resume();
        }
        let new = sentinels.wait_for_promotion(old);
        for replica in replicas.into_iter().filter(|index| *index != new) {
            sentinels.wait_until_replica(replica);
        }
        let end = progress.now();
        sentinels.restart_as_replica(old);
        progress.wait_for_requests(ENOUGH_REQUESTS)?;
        Ok(Period { begin, end })
    });
    store.settings = vec![("store.redis.wait_for_replicas", "1".to_owned())];
    Box::new(store)
}

/// `SENTINEL FAILOVER`. The old primary accepts writes until a sentinel makes it a replica.
pub fn planned_failover(setup: &Setup) -> Box<dyn BreakableStore> {
    start(setup, &[], |sentinels, progress| {
        let begin = progress.now();
        let old = sentinels.failover();
        sentinels.wait_for_promotion(old);
        let end = progress.now();
        sentinels.wait_until_replica(old);
        progress.wait_for_requests(ENOUGH_REQUESTS)?;
        Ok(Period { begin, end })
    })
}

/// SIGSTOP of the primary until a replica is promoted, and then SIGCONT.
pub fn pause_primary(setup: &Setup) -> Box<dyn BreakableStore> {
    start(setup, &[], |sentinels, progress| {
        let begin = progress.now();
        let old = sentinels.primary_index();
        sentinels.nodes[old].pause();
        sentinels.wait_for_promotion(old);
        let end = progress.now();
        progress.wait_for_requests(ENOUGH_REQUESTS)?;
        sentinels.nodes[old].resume();
        progress.release_idle_worker();
        sentinels.wait_until_replica(old);
        progress.wait_for_requests(ENOUGH_REQUESTS)?;
        Ok(Period { begin, end })
    })
}

/// The primary is cut off from its replicas and from the sentinels, and the workers still reach it.
pub fn isolate_primary(setup: &Setup) -> Box<dyn BreakableStore> {
    start(setup, &[], isolate)
}

/// The same, and an isolated primary rejects writes.
pub fn isolate_guarded_primary(setup: &Setup) -> Box<dyn BreakableStore> {
    start(setup, &["--min-replicas-to-write", "1"], isolate)
}

/// Locks the default user out until a replica is promoted. Its connections are closed, and new ones
/// are rejected; those of a real partition fall silent.
fn isolate(sentinels: &mut Sentinels, progress: &Progress) -> Result<Period, String> {
    let old = sentinels.primary_index();
    let mut operator = sentinels.nodes[old].connect();
    let begin = progress.now();
    operator.command(&["ACL", "SETUSER", "default", "off"]);
    operator.command(&["CLIENT", "KILL", "USER", "default"]);
    sentinels.wait_for_promotion(old);
    let end = progress.now();
    progress.wait_for_requests(ENOUGH_REQUESTS)?;
    operator.command(&["ACL", "SETUSER", "default", "on"]);
    progress.release_idle_worker();
    sentinels.wait_until_replica(old);
    progress.wait_for_requests(ENOUGH_REQUESTS)?;
    Ok(Period { begin, end })
}
