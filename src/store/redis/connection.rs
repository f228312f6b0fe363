//! The connection to Redis: made in the background, and remade for ever. No request waits for it
//! without a bound.
//!
//! There is one multiplexed connection per primary. Measured on two cores with 50 clients, one
//! connection was faster than two to eight, since pipelining batches better. Nagle's algorithm
//! stays on (docs/adr/0008-nagle-towards-redis.md).

use crate::clock::Clock;
use crate::config::store::Check;
use crate::lifecycle::BackgroundTask;
use crate::lifecycle::background_task::join;
use crate::store::StoreState;
use crate::store::redis::endpoint::{ConnectError, RedisEndpoint};
use crate::store::redis::error_text::describe;
use crate::store::redis::lease::Leases;
use crate::store::redis::startup_check;
use crate::telemetry::metrics::Metrics;
use fred::clients::Client;
use fred::interfaces::{ClientLike, EventInterface};
use fred::types::config::{ConnectionConfig, PerformanceConfig, ReconnectError, ReconnectPolicy};
use fred::types::{Builder, ConnectHandle};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

/// Maximum number of commands that wait for a connection. Past it, commands fail at once. So an
/// outage costs each replica at most 4,096 payloads, 16 MiB.
const MAX_WAITING: usize = 4096;

/// Pauses between connection attempts, in milliseconds. The first is short, since most failures are
/// a single dropped connection. The last pause and the jitter together stay within a second.
const FIRST_PAUSE_MS: u32 = 20;
const LAST_PAUSE_MS: u32 = 800;
const JITTER_MS: u32 = 200;

/// Timeouts of one connection attempt, with TLS and AUTH. A paused Redis accepts connections and
/// sends nothing, so without these an attempt would never end.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(1);

/// Interval between two start-up checks of a Redis that was found unfit.
const RECHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Minimum time between two warnings about a lost connection. A demoted primary accepts connections
/// and rejects the first command, ten times a second.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Settings of the Redis store, from the configuration's section `store.redis`.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// The URL, credentials and trusted roots.
    pub endpoint: RedisEndpoint,
    /// Prefix of every key. It contains no braces.
    pub prefix: String,
    /// Maximum duration of one operation, including all its calls and retries.
    pub command_timeout: Duration,
    /// Start-up checks to ignore.
    pub ignore_checks: Vec<Check>,
}

/// Builds a client that is not connected yet.
///
/// # Errors
/// [`ConnectError::Tls`] if rustls rejects the TLS settings, [`ConnectError::Client`] if fred
/// rejects the settings.
pub(super) fn build_client(settings: &RedisSettings) -> Result<Client, ConnectError> {
    let mut config = settings.endpoint.config()?;
    // A Redis that is down at the start is an outage like any other: keep trying.
    config.fail_fast = false;
    let mut reconnect = ReconnectPolicy::new_exponential(0, FIRST_PAUSE_MS, LAST_PAUSE_MS, 2);
    reconnect.set_jitter(JITTER_MS);
    Builder::from_config(config)
        .set_policy(reconnect)
        .set_performance_config(PerformanceConfig {
            // A little below the operation's deadline, so that fred drops a command that still
            // waits for a connection, and does not send it after the request has ended. (A second
            // try that is cut short may still be sent. That is harmless, as every script is
            // idempotent.)
            default_command_timeout: settings.command_timeout.mul_f32(0.95),
            ..PerformanceConfig::default()
        })
        .set_connection_config(ConnectionConfig {
            connection_timeout: CONNECT_TIMEOUT,
            internal_command_timeout: HANDSHAKE_TIMEOUT,
            // Retries are the business of `scripts`, which knows that they are harmless and when to
            // stop.
            max_command_attempts: 1,
            max_command_buffer_len: MAX_WAITING,
            // A demoted primary returns these. Another server has its role by then.
            reconnect_errors: vec![
                ReconnectError::ClusterDown,
                ReconnectError::Loading,
                ReconnectError::MasterDown,
                ReconnectError::ReadOnly,
            ],
            ..ConnectionConfig::default()
        })
        .build()
        .map_err(ConnectError::Client)
}

/// Returns the state of the store and the tasks that set it. One task connects and then repeats the
/// start-up check until this Redis is fit. The other logs and counts connection events.
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
        // Returns once connected, however long that takes. Until then requests get 503.
        match client.init().await {
            Ok(handle) => {
                tokio::join!(check_until_fit(&check, &state), watch_client(handle));
            }
            Err(error) => {
                let reason = format!("connecting to Redis failed for good: {}", describe(&error));
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

/// Repeats the start-up check until this Redis is fit, then sets the state to ready.
async fn check_until_fit(check: &startup_check::StartupCheck, state: &watch::Sender<StoreState>) {
    loop {
        let problems = check.run().await;
        if problems.is_empty() {
            tracing::info!("Redis is reachable and fit");
            state.send_replace(StoreState::Ready);
            return;
        }
        if *state.borrow() != StoreState::Unfit(problems.clone()) {
            for reason in &problems {
                tracing::error!("not ready: {reason}");
            }
            state.send_replace(StoreState::Unfit(problems));
        }
        tokio::time::sleep(RECHECK_INTERVAL).await;
    }
}

/// Panics if the task of fred that reads and writes the connections panics or ends. fred reconnects
/// without end, so that task has no reason to end. Without it every request gets a 503 for ever.
async fn watch_client(handle: ConnectHandle) {
    let ended = join(handle).await;
    panic!("the Redis client ended: {ended:?}");
}

/// Logs and counts connection events: one line for a loss and one for the recovery, whatever the
/// number of attempts, and at most one such pair in [`LOG_INTERVAL`].
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
                    let error = describe(&error);
                    record_connect_error(&state, &error);
                    let server = server.map(|server| server.to_string());
                    if logged_lost || clock.now() < quiet_until {
                        tracing::debug!(error, server, "Redis is still unreachable");
                    } else {
                        (logged_lost, quiet_until) = (true, clock.now() + LOG_INTERVAL);
                        let event = if connected_before {
                            "Redis connection lost"
                        } else {
                            "Redis is unreachable"
                        };
                        tracing::warn!(error, server, "{event}, retrying");
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

/// Publishes on `/readyz` why the first connection is not made yet. Later failures are not shown
/// there.
fn record_connect_error(state: &watch::Sender<StoreState>, error: &str) {
    state.send_if_modified(|state| match state {
        StoreState::Connecting(reason) => {
            *reason = Some(error.to_owned());
            true
        }
        StoreState::Unfit(_) | StoreState::Ready => false,
    });
}
