//! The connection to Redis: made in the background, remade for ever, never waited for without end.
//!
//! One multiplexed connection per primary. Measured on two cores at 50 clients, one connection was
//! faster than two to eight, since pipelining batches better. Nagle's algorithm stays on
//! (docs/adr/0008-nagle-towards-redis.md).

use crate::clock::Clock;
use crate::config::store::Check;
use crate::lifecycle::BackgroundTask;
use crate::lifecycle::background_task::join;
use crate::store::StoreState;
use crate::store::redis::endpoint::RedisEndpoint;
use crate::store::redis::lease::Leases;
use crate::store::redis::startup_check;
use crate::telemetry::metrics::Metrics;
use fred::clients::Client;
use fred::interfaces::{ClientLike, EventInterface};
use fred::types::config::{ConnectionConfig, PerformanceConfig, ReconnectError, ReconnectPolicy};
use fred::types::{Builder, ConnectHandle};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

/// Commands that may wait for a connection. Past it a request is refused at once: an outage costs
/// each replica this many payloads at most, 16 MiB.
const MAX_WAITING: usize = 4096;

/// Pauses between attempts to connect, in milliseconds: the first is short, since most breaks are
/// one dropped connection; the last and the jitter together stay within a second.
const FIRST_PAUSE_MS: u32 = 20;
const LAST_PAUSE_MS: u32 = 800;
const JITTER_MS: u32 = 200;

/// One attempt to connect, TLS and AUTH included. A Redis that is paused accepts and then says
/// nothing, so without these an attempt would never end.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(1);

/// Time between two looks at a Redis that was found unfit.
const RECHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Time between two warnings that the connection was lost. A demoted primary lets us connect and then
/// refuses the first command, ten times a second.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// How Redis is reached, from the configuration's `store.redis` section.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// Which one, and whom to believe that it is it.
    pub endpoint: RedisEndpoint,
    /// What every key begins with; without braces.
    pub prefix: String,
    /// The longest that one operation may take, from the request's side.
    pub command_timeout: Duration,
    /// Checks whose failure is accepted.
    pub ignore_checks: Vec<Check>,
}

