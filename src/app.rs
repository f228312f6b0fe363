//! The composition root: the only place that names every concrete type.

pub mod reload;

use crate::admin::{Admin, Readiness};
use crate::app::reload::{Reload, ReloadContext};
use crate::clock::Clock;
use crate::config::Config;
use crate::http::service::{RequestTelemetry, Service};
use crate::lifecycle::{Lifecycle, Signals};
use crate::model::{KEY_ROTATION, PseudonymKey, SharedPseudonymKey};
use crate::net::connection::Connections;
use crate::net::listener;
use crate::policy::Policy;
use crate::policy::auth::TokenVerifier;
use crate::startup::{self, Prepared, PreparedStore};
use crate::store::memory::MemoryStore;
use crate::store::observed::ObservedStore;
use crate::store::redis::RedisStore;
use crate::store::{CurrentShares, SessionLimits, Shares, Store, StoreState};
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::pseudonym::Pseudonyms;
use crate::telemetry::rejection_log::RejectionLog;
use crate::telemetry::request_log::RequestLog;
use crate::telemetry::traces::Traces;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Semaphore, watch};
use tokio_util::task::TaskTracker;

/// What every part is given.
struct AppContext {
    config: Config,
    clock: Clock,
    metrics: Arc<Metrics>,
    lifecycle: Lifecycle,
    /// Of each homeserver.
    issuers: Vec<Option<TokenVerifier>>,
    pseudonyms: Pseudonyms,
    traces: Traces,
    /// What this process is called.
    replica: String,
    /// What each of them may have.
    shares: Arc<CurrentShares>,
    origin: ReloadContext,
}

/// Runs the service until a signal ends it. Returns whether nothing was cut.
///
/// # Errors
/// An address that cannot be listened on; a signal that cannot be caught; TLS settings that rustls refuses.
pub async fn run(
    config: Config,
    prepared: Prepared,
    origin: ReloadContext,
) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let (clock, metrics) = (Clock::system(), Arc::new(Metrics::new()));
    let secret = Arc::<SharedPseudonymKey>::default();
    let pseudonyms = Pseudonyms::new(Arc::clone(&secret));
    let replica = replica(config.telemetry.replica.clone());
    let traces = match prepared.collector {
        Some(collector) => {
            let (counted, time) = (Arc::clone(&metrics), clock.clone());
            Traces::start(collector, &replica, pseudonyms.clone(), counted, time)?
        }
        None => Traces::default(),
    };
    let shares = Shares::from_config(&config.limits);
    let parts = AppContext {
        config,
        clock,
        metrics,
        lifecycle: Lifecycle::new(),
        issuers: prepared.issuers,
        pseudonyms,
        traces: traces.clone(),
        replica,
        shares: Arc::new(CurrentShares::new(shares)),
        origin,
    };
    let limits = SessionLimits {
        ttl: parts.config.session.ttl,
        max_live: parts.config.session.max_live,
        max_writes: parts.config.session.max_writes,
        max_txn_ids: parts.config.session.max_txn_ids,
        shares: Arc::clone(&parts.shares),
    };
    let ended = match prepared.place {
        PreparedStore::Memory => {
            let store = MemoryStore::new(parts.clock.clone(), limits);
            let stop = parts.lifecycle.hard().clone();
            tokio::spawn(async move { stop.run_until_cancelled(renew(&secret)).await });
            let (_, ready) = watch::channel(StoreState::Ready);
            serve(parts, store, ready).await
        }
        PreparedStore::Redis(settings) => {
            let stop = parts.lifecycle.hard();
            let clock = parts.clock.clone();
            let metrics = &parts.metrics;
            let (store, state) =
                RedisStore::start(&settings, limits, clock, metrics, secret, stop)?;
            serve(parts, store, state).await
        }
    };
    traces.shutdown();
    ended
}

