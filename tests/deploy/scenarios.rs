//! The scenarios: what happens to the workers, and what must not result from it.

use crate::device::{Rejection, Shared};
use crate::fleet::{Change, Fleet, UNCHANGED};
use crate::load::Load;
use crate::self_check;
use crate::worker::{CURRENT, Worker};
use std::sync::Arc;
use testkit::counter::Counter;
use testkit::haproxy::Layer;
use testkit::server::ServerBinary;
use tokio::task::block_in_place;

/// Sign-ins that complete between two steps. By then the load is complete, and haproxy has noticed
/// the last step.
const SIGN_INS_BETWEEN_STEPS: u64 = 40;

/// The result of a scenario.
pub struct ScenarioResult {
    /// The name of the scenario.
    pub name: &'static str,
    /// The clients, with their counters.
    pub clients: Arc<Shared>,
    /// Whether the clients retry, and so may lose requests.
    may_lose: bool,
    /// Whether all steps were possible.
    steps: Result<(), String>,
}

impl ScenarioResult {
    /// The failed assertions.
    pub fn failures(&self) -> Vec<String> {
        let name = self.name;
        let mut failures: Vec<String> = Vec::new();
        let counters = &self.clients.counters;
        let [requests, lost, sign_ins] =
            [&counters.requests, &counters.lost, &counters.sign_ins].map(Counter::get);
        // A sign-in has a creation, eight writes, and at least nine polls that find something.
        if sign_ins < SIGN_INS_BETWEEN_STEPS || requests < sign_ins * 18 {
            failures.push(format!(
                "{name}: {requests} requests of {sign_ins} sign-ins are not enough load"
            ));
        }
        if lost > 0 && !self.may_lose {
            failures.push(format!("{name}: {lost} of {requests} requests were lost"));
        }
        if let Err(error) = &self.steps {
            failures.push(format!("{name}: {error}"));
        }
        let lost_sign_ins = counters.failures();
        if !lost_sign_ins.is_empty() {
            let first = lost_sign_ins[..lost_sign_ins.len().min(5)].join("\n    ");
            let count = lost_sign_ins.len();
            failures.push(format!("{name}: {count} sign-ins were lost\n    {first}"));
        }
        failures
    }
}

/// Runs all scenarios, each with processes of its own.
pub async fn run_all() -> Result<Vec<ScenarioResult>, String> {
    let (requests, connections) = (Layer::Requests, Layer::Connections);
    let (without_kill, with_kill) = (false, true);
    Ok(vec![
        run("rolling restart", requests, without_kill, rolling_restart).await?,
        run(
            "rolling restart, layer 4",
            connections,
            without_kill,
            rolling_restart,
        )
        .await?,
        run(
            "rolling change of keys",
            requests,
            without_kill,
            rolling_change,
        )
        .await?,
        run("SIGHUP: `maintenance`", requests, without_kill, maintenance).await?,
        run("SIGHUP: `limits`", requests, without_kill, limits).await?,
        run("kill -9, clients retry", requests, with_kill, kill).await?,
    ])
}

/// Runs the steps of a scenario on a fleet under load. The requests in flight at a killed process
/// are lost, so clients retry in a scenario with a kill, and in no other.
async fn run(
    name: &'static str,
    layer: Layer,
    has_kill: bool,
    steps: impl AsyncFnOnce(&mut Fleet, &Load) -> Result<(), String>,
) -> Result<ScenarioResult, String> {
    let fleet = Fleet::start(layer, CURRENT)?;
    run_on(fleet, name, has_kill, steps).await
}

async fn run_on(
    mut fleet: Fleet,
    name: &'static str,
    has_kill: bool,
    steps: impl AsyncFnOnce(&mut Fleet, &Load) -> Result<(), String>,
) -> Result<ScenarioResult, String> {
    let load = Load::start(fleet.address(), has_kill);
    let mut done = steps(&mut fleet, &load).await;
    let clients = load.stop().await;
    if !fleet.is_alive() {
        done = Err("haproxy or Redis has ended".to_owned());
    }
    Ok(ScenarioResult {
        name,
        clients,
        may_lose: has_kill,
        steps: done,
    })
}

/// Another build of the server, of which replicas are upgraded to this one.
#[derive(Clone, Copy, Debug)]
pub struct OtherBuild {
    /// Its executable.
    pub binary: ServerBinary,
    /// The commit that it was built from.
    pub commit: &'static str,
}

/// Replaces the workers of the other build by those of this source, and in a second scenario back.
/// Meanwhile workers of both serve the same sessions: sign-ins in progress, and the sessions that
/// live from the start of the scenario to its end.
pub async fn run_upgrades(from: OtherBuild) -> Result<Vec<ScenarioResult>, String> {
    let mut results = Vec::new();
    for (name, first, is_upgrade) in [
        ("upgrade", from.binary, true),
        ("downgrade", CURRENT, false),
    ] {
        let second = if is_upgrade { CURRENT } else { from.binary };
        let steps = async |fleet: &mut Fleet, load: &Load| {
            self_check::check_that_losses_count(fleet.address()).await?;
            check_build(fleet, from, is_upgrade)?;
            replace_each(fleet, load, second).await?;
            check_build(fleet, from, !is_upgrade)
        };
        let fleet = Fleet::start(Layer::Requests, first)?;
        results.push(run_on(fleet, name, false, steps).await?);
    }
    Ok(results)
}

