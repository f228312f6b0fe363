//! The composition root: the only file that names every concrete type.

use crate::admin::Admin;
use crate::clock::Clock;
use crate::config::{self, Config, Problem};
use crate::http::service::Service;
use crate::lifecycle::{Lifecycle, Signals};
use crate::model::{CurrentSecret, Secret};
use crate::net::connection::Connections;
use crate::net::listener;
use crate::policy::auth::{Auth, Issuer, SetupError};
use crate::policy::{Homeserver, Homeservers, Policy};
use crate::reload::{Origin, Reload};
use crate::store::memory::MemoryStore;
use crate::store::observed::Observed;
use crate::store::redis::{ConnectError, RedisSettings, RedisStore, SECRET_LIFE, Server};
use crate::store::{CurrentShares, SessionLimits, Shares, Store, StoreState};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::refusals::Refusals;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Semaphore, watch};
use tokio_util::task::TaskTracker;

/// What every part is given.
struct Parts {
    config: Config,
    clock: Clock,
    metrics: Arc<Metrics>,
    lifecycle: Lifecycle,
    /// Of each homeserver.
    issuers: Vec<Option<Issuer>>,
    /// What hashes clients and users.
    secret: Arc<CurrentSecret>,
    /// What each of them may have.
    shares: Arc<CurrentShares>,
    origin: Origin,
}

/// What only the parts can judge, settled before anything runs.
#[derive(Debug)]
pub struct Settled {
    place: Place,
    issuers: Vec<Option<Issuer>>,
}

/// Where sessions will live.
#[derive(Debug)]
pub enum Place {
    /// In this process.
    Memory,
    /// In Redis.
    Redis(Box<RedisSettings>),
}

/// Settles what only a part can judge. For every command, so that `config check` refuses what `serve`
/// would.
///
/// # Errors
/// Everything that is wrong, by the keys of the configuration.
pub fn settle(config: &Config) -> Result<Settled, Vec<Problem>> {
    let (mut issuers, mut problems) = (Vec::new(), Vec::new());
    for homeserver in &config.homeservers {
        match issuer(homeserver) {
            Ok(issuer) => issuers.push(issuer),
            Err(problem) => problems.push(problem),
        }
    }
    match place(config) {
        Ok(place) if problems.is_empty() => Ok(Settled { place, issuers }),
        Ok(_) => Err(problems),
        Err(more) => Err([more, problems].concat()),
    }
}

fn issuer(homeserver: &config::homeserver::Homeserver) -> Result<Option<Issuer>, Problem> {
    let issuer = homeserver.auth.as_ref().map(Issuer::new).transpose();
    issuer.map_err(|error| {
        let at = &homeserver.at;
        let key = match error {
            SetupError::CaFile(_) | SetupError::Tls(_) => format!("{at}.ca_file"),
            SetupError::Url(_) => at.clone(),
            SetupError::Secret(_) => format!("{at}.introspection.client_secret"),
        };
        Problem::new(key, error.to_string())
    })
}

/// The homeservers as they run, each with whom it asks.
fn homeservers(
    settings: &[config::homeserver::Homeserver],
    issuers: Vec<Option<Issuer>>,
    clock: &Clock,
    metrics: &Arc<Metrics>,
) -> Homeservers {
    let mut by_host = HashMap::new();
    for (homeserver, issuer) in settings.iter().zip(issuers) {
        let name = homeserver.hosts.first().cloned().unwrap_or_default();
        let auth =
            issuer.map(|issuer| Auth::new(issuer, &name, clock.clone(), Arc::clone(metrics)));
        let running = Homeserver {
            name,
            mode: homeserver.mode,
            auth,
            public_base_url: homeserver.public_base_url.clone(),
        };
        if homeserver.hosts.is_empty() {
            return Homeservers::Only(Box::new(running));
        }
        let running = Arc::new(running);
        for host in &homeserver.hosts {
            by_host.insert(host.clone(), Arc::clone(&running));
        }
    }
    Homeservers::ByHost(by_host)
}

