//! What is done to the workers, and what must not come of it.

use crate::fleet::Fleet;
use crate::load::{Habits, Load, Tally};
use std::sync::Arc;
use tokio::task::block_in_place;

/// Sign-ins that are completed between two steps: the load is there, and haproxy has seen what was done.
const BETWEEN: u64 = 40;

/// What became of a scenario.
pub struct Outcome {
    /// Its name.
    pub name: &'static str,
    /// What the clients saw.
    pub tally: Arc<Tally>,
    /// Whether they may have lost requests, which they then repeated.
    may_lose: bool,
    /// Whether creations must have been refused.
    maintenance: bool,
}

impl Outcome {
    /// What did not hold.
    pub fn faults(&self) -> Vec<String> {
        let name = self.name;
        let mut faults: Vec<String> = Vec::new();
        let [requests, lost, refused, sign_ins] = self.tally.counts();
        if sign_ins < BETWEEN || requests < sign_ins * 18 {
            faults.push(format!(
                "{name}: {requests} requests of {sign_ins} sign-ins are no load"
            ));
        }
        if lost > 0 && !self.may_lose {
            faults.push(format!("{name}: {lost} of {requests} requests were lost"));
        }
        if (refused > 0) != self.maintenance {
            faults.push(format!("{name}: maintenance refused {refused} creations"));
        }
        let failures = self.tally.failures();
        if !failures.is_empty() {
            let first = failures[..failures.len().min(5)].join("\n    ");
            let count = failures.len();
            faults.push(format!("{name}: {count} sign-ins were lost\n    {first}"));
        }
        faults
    }
}

/// Runs all.
pub async fn all() -> Result<Vec<Outcome>, String> {
    Ok(vec![
        rolling_restart().await?,
        rolling_change().await?,
        reload().await?,
        kill().await?,
    ])
}

const UNREPEATING: Habits = Habits { repeat: false };

async fn rolling_restart() -> Result<Outcome, String> {
    let mut fleet = Fleet::start()?;
    let load = Load::start(fleet.address(), UNREPEATING);
    replace_each(&mut fleet, &load).await?;
    end("rolling restart of all three", fleet, load).await
}

async fn rolling_change() -> Result<Outcome, String> {
    let mut fleet = Fleet::start()?;
    let load = Load::start(fleet.address(), UNREPEATING);
    // One that needs a restart; meanwhile workers of both configurations serve the same sessions.
    fleet.configure("[session]\nmax_live = 5000\n[api]\nstable = true\n")?;
    replace_each(&mut fleet, &load).await?;
    for worker in &fleet.workers {
        let limit = block_in_place(|| worker.counted("rendezvous_sessions_limit "))?;
        if limit != 5000 {
            return Err(format!("a worker still has max_live = {limit}"));
        }
    }
    end("rolling change of the configuration", fleet, load).await
}

/// Each leaves while the other two and haproxy go on, and the next does so only when it is used again.
async fn replace_each(fleet: &mut Fleet, load: &Load) -> Result<(), String> {
    for worker in &mut fleet.workers {
        load.more(BETWEEN).await?;
        block_in_place(|| {
            worker.replace()?;
            worker.wait_until_busy()
        })?;
    }
    load.more(BETWEEN).await
}

async fn reload() -> Result<Outcome, String> {
    let mut fleet = Fleet::start()?;
    let load = Load::start(fleet.address(), UNREPEATING);
    load.more(BETWEEN).await?;
    load.allow_maintenance(true);
    fleet.configure("maintenance = true")?;
    reload_each(&mut fleet)?;
    load.refused().await?;
    fleet.configure("")?;
    reload_each(&mut fleet)?;
    load.more(BETWEEN).await?;
    load.allow_maintenance(false);
    load.more(BETWEEN).await?;
    let outcome = end("`maintenance` on and off by SIGHUP", fleet, load).await?;
    Ok(Outcome {
        maintenance: true,
        ..outcome
    })
}

fn reload_each(fleet: &mut Fleet) -> Result<(), String> {
    for worker in &mut fleet.workers {
        block_in_place(|| worker.reload())?;
    }
    Ok(())
}

async fn kill() -> Result<Outcome, String> {
    let mut fleet = Fleet::start()?;
    // What is on the wires of a process that is killed is lost whatever it does; so these ask again.
    let load = Load::start(fleet.address(), Habits { repeat: true });
    load.more(BETWEEN).await?;
    block_in_place(|| fleet.workers[0].kill())?;
    load.more(BETWEEN * 3).await?;
    block_in_place(|| {
        fleet.workers[0].begin_anew()?;
        fleet.workers[0].wait_until_busy()
    })?;
    let outcome = end(
        "kill -9 of one of three, by clients that ask again",
        fleet,
        load,
    )
    .await?;
    Ok(Outcome {
        may_lose: true,
        ..outcome
    })
}

async fn end(name: &'static str, mut fleet: Fleet, load: Load) -> Result<Outcome, String> {
    let tally = load.stop().await?;
    if !fleet.stands() {
        return Err(format!("{name}: haproxy or Redis has ended"));
    }
    Ok(Outcome {
        name,
        tally,
        may_lose: false,
        maintenance: false,
    })
}