/// Checks that all workers are of the other build, or that none is.
fn check_build(fleet: &Fleet, other: OtherBuild, expected: bool) -> Result<(), String> {
    let is_other = |worker| block_in_place(|| Worker::is_built_from(worker, other.commit));
    if fleet
        .workers
        .iter()
        .all(|worker| is_other(worker) == expected)
    {
        return Ok(());
    }
    let (not, commit) = (if expected { " not" } else { "" }, other.commit);
    Err(format!("a worker was{not} built from {commit}"))
}

async fn rolling_restart(fleet: &mut Fleet, load: &Load) -> Result<(), String> {
    self_check::check_that_losses_count(fleet.address()).await?;
    replace_each(fleet, load, CURRENT).await
}

async fn rolling_change(fleet: &mut Fleet, load: &Load) -> Result<(), String> {
    // These keys need a restart. Meanwhile workers of both configurations serve the same sessions.
    fleet.configure(&Change {
        keys: "[session]\nmax_live = 100000\n[api]\nstable = true\n",
        ..UNCHANGED
    })?;
    replace_each(fleet, load, CURRENT).await?;
    for worker in &fleet.workers {
        let limit = block_in_place(|| worker.metric("rendezvous_sessions_limit"));
        if limit != 100_000 {
            return Err(format!("a worker still has max_live = {limit}"));
        }
    }
    Ok(())
}

/// Replaces one worker after the other by one of this binary, while haproxy and the others run. The
/// next one follows when the last one has requests again.
async fn replace_each(fleet: &mut Fleet, load: &Load, binary: ServerBinary) -> Result<(), String> {
    let balancer = fleet.balancer();
    for worker in &mut fleet.workers {
        load.wait_for_sign_ins(SIGN_INS_BETWEEN_STEPS).await?;
        block_in_place(|| {
            worker.replace(binary)?;
            worker.wait_until_used(balancer)
        })?;
    }
    load.wait_for_sign_ins(SIGN_INS_BETWEEN_STEPS).await
}

async fn maintenance(fleet: &mut Fleet, load: &Load) -> Result<(), String> {
    let change = Change {
        keys: "maintenance = true\n[session]\nmax_live = 200000",
        ..UNCHANGED
    };
    reload(fleet, load, &change, Rejection::Maintenance).await
}

/// Reloads a limit of creations that every client exceeds. All clients have one address, and send
/// fifty times as many requests as people, so the other limits are wide enough for that.
async fn limits(fleet: &mut Fleet, load: &Load) -> Result<(), String> {
    let change = Change {
        limits: "create.client = { burst = 1, per_second = 0.01 }\n\
            requests.client = { burst = 1000000, per_second = 1000000 }\n\
            requests.network = { burst = 1000000, per_second = 1000000 }\n\
            requests.session = { burst = 1000000, per_second = 1000000 }\n\
            live = { client = 10000, network = 10000, user = 10000 }",
        ..UNCHANGED
    };
    reload(fleet, load, &change, Rejection::Limit).await
}

/// Makes all workers reject creations, waits until all sign-ins in progress have completed, and
/// changes back.
async fn reload(
    fleet: &mut Fleet,
    load: &Load,
    change: &Change,
    rejection: Rejection,
) -> Result<(), String> {
    load.wait_for_sign_ins(SIGN_INS_BETWEEN_STEPS).await?;
    load.expect_rejection(Some(rejection));
    fleet.configure(change)?;
    reload_each(fleet)?;
    load.wait_until_all_rejected().await?;
    fleet.configure(&UNCHANGED)?;
    reload_each(fleet)?;
    // An earlier rejection may still be on its way to a client. After 80 sign-ins none is.
    load.wait_for_sign_ins(SIGN_INS_BETWEEN_STEPS * 2).await?;
    load.expect_rejection(None);
    load.wait_for_sign_ins(SIGN_INS_BETWEEN_STEPS).await
}

fn reload_each(fleet: &mut Fleet) -> Result<(), String> {
    for worker in &mut fleet.workers {
        block_in_place(|| worker.reload())?;
    }
    Ok(())
}

async fn kill(fleet: &mut Fleet, load: &Load) -> Result<(), String> {
    load.wait_for_sign_ins(SIGN_INS_BETWEEN_STEPS).await?;
    block_in_place(|| fleet.workers[0].kill())?;
    load.wait_for_sign_ins(SIGN_INS_BETWEEN_STEPS * 3).await?;
    let balancer = fleet.balancer();
    block_in_place(|| {
        fleet.workers[0].restart()?;
        fleet.workers[0].wait_until_used(balancer)
    })
}
