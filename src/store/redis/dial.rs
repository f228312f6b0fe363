//! Opens one connection to one server: settings read, address found, authenticated, role checked.
//!
//! A fred client lives for one connection: it has no reconnect policy, and its task ends with the
//! connection. `node` opens the next one. So a client that has ended for any reason is replaced, and
//! each connection uses the secrets that are current.

mod role;

use crate::store::redis::address::{Address, reachable_host};
use crate::store::redis::endpoint::{RedisEndpoint, with_messages};
use crate::store::redis::error_kind::is_permission_error;
use crate::store::redis::error_text::describe;
use crate::store::redis::replication::ReplicationConfig;
use crate::store::redis::source::RedisSource;
use crate::store::redis::url::Layout;
use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::ClientLike;
use fred::types::Builder;
use fred::types::config::{Config, ConnectionConfig, PerformanceConfig, ReconnectError};
use futures_util::FutureExt;
pub(super) use role::Role;
use role::{check_role, check_same_server};
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

/// Maximum number of messages of a subscription that wait to be read. fred keeps nine such queues for a
/// connection, and allocates each as a whole.
const MAX_EVENTS: usize = 32;
const MAX_HINTS: usize = 1024;

/// Time limits of one attempt: to read the files, to find an address, to connect, and to set the
/// connection up with TLS and AUTH. A paused Redis accepts connections and sends nothing, so without
/// these an attempt would never end.
const READ_TIMEOUT: Duration = Duration::from_secs(2);
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(1);

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
    /// Whether the password in the URL has a percent-encoded character.
    has_escape_in_password: AtomicBool,
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
            has_escape_in_password: AtomicBool::new(false),
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
        self.connect_as(config, role, MAX_EVENTS).await
    }

    /// Opens a connection that can subscribe, to the server that `scripts` leads to.
    ///
    /// # Errors
    /// Why that failed, in a text without secrets.
    pub(super) async fn open_for_messages(
        &self,
        address: &Address,
        role: Role,
        scripts: &Client,
    ) -> Result<Opened, String> {
        let config = with_messages(self.read_config(address, role).await?);
        let opened = self.connect_as(config, role, MAX_HINTS).await?;
        match Box::pin(check_same_server(scripts, &opened.client)).await {
            Err(reason) if !is_permission_error(&reason) => Err(reason),
            // What the server does not reveal is taken as right.
            Ok(()) | Err(_) => Ok(opened),
        }
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
        let mut opened = self.connect_as(config.clone(), role, MAX_EVENTS).await?;
        if let Some(replication) = self.replication {
            let second = self.connect_as(config, role, MAX_EVENTS).await?;
            Box::pin(check_same_server(&opened.client, &second.client)).await?;
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

    async fn connect_as(
        &self,
        config: Config,
        role: Role,
        max_messages: usize,
    ) -> Result<Opened, String> {
        let opened = self.connect(config, max_messages).await;
        let opened = opened.map_err(|error| self.with_hint(describe(&error)))?;
        // Boxed, so that a task that keeps a connection does not hold the space for the check.
        Box::pin(check_role(&opened.client, role)).await?;
        Ok(opened)
    }

    /// Appends what an operator may have overlooked, if Redis rejects the password.
    fn with_hint(&self, mut error: String) -> String {
        if error.starts_with("WRONGPASS") && self.has_escape_in_password.load(Ordering::Relaxed) {
            error.push_str(
                "; a % in the URL begins an escape: write a % of the password as %25, or use \
                 store.redis.password_file",
            );
        }
        error
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
        self.has_escape_in_password
            .store(endpoint.has_escape_in_password(), Ordering::Relaxed);
        if *endpoint.layout() != self.layout
            && !self.changed_layout_logged.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                "the URL of Redis now names other servers or another database: that needs a restart"
            );
        }
        Ok(endpoint)
    }

    async fn connect(&self, mut config: Config, max_messages: usize) -> Result<Opened, Error> {
        config.fail_fast = true;
        let client = Builder::from_config(config)
            .set_performance_config(PerformanceConfig {
                // A little below the operation's deadline, so that fred's error comes first, and
                // says which connection did not answer.
                default_command_timeout: self.command_timeout.mul_f32(0.95),
                broadcast_channel_capacity: max_messages,
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
