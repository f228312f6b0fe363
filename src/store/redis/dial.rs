//! Opens one connection to one server: settings read, address found, authenticated, role checked.
//!
//! A fred client lives for one connection: it has no reconnect policy, and its task ends with the
//! connection. `node` opens the next one. So a client that has ended for any reason is replaced, and
//! each connection uses the secrets that are current.

use crate::store::redis::address::{Address, reachable_host};
use crate::store::redis::endpoint::RedisEndpoint;
use crate::store::redis::error_kind::is_permission_error;
use crate::store::redis::error_text::describe;
use crate::store::redis::replication::ReplicationConfig;
use crate::store::redis::source::RedisSource;
use crate::store::redis::url::Layout;
use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::{ClientLike, ClusterInterface};
use fred::types::config::{Config, ConnectionConfig, PerformanceConfig, ReconnectError};
use fred::types::{Builder, InfoKind};
use futures_util::FutureExt;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinError;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

/// Maximum number of commands that wait to be sent on one connection. Past it, commands fail at
/// once. `call_permits` limits scripts to fewer, except those that follow ASK. So a connection that
/// sends nothing costs at most 4,096 payloads, 16 MiB.
const MAX_QUEUED: usize = 4096;

/// Time limits of one attempt: to read the files, to find an address, to connect, and to set the
/// connection up with TLS and AUTH. A paused Redis accepts connections and sends nothing, so without
/// these an attempt would never end.
const READ_TIMEOUT: Duration = Duration::from_secs(2);
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(1);

/// What a server must be, for a connection to be of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Any server with data.
    Any,
    /// A primary. A replica refuses writes, and the sentinels name another server soon.
    Primary,
    /// A node in Cluster mode. Without it, a node would answer from its own data, as if every
    /// session were gone.
    ClusterNode,
    /// A sentinel.
    Sentinel,
}

/// An open connection, and the task of fred that reads and writes it. The task ends with the
/// connection; dropping this ends both.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) client: Client,
    pub(super) task: AbortOnDropHandle<Result<(), Error>>,
    /// The second connection, for WAIT, if workers wait for replicas.
    pub(super) replication: Option<(Box<Opened>, ReplicationConfig)>,
}

impl Opened {
    /// Waits until the connection, or the second one, has ended.
    pub(super) async fn ended(&mut self) -> Result<Result<(), Error>, JoinError> {
        match &mut self.replication {
            Some((second, _)) => tokio::select! {
                ended = &mut self.task => ended,
                ended = &mut second.task => ended,
            },
            None => (&mut self.task).await,
        }
    }
}

/// Opens connections.
#[derive(Debug)]
pub(super) struct Dialer {
    source: RedisSource,
    /// The layout at the start.
    layout: Layout,
    command_timeout: Duration,
    replication: Option<ReplicationConfig>,
    /// Whether the log says that the files now name other servers or another database.
    changed_layout_logged: AtomicBool,
}

impl Dialer {
    pub(super) fn new(
        source: RedisSource,
        layout: Layout,
        command_timeout: Duration,
        replication: Option<ReplicationConfig>,
    ) -> Self {
        Self {
            replication,
            source,
            layout,
            command_timeout,
            changed_layout_logged: AtomicBool::new(false),
        }
    }

    /// The time limit of a call.
    pub(super) fn command_timeout(&self) -> Duration {
        self.command_timeout
    }

    /// Opens a connection to a server that has the role, for questions about the other servers.
    ///
    /// # Errors
    /// Why that failed, in a text without secrets.
    pub(super) async fn open(&self, address: &Address, role: Role) -> Result<Opened, String> {
        let config = self.read_config(address, role).await?;
        self.connect_as(config, role).await
    }

    /// Opens a connection for scripts to a server that has the role, and the second one if workers wait
    /// for replicas.
    ///
    /// # Errors
    /// Why that failed, in a text without secrets.
    pub(super) async fn open_for_scripts(
        &self,
        address: &Address,
        role: Role,
    ) -> Result<Opened, String> {
        let config = self.read_config(address, role).await?;
        let mut opened = self.connect_as(config.clone(), role).await?;
        if let Some(replication) = self.replication {
            let second = self.connect_as(config, role).await?;
            let checked = check_same_server(&opened.client, &second.client);
            let checked = timeout(HANDSHAKE_TIMEOUT, checked).await;
            checked.unwrap_or_else(|_| Err("no reply to INFO".to_owned()))?;
            opened.replication = Some((Box::new(second), replication));
        }
        Ok(opened)
    }

    /// Reads the files, and finds an address that accepts connections.
    async fn read_config(&self, address: &Address, role: Role) -> Result<Config, String> {
        let endpoint = self.read_settings().await?;
        let host = match address {
            Address::Tcp(host, port) => timeout(RESOLVE_TIMEOUT, reachable_host(host, *port))
                .await
                .map_err(|_| "no address of the name accepts a connection".to_owned())?
                .map_err(|error| error.to_string())?,
            Address::Unix(path) => {
                check_socket(path)?;
                String::new()
            }
        };
        Ok(match role {
            Role::Sentinel => endpoint.sentinel_config(address, &host),
            Role::Any | Role::Primary | Role::ClusterNode => {
                endpoint.data_config(address, &host, self.layout.database())
            }
        })
    }