fn place(config: &Config) -> Result<Place, Vec<Problem>> {
    let redis = match &config.store {
        config::store::Store::Memory => return Ok(Place::Memory),
        config::store::Store::Redis(redis) => redis,
    };
    let problem = |error: ConnectError| {
        let key = match error {
            ConnectError::Url(_) | ConnectError::Tls(_) => redis.url_key,
            ConnectError::CaFile { .. } => "store.redis.ca_file",
        };
        Problem::new(key, error.to_string())
    };
    let server = Server::parse(redis.url.expose(), redis.ca_file.as_deref())
        .map_err(|errors| errors.into_iter().map(problem).collect::<Vec<_>>())?;
    Ok(Place::Redis(Box::new(RedisSettings {
        server,
        prefix: redis.prefix.clone(),
        command_timeout: redis.command_timeout,
        accept: redis.accept.clone(),
    })))
}

/// Runs the service until a signal ends it. Returns whether nothing was cut.
///
/// # Errors
/// An address that cannot be listened on; a signal that cannot be caught; TLS settings that rustls refuses.
pub async fn run(
    config: Config,
    settled: Settled,
    origin: Origin,
) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let (clock, metrics) = (Clock::system(), Arc::new(Metrics::new()));
    let shares = Shares::of(&config.limits);
    let parts = Parts {
        config,
        clock,
        metrics,
        lifecycle: Lifecycle::new(),
        issuers: settled.issuers,
        secret: Arc::default(),
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
    match settled.place {
        Place::Memory => {
            let store = MemoryStore::new(parts.clock.clone(), limits);
            let (secret, stop) = (Arc::clone(&parts.secret), parts.lifecycle.hard().clone());
            tokio::spawn(async move { stop.run_until_cancelled(renew(&secret)).await });
            let (_, ready) = watch::channel(StoreState::Ready);
            serve(parts, store, ready).await
        }
        Place::Redis(settings) => {
            let stop = parts.lifecycle.hard();
            let clock = parts.clock.clone();
            let (metrics, secret) = (&parts.metrics, Arc::clone(&parts.secret));
            let (store, state) =
                RedisStore::start(&settings, limits, clock, metrics, secret, stop)?;
            serve(parts, store, state).await
        }
    }
}

async fn serve<S: Store>(
    parts: Parts,
    store: S,
    state: watch::Receiver<StoreState>,
) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
    let Parts {
        config,
        clock,
        metrics,
        lifecycle,
        issuers,
        secret,
        shares,
        origin,
    } = parts;
    let store = Arc::new(Observed::new(store, Arc::clone(&metrics), clock.clone()));
    let homeservers = Arc::new(homeservers(&config.homeservers, issuers, &clock, &metrics));
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
    let admin = Arc::new(Admin {
        store: Arc::clone(&store),
        state,
        lifecycle: lifecycle.clone(),
        metrics: Arc::clone(&metrics),
        connections: connections.clone(),
        clock: clock.clone(),
        counted: Mutex::new(None),
        log,
    });
    let operating = tokio::spawn(admin.run(operators));
    let housekeeper = Arc::clone(&policy);
    let stop = lifecycle.hard().clone();
    tokio::spawn(async move { stop.run_until_cancelled(housekeeper.housekeeping()).await });
    let probed = Arc::clone(&homeservers);
    tokio::spawn(async move { probed.probe().await });
    let (counted, time) = (Arc::clone(&metrics), clock.clone());
    let refusals = Arc::new(Refusals::new(secret, clock.clone()));
    let told = Arc::clone(&refusals);
    let service = Service::new(&config, store, policy, homeservers, counted, told, time);
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

/// Makes a new secret each day, where no Redis does.
async fn renew(secret: &CurrentSecret) {
    loop {
        tokio::time::sleep(SECRET_LIFE).await;
        secret.set(Secret::random());
    }
}

async fn bind(name: &'static str, address: SocketAddr) -> Result<TcpListener, std::io::Error> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        std::io::Error::new(error.kind(), format!("{name}.listen = {address}: {error}"))
    })?;
    tracing::info!(listener = name, address = %listener.local_addr()?, "listening");
    Ok(listener)
}
