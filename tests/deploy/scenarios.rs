//! What is done to the workers, and what must not come of it.

use crate::device::{Refusal, Shared};
use crate::fleet::{Change, Fleet, UNCHANGED};
use crate::haproxy::Layer;
use crate::load::Load;
use crate::witness;
use std::sync::Arc;
use tokio::task::block_in_place;

/// Sign-ins that are completed between two steps: the load is there, and haproxy has seen what was done.
const BETWEEN: u64 = 40;

/// What became of a scenario.
pub struct Outcome {
    /// Its name.
    pub name: &'static str,
    /// The clients, and what they saw.
    pub clients: Arc<Shared>,
    /// Whether they may have lost requests, which they then repeated.
    may_lose: bool,
    /// What was done, and whether it could be.
    done: Result<(), String>,
}

impl Outcome {
    /// What did not hold.
    pub fn faults(&self) -> Vec<String> {
        let name = self.name;
        let mut faults: Vec<String> = Vec::new();
        let tally = &self.clients.tally;
        let (requests, lost, sign_ins) =
            (tally.requests.get(), tally.lost.get(), tally.sign_ins.get());
        // A creation, eight writes, and nine polls at least that found something.
        if sign_ins < BETWEEN || requests < sign_ins * 18 {
            faults.push(format!(
                "{name}: {requests} requests of {sign_ins} sign-ins are no load"
            ));
        }
        if lost > 0 && !self.may_lose {
            faults.push(format!("{name}: {lost} of {requests} requests were lost"));
        }
        if let Err(error) = &self.done {
            faults.push(format!("{name}: {error}"));
        }
        let failures = tally.failures();
        if !failures.is_empty() {
            let first = failures[..failures.len().min(5)].join("\n    ");
            let count = failures.len();
            faults.push(format!("{name}: {count} sign-ins were lost\n    {first}"));
        }
        faults
    }
}

/// Runs all, each on processes of its own.
pub async fn all() -> Result<Vec<Outcome>, String> {
    let (requests, connections) = (Layer::Requests, Layer::Connections);
    let (none, one) = (false, true);
    Ok(vec![
        scenario("rolling restart", requests, none, rolling_restart).await?,
        scenario(
            "rolling restart, layer 4",
            connections,
            none,
            rolling_restart,
        )
        .await?,
        scenario("rolling change of keys", requests, none, rolling_change).await?,
        scenario("SIGHUP: `maintenance`", requests, none, maintenance).await?,
        scenario("SIGHUP: `limits`", requests, none, limits).await?,
        scenario("kill -9, clients repeat", requests, one, kill).await?,
    ])
}

/// Something is done to a fleet under load. What a process that is killed has on its wires is lost whatever it does; so
/// where one is, clients repeat what they lost, and nowhere else.
async fn scenario(
    name: &'static str,
    layer: Layer,
    is_killed: bool,
    what: impl AsyncFnOnce(&mut Fleet, &Load) -> Result<(), String>,
) -> Result<Outcome, String> {
    let mut fleet = Fleet::start(layer)?;
    let load = Load::start(fleet.address(), is_killed);
    let mut done = what(&mut fleet, &load).await;
    let clients = load.stop().await;
    if !fleet.stands() {
        done = Err("haproxy or Redis has ended".to_owned());
    }
    Ok(Outcome {
        name,
        clients,
        may_lose: is_killed,
        done,
    })
}

async fn rolling_restart(fleet: &mut Fleet, load: &Load) -> Result<(), String> {
    witness::counts_losses(fleet.address()).await?;
    replace_each(fleet, load).await
}

async fn rolling_change(fleet: &mut Fleet, load: &Load) -> Result<(), String> {
    // One that needs a restart; meanwhile workers of both configurations serve the same sessions.
    fleet.configure(&Change {
        keys: "[session]\nmax_live = 100000\n[api]\nstable = true\n",
        ..UNCHANGED
    })?;
    replace_each(fleet, load).await?;
    for worker in &fleet.workers {
        let limit = block_in_place(|| worker.counted("rendezvous_sessions_limit "))?;
        if limit != 100_000 {
            return Err(format!("a worker still has max_live = {limit}"));
        }
    }
    Ok(())
}

/// Each leaves while the other two and haproxy go on, and the next does so only when it is used again.
async fn replace_each(fleet: &mut Fleet, load: &Load) -> Result<(), String> {
    let balancer = fleet.balancer();
    for worker in &mut fleet.workers {
        load.more(BETWEEN).await?;
        block_in_place(|| {
            worker.replace()?;
            worker.wait_until_used(balancer)
        })?;
    }
    load.more(BETWEEN).await
}

async fn maintenance(fleet: &mut Fleet, load: &Load) -> Result<(), String> {
    let change = Change {
        keys: "maintenance = true\n[session]\nmax_live = 200000",
        ..UNCHANGED
    };
    reload(fleet, load, &change, Refusal::Maintenance).await
}

/// To a limit of creations that none of the clients keeps; what else there is for all of them, who come from one address
/// and ask fifty times as often as people, is wide enough.
async fn limits(fleet: &mut Fleet, load: &Load) -> Result<(), String> {
    let change = Change {
        limits: "create.client = { burst = 1, per_second = 0.01 }\n\
            requests.client = { burst = 1000000, per_second = 1000000 }\n\
            requests.network = { burst = 1000000, per_second = 1000000 }\n\
            requests.session = { burst = 1000000, per_second = 1000000 }\n\
            live = { client = 10000, network = 10000, user = 10000 }",
        ..UNCHANGED
    };
    reload(fleet, load, &change, Refusal::Limit).await
}

/// Changes what makes all workers refuse creations, waits for the end of all sign-ins that had begun, and changes back.
async fn reload(
    fleet: &mut Fleet,
    load: &Load,
    change: &Change,
    why: Refusal,
) -> Result<(), String> {
    load.more(BETWEEN).await?;
    load.may_refuse(Some(why));
    fleet.configure(change)?;
    reload_each(fleet)?;
    load.all_refused().await?;
    fleet.configure(&UNCHANGED)?;
    reload_each(fleet)?;
    // A refusal of before may still be on its way to a client; 80 sign-ins later none is.
    load.more(BETWEEN * 2).await?;
    load.may_refuse(None);
    load.more(BETWEEN).await
}

fn reload_each(fleet: &mut Fleet) -> Result<(), String> {
    for worker in &mut fleet.workers {
        block_in_place(|| worker.reload())?;
    }
    Ok(())
}

async fn kill(fleet: &mut Fleet, load: &Load) -> Result<(), String> {
    load.more(BETWEEN).await?;
    block_in_place(|| fleet.workers[0].kill())?;
    load.more(BETWEEN * 3).await?;
    let balancer = fleet.balancer();
    block_in_place(|| {
        fleet.workers[0].begin_anew()?;
        fleet.workers[0].wait_until_used(balancer)
    })
}