/// The settings cannot work, whatever Redis does.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL is none that fred can dial. The text does not repeat it, since it may hold a password.
    #[error("not a URL of a Redis: {0}")]
    Url(String),
    /// Redis' password is given where it cannot be used.
    #[error("{0}")]
    Password(&'static str),
    /// The Sentinels' is.
    #[error("{0}")]
    SentinelPassword(&'static str),
    /// The CA file is missing, unreadable, or holds no certificate.
    #[error("{path}: {reason}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// rustls refuses the TLS settings.
    #[error("TLS to Redis cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// A client that is not connected yet.
pub(super) fn build_client(settings: &RedisSettings) -> Result<Client, ConnectError> {
    let mut config = settings.endpoint.config()?;
    // Down at the start is an outage like any other: keep trying.
    config.fail_fast = false;
    let mut reconnect = ReconnectPolicy::new_exponential(0, FIRST_PAUSE_MS, LAST_PAUSE_MS, 2);
    reconnect.set_jitter(JITTER_MS);
    Builder::from_config(config)
        .set_policy(reconnect)
        .set_performance_config(PerformanceConfig {
            // A little before the operation's own deadline, so that fred forgets a command that still
            // waits for a connection, and does not send it when nobody wants its answer any more. (A
            // second try that is cut short may still be sent: harmless, as every script is twice.)
            default_command_timeout: settings.command_timeout.mul_f32(0.95),
            ..PerformanceConfig::default()
        })
        .set_connection_config(ConnectionConfig {
            connection_timeout: CONNECT_TIMEOUT,
            internal_command_timeout: HANDSHAKE_TIMEOUT,
            // Trying again is `scripts`' business, which knows that it is harmless and for how long.
            max_command_attempts: 1,
            max_command_buffer_len: MAX_WAITING,
            // A primary that was demoted answers these; another one has its place by now.
            reconnect_errors: vec![
                ReconnectError::ClusterDown,
                ReconnectError::Loading,
                ReconnectError::MasterDown,
                ReconnectError::ReadOnly,
            ],
            ..ConnectionConfig::default()
        })
        .build()
        .map_err(|error| ConnectError::Url(error.details().to_owned()))
}

/// Returns the state of the store and the tasks that set it: one connects and then checks whether this
/// Redis keeps what it is given, one logs and counts what happens to the connection.
pub(super) fn supervise(
    client: Client,
    settings: &RedisSettings,
    leases: &Arc<Leases>,
    metrics: &Arc<Metrics>,
) -> (watch::Receiver<StoreState>, Vec<BackgroundTask>) {
    let (state, receiver) = watch::channel(StoreState::Connecting(None));
    let events = watch_events(
        client.clone(),
        leases.scripts.clock(),
        Arc::clone(metrics),
        state.clone(),
    );
    let check = startup_check::StartupCheck {
        client: client.clone(),
        leases: Arc::clone(leases),
        command_timeout: settings.command_timeout,
        ignore_checks: settings.ignore_checks.clone(),
    };
    let connection = async move {
        // Ends when connected, however long that takes; requests get their 503 meanwhile.
        match client.init().await {
            Ok(handle) => {
                tokio::join!(check_until_fit(&check, &state), watch_client(handle));
            }
            Err(error) => {
                let reason = format!("Redis cannot be connected to: {}", error.details());
                tracing::error!("{reason}");
                state.send_replace(StoreState::Unfit(vec![reason]));
            }
        }
    };
    let tasks = vec![
        BackgroundTask::new("Redis events", events),
        BackgroundTask::new("Redis connection", connection),
    ];
    (receiver, tasks)
}

/// Checks this Redis until every check passes, then sets the state to ready.
async fn check_until_fit(check: &startup_check::StartupCheck, state: &watch::Sender<StoreState>) {
    loop {
        let found = check.run().await;
        if found.is_empty() {
            tracing::info!("Redis is reached and fit");
            state.send_replace(StoreState::Ready);
            return;
        }
        if *state.borrow() != StoreState::Unfit(found.clone()) {
            for reason in &found {
                tracing::error!("not ready: {reason}");
            }
            state.send_replace(StoreState::Unfit(found));
        }
        tokio::time::sleep(RECHECK_INTERVAL).await;
    }
}

/// Panics if the task of fred that reads and writes the connections panics or ends. fred reconnects
/// without end, so that task has no reason to end, and without it every request is a 503 for ever.
async fn watch_client(handle: ConnectHandle) {
    let ended = join(handle).await;
    panic!("the Redis client ended: {ended:?}");
}

/// Logs and counts what happens to the connection: one line when it is lost and one when it is back,
/// however many attempts lie between, and no more of them than one pair in [`LOG_INTERVAL`].
async fn watch_events(
    client: Client,
    clock: Clock,
    metrics: Arc<Metrics>,
    state: watch::Sender<StoreState>,
) {
    let (mut errors, mut connects) = (client.error_rx(), client.reconnect_rx());
    let (mut connected_before, mut logged_lost) = (false, false);
    let mut quiet_until = Duration::ZERO;
    loop {
        tokio::select! {
            event = errors.recv() => match event {
                Ok((error, server)) => {
                    record_connect_error(&state, &error);
                    let server = server.map(|server| server.to_string());
                    if logged_lost || clock.now() < quiet_until {
                        tracing::debug!(%error, server, "Redis is still not reached");
                    } else {
                        (logged_lost, quiet_until) = (true, clock.now() + LOG_INTERVAL);
                        let what = if connected_before {
                            "Redis connection lost"
                        } else {
                            "Redis is not reached"
                        };
                        tracing::warn!(%error, server, "{what}; trying again");
                    }
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            event = connects.recv() => match event {
                Ok(server) => {
                    if logged_lost || !connected_before {
                        tracing::info!(%server, "Redis connected");
                    }
                    if connected_before {
                        metrics.store_reconnects.inc();
                    }
                    (logged_lost, connected_before) = (false, true);
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
        }
    }
}

/// Says on `/readyz` why the first connection is not there yet. Later failures do not show there.
fn record_connect_error(state: &watch::Sender<StoreState>, error: &fred::error::Error) {
    state.send_if_modified(|state| match state {
        StoreState::Connecting(reason) => {
            *reason = Some(error.details().to_owned());
            true
        }
        StoreState::Unfit(_) | StoreState::Ready => false,
    });
}