    async fn connect_as(&self, config: Config, role: Role) -> Result<Opened, String> {
        let opened = self.connect(config).await;
        let opened = opened.map_err(|error| describe(&error))?;
        let checked = timeout(HANDSHAKE_TIMEOUT, check_role(&opened.client, role)).await;
        checked.unwrap_or_else(|_| Err("no reply to INFO".to_owned()))?;
        Ok(opened)
    }

    async fn read_settings(&self) -> Result<RedisEndpoint, String> {
        let source = self.source.clone();
        let read = tokio::task::spawn_blocking(move || source.read());
        let endpoint = match timeout(READ_TIMEOUT, read).await {
            Ok(Ok(read)) => read.map_err(|problems| {
                let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
                problems.join("; ")
            })?,
            Ok(Err(_)) | Err(_) => return Err("the settings' files cannot be read".to_owned()),
        };
        if *endpoint.layout() != self.layout
            && !self.changed_layout_logged.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                "the URL of Redis now names other servers or another database: that needs a restart"
            );
        }
        Ok(endpoint)
    }

    async fn connect(&self, mut config: Config) -> Result<Opened, Error> {
        config.fail_fast = true;
        let client = Builder::from_config(config)
            .set_performance_config(PerformanceConfig {
                // A little below the operation's deadline, so that fred's error comes first, and
                // says which connection did not answer.
                default_command_timeout: self.command_timeout.mul_f32(0.95),
                ..PerformanceConfig::default()
            })
            .set_connection_config(ConnectionConfig {
                connection_timeout: CONNECT_TIMEOUT,
                internal_command_timeout: HANDSHAKE_TIMEOUT,
                // Retries are the business of `scripts`, which knows that they are harmless and
                // when to stop.
                max_command_attempts: 1,
                max_command_buffer_len: MAX_QUEUED,
                // A demoted primary returns these. Another server has its role by then, or this one
                // must be looked up again.
                reconnect_errors: vec![
                    ReconnectError::Loading,
                    ReconnectError::MasterDown,
                    ReconnectError::ReadOnly,
                ],
                ..ConnectionConfig::default()
            })
            .build()?;
        let waiting = client.clone();
        let mut connected = pin!(waiting.wait_for_connect());
        // Polled before the task starts, so that its result cannot come before somebody waits.
        if let Some(Err(error)) = connected.as_mut().now_or_never() {
            return Err(error);
        }
        let mut task = AbortOnDropHandle::new(client.connect());
        let outcome = tokio::select! {
            ended = &mut task => match ended {
                Ok(Err(error)) => Err(error),
                Ok(Ok(())) | Err(_) => Err(Error::new_canceled()),
            },
            connected = connected => connected,
            () = tokio::time::sleep(CONNECT_TIMEOUT + HANDSHAKE_TIMEOUT) => {
                Err(Error::from(std::io::Error::from(std::io::ErrorKind::TimedOut)))
            }
        };
        outcome.map(|()| Opened {
            client,
            task,
            replication: None,
        })
    }
}

/// fred has no time limit and a poor error for a Unix socket that does not exist.
fn check_socket(path: &Path) -> Result<(), String> {
    path.metadata()
        .map(drop)
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// Checks that two connections lead to one process. Behind a name that moves, or a proxy, they might
/// not, and WAIT would say nothing about the scripts.
async fn check_same_server(one: &Client, other: &Client) -> Result<(), String> {
    let run_id = async |client: &Client| {
        let info = client.info::<String>(Some(InfoKind::Server)).await;
        let info = info.map_err(|error| describe(&error))?;
        let line = info.lines().find(|line| line.starts_with("run_id:"));
        line.map(str::to_owned)
            .ok_or_else(|| "INFO has no run_id".to_owned())
    };
    if run_id(one).await? == run_id(other).await? {
        Ok(())
    } else {
        Err("two connections lead to different servers".to_owned())
    }
}

/// Checks the role of a server. What it does not reveal is taken as right.
async fn check_role(client: &Client, role: Role) -> Result<(), String> {
    match role {
        Role::Any | Role::Sentinel => Ok(()),
        Role::Primary => match client.info::<String>(Some(InfoKind::Replication)).await {
            Ok(info) if info.contains("role:slave") => Err("is a replica".to_owned()),
            Ok(_) => Ok(()),
            Err(error) => match describe(&error) {
                reason if is_permission_error(&reason) => Ok(()),
                reason => Err(reason),
            },
        },
        Role::ClusterNode => {
            let info = client.cluster_info::<String>().await;
            info.map(drop).map_err(|error| describe(&error))
        }
    }
}
