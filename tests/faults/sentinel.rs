//! Faults of a primary with two replicas and three sentinels.

use crate::catalogue::BreakableStore;
use crate::progress::{Period, Progress};
use testkit::redis::sentinels::{Sentinels, SentinelsConfig};

/// Requests after which the clients have met the state of the fault.
const ENOUGH_REQUESTS: u64 = 200;

struct SentinelStore {
    sentinels: Sentinels,
    strike: fn(&mut Sentinels, &Progress) -> Result<Period, String>,
}

impl BreakableStore for SentinelStore {
    fn url(&self) -> String {
        self.sentinels.url()
    }

    fn strike(&mut self, progress: &Progress) -> Result<Period, String> {
        progress.wait_for_load()?;
        (self.strike)(&mut self.sentinels, progress)
    }
}

fn start(
    strike: fn(&mut Sentinels, &Progress) -> Result<Period, String>,
) -> Box<dyn BreakableStore> {
    Box::new(SentinelStore {
        sentinels: Sentinels::start(&SentinelsConfig::default()),
        strike,
    })
}

/// SIGKILL of the primary, which comes back as a replica.
pub fn kill_primary() -> Box<dyn BreakableStore> {
    start(|sentinels, progress| {
        let begin = progress.now();
        let old = sentinels.primary_index();
        sentinels.nodes[old].kill();
        sentinels.wait_for_promotion(old);
        let end = progress.now();
        sentinels.restart_as_replica(old);
        Ok(Period { begin, end })
    })
}

/// `SENTINEL FAILOVER`. The old primary accepts writes until a sentinel makes it a replica.
pub fn planned_failover() -> Box<dyn BreakableStore> {
    start(|sentinels, progress| {
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
pub fn pause_primary() -> Box<dyn BreakableStore> {
    start(|sentinels, progress| {
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
