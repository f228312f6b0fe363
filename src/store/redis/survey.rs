//! A survey of Redis for the doctor: the checks of a worker at its start, in the same words.

use crate::clock::Clock;
use crate::config::store::Check;
use crate::store::redis::build::{RedisParts, RedisSettings};
use crate::store::redis::error_kind::is_refusal;
use crate::store::redis::node::NodeContext;
use crate::store::redis::server_info::ServerInfo;
use crate::store::redis::startup_check::{StartupCheck, StartupResult};
use crate::store::redis::topology::Topology;
use crate::store::{SessionLimits, StoreError, StoreState};
use crate::telemetry::metrics::Metrics;
use fred::interfaces::ClientLike;
use fred::types::InfoKind;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The result of one survey.
#[derive(Debug)]
pub struct RedisSurvey {
    /// The primaries that have a connection, with what INFO has of each.
    pub servers: Vec<SurveyedServer>,
    /// The primaries that have no connection: the address of each, and the reason.
    pub unconnected: Vec<String>,
    /// The checks of the start that failed and are not ignored, with the reason.
    pub failed: Vec<(Check, String)>,
    /// Why some checks have no result.
    pub inconclusive: Option<String>,
    /// What an operator should know although nothing failed.
    pub notes: Vec<String>,
    /// The write probe. `None` if none was to be made.
    pub write: Option<WriteProbe>,
    /// `used_memory` and `maxmemory` of the primary that is nearest to its limit, in bytes. The limit
    /// is 0 if there is none.
    pub memory: Option<(u64, u64)>,
}

/// The result of the write probe of a worker.
#[derive(Debug)]
pub enum WriteProbe {
    /// Redis wrote.
    Accepted,
    /// Redis refused, with this reason.
    Refused(String),
    /// There was no reply, or none that a worker understands.
    NoReply(String),
}

/// A primary.
#[derive(Debug)]
pub struct SurveyedServer {
    /// The address of the connection.
    pub address: String,
    /// Its name and version, such as `Redis 7.2.4`, if INFO has it.
    pub version: Option<String>,
    /// Its clock and this machine's at the same time, if INFO has it.
    pub clocks: Option<(SystemTime, SystemTime)>,
}

impl RedisSurvey {
    /// Connects to every primary, and takes one session of its own from creation to deletion if it
    /// `may_write`. Waits at most `wait` for the connections.
    ///
    /// # Errors
    /// Why the server of the leases has no connection, in a text without secrets.
    pub async fn run(
        settings: &RedisSettings,
        limits: SessionLimits,
        clock: &Clock,
        wait: Duration,
        may_write: bool,
    ) -> Result<Self, String> {
        let metrics = Arc::new(Metrics::new());
        let parts = RedisParts::new(settings, limits, clock, &metrics, Arc::default());
        let mut tasks = JoinSet::new();
        for task in parts.tasks {
            tasks.spawn(task.future);
        }
        let check = StartupCheck {
            may_write,
            ..parts.check
        };
        let topology = check.leases.scripts.topology();
        let mut is_lease_connected = false;
        let connect = async {
            check.wait_for_connection().await;
            is_lease_connected = true;
            topology.wait_for_all_connections().await;
        };
        let _all_connected = timeout(wait, connect).await;
        let unconnected = unconnected(topology, &parts.context);
        if is_lease_connected {
            Ok(Self::run_checks(&check, unconnected, clock).await)
        } else if unconnected.is_empty() {
            Err(match &*parts.context.state.borrow() {
                StoreState::Connecting(Some(reason)) => reason.clone(),
                _ => "no server has accepted a connection".to_owned(),
            })
        } else {
            Err(unconnected.join("; "))
        }
    }

    async fn run_checks(check: &StartupCheck, unconnected: Vec<String>, clock: &Clock) -> Self {
        let servers = servers(check, clock).await;
        let StartupResult {
            failed,
            inconclusive,
            notes,
            memory,
            ..
        } = check.run().await;
        let write = if check.may_write {
            Some(write(check).await)
        } else {
            None
        };
        Self {
            servers,
            unconnected,
            failed,
            inconclusive,
            notes,
            write,
            memory: memory.map(|memory| (memory.used, memory.limit)),
        }
    }
}

/// Returns each primary without a connection, with the reason.
fn unconnected(topology: &Topology, context: &NodeContext) -> Vec<String> {
    let addresses = topology.unconnected().into_iter();
    addresses
        .map(|address| {
            let problem = context.connection_problem(&address);
            problem.unwrap_or_else(|| format!("{address}: no attempt to connect has ended yet"))
        })
        .collect()
}

/// Makes the write probe of a worker.
async fn write(check: &StartupCheck) -> WriteProbe {
    match check.leases.fetch_pseudonym_key().await {
        Ok(()) => WriteProbe::Accepted,
        Err(StoreError::Unavailable(reason) | StoreError::Rejected(reason))
            if is_refusal(&reason) =>
        {
            WriteProbe::Refused(reason)
        }
        Err(error @ StoreError::NotReplicated(_)) => WriteProbe::Refused(error.to_string()),
        Err(error) => WriteProbe::NoReply(error.to_string()),
    }
}

/// Fetches INFO of each primary. One without INFO is in the list by its address.
async fn servers(check: &StartupCheck, clock: &Clock) -> Vec<SurveyedServer> {
    let mut servers = Vec::new();
    for primary in check.leases.scripts.topology().primaries() {
        let info = primary.client().info::<String>(Some(InfoKind::Server));
        let info = info.await.map(|text| ServerInfo::parse(&text));
        let here = clock.time_of_day();
        let info = info.unwrap_or_default();
        servers.push(SurveyedServer {
            address: primary.address().to_string(),
            version: info.name_and_version(),
            clocks: info.time().map(|there| (there, here)),
        });
    }
    servers
}
