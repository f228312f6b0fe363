//! The composition root: the only file that names every concrete type.

use crate::admin::Admin;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::http::service::Service;
use crate::lifecycle::Lifecycle;
use crate::net::connection::Connections;
use crate::net::listener;
use crate::policy::Policy;
use crate::store::memory::MemoryStore;
use crate::store::observed::Observed;
use crate::store::redis::{RedisSettings, RedisStore};
use crate::store::{SessionLimits, Store, StoreState};
use crate::telemetry::metrics::Metrics;
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
}

/// Runs the service until a signal ends it. Returns whether nothing was cut.
///
/// # Errors
/// An address that cannot be listened on; store settings that cannot work.
pub async fn run(config: Config) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let (clock, metrics) = (Clock::system(), Arc::new(Metrics::new()));
    let parts = Parts {
        config,
        clock,
        metrics,
        lifecycle: Lifecycle::new(),
    };
    let limits = SessionLimits {
        ttl: parts.config.session.ttl,
        max_live: parts.config.session.max_live,
        max_txn_ids: parts.config.session.max_txn_ids,
    };
    match parts.config.store.clone() {
        config::store::Store::Memory => {
            let store = MemoryStore::new(parts.clock.clone(), limits);
            let (_, ready) = watch::channel(StoreState::Ready);
            serve(parts, store, ready).await
        }
        config::store::Store::Redis(redis) => {
            let settings = redis_settings(redis);
            let stop = parts.lifecycle.hard();
            let (store, state) = RedisStore::start(&settings, limits, &parts.metrics, stop)?;
            serve(parts, store, state).await
        }
    }
}

fn redis_settings(redis: config::store::Redis) -> RedisSettings {
    RedisSettings {
        url: redis.url.expose().to_owned(),
        prefix: redis.prefix,
        command_timeout: redis.command_timeout,
        ca_file: redis.ca_file,
        accept: redis.accept,
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
    } = parts;
    let store = Arc::new(Observed::new(store, Arc::clone(&metrics), clock.clone()));
    let policy = Arc::new(Policy::new(config.limits, &clock, Arc::clone(&metrics)));
    let http = bind("http", config.http.listen).await?;
    let operators = bind("admin", config.admin_listen).await?;
    let connections = TaskTracker::new();
    let max_connections = config.http.max_connections;
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
    });
    tokio::spawn(admin.run(operators));
    let housekeeper = Arc::clone(&policy);
    let stop = lifecycle.hard().clone();
    tokio::spawn(async move { stop.run_until_cancelled(housekeeper.housekeeping()).await });
    let shared = Arc::new(Connections {
        service: Service::new(&config, store, policy, Arc::clone(&metrics), clock.clone()),
        config: config.http.clone(),
        lifecycle: lifecycle.clone(),
        metrics,
        clock,
    });
    let (tracker, soft) = (connections.clone(), lifecycle.soft().clone());
    tokio::spawn(async move {
        let permits = Arc::new(Semaphore::new(max_connections));
        listener::accept(http, permits, &tracker, &soft, |stream, peer| {
            Arc::clone(&shared).serve(stream, peer)
        })
        .await;
    });
    Ok(lifecycle.run(config.shutdown, &connections).await?)
}

async fn bind(name: &'static str, address: SocketAddr) -> Result<TcpListener, std::io::Error> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        std::io::Error::new(error.kind(), format!("{name}.listen = {address}: {error}"))
    })?;
    tracing::info!(listener = name, address = %listener.local_addr()?, "listening");
    Ok(listener)
}