async fn serve<S: Store>(
    parts: AppContext,
    store: S,
    state: watch::Receiver<StoreState>,
) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
    let AppContext {
        config,
        clock,
        metrics,
        lifecycle,
        issuers,
        pseudonyms,
        traces,
        replica,
        shares,
        origin,
    } = parts;
    let (counted, time) = (Arc::clone(&metrics), clock.clone());
    let store = Arc::new(ObservedStore::new(store, counted, traces.clone(), time));
    let homeservers = startup::homeservers(&config.homeservers, issuers, &clock, &metrics);
    let homeservers = Arc::new(homeservers);
    let log_users = config.telemetry.log_users;
    let policy = Policy::new(
        config.limits.clone(),
        log_users,
        &clock,
        Arc::clone(&metrics),
    );
    let policy = Arc::new(policy);
    policy.set_maintenance(config.maintenance);
    let (signals, hangups) = Signals::catch()?;
    let log = Arc::clone(&origin.log);
    let reload = Reload {
        origin,
        policy: Arc::clone(&policy),
        shares,
        metrics: Arc::clone(&metrics),
    };
    let stop = lifecycle.hard().clone();
    tokio::spawn(async move { stop.run_until_cancelled(reload.run(hangups)).await });
    let http = bind("http", config.http.listen).await?;
    let operators = bind("admin", config.admin_listen).await?;
    let connections = TaskTracker::new();
    let max_connections = config.http.max_connections;
    let max_live = i64::try_from(config.session.max_live).unwrap_or(i64::MAX);
    metrics.sessions_limit.set(max_live);
    metrics
        .connections_limit
        .set(i64::try_from(max_connections).unwrap_or(i64::MAX));
    let refusals = Arc::new(RejectionLog::new(
        replica.clone(),
        pseudonyms.clone(),
        clock.clone(),
    ));
    let admin = Arc::new(Admin {
        store: Arc::clone(&store),
        readiness: Readiness {
            state,
            lifecycle: lifecycle.clone(),
            policy: Arc::clone(&policy),
            homeservers: Arc::clone(&homeservers),
        },
        metrics: Arc::clone(&metrics),
        connections: connections.clone(),
        clock: clock.clone(),
        counted: Mutex::new(None),
        log,
        refusals: Arc::clone(&refusals),
    });
    let operating = tokio::spawn(admin.run(operators));
    let housekeeper = Arc::clone(&policy);
    let stop = lifecycle.hard().clone();
    tokio::spawn(async move { stop.run_until_cancelled(housekeeper.sweep_forever()).await });
    let probed = Arc::clone(&homeservers);
    tokio::spawn(async move { probed.probe_verifiers().await });
    let (is_on, told) = (config.telemetry.access_log, Arc::clone(&refusals));
    let telemetry = RequestTelemetry {
        metrics: Arc::clone(&metrics),
        request_log: RequestLog::new(AccessLog::new(is_on, replica, pseudonyms), told),
        traces,
    };
    let time = clock.clone();
    let service = Service::new(&config, store, policy, homeservers, telemetry, time);
    let leaving = lifecycle.clone();
    let shared = Connections::new(&config, service, leaving, metrics, refusals, clock);
    let shared = Arc::new(shared);
    let (tracker, soft) = (connections.clone(), lifecycle.soft().clone());
    let accepting = tokio::spawn(async move {
        let permits = Arc::new(Semaphore::new(max_connections));
        listener::accept(http, permits, &tracker, &soft, |stream, peer| {
            Arc::clone(&shared).serve(stream, peer)
        })
        .await;
    });
    // A worker that says it is ready and serves nobody is worse than none.
    tokio::select! {
        all_ended = lifecycle.run(signals, config.shutdown, &connections) => Ok(all_ended),
        Err(panic) = accepting => Err(panic.into()),
        Err(panic) = operating => Err(panic.into()),
    }
}

/// What this process is called: as configured, or as its host.
fn replica(configured: Option<String>) -> String {
    configured.unwrap_or_else(|| gethostname::gethostname().to_string_lossy().into_owned())
}

/// Makes a new secret each day, where no Redis does.
async fn renew(secret: &SharedPseudonymKey) {
    loop {
        tokio::time::sleep(KEY_ROTATION).await;
        secret.set(PseudonymKey::random());
    }
}

async fn bind(name: &'static str, address: SocketAddr) -> Result<TcpListener, std::io::Error> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        std::io::Error::new(error.kind(), format!("{name}.listen = {address}: {error}"))
    })?;
    tracing::info!(listener = name, address = %listener.local_addr()?, "listening");
    Ok(listener)
}
