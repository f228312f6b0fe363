//! A primary, its replicas and three sentinels, which promote a replica if the primary fails.
//!
//! All processes run on loopback and are ready when `start` returns.

mod events;
mod passwords;

use std::time::Duration;

use tempfile::TempDir;

use super::launch::{SENTINEL_READY, launch};
use super::resp::Connection;
use super::tls::RedisTls;
use super::{RedisServer, Reply};
use crate::process::{Process, free_port};
use crate::{eventually_within, until};

/// The name of the primary in the sentinels' configuration.
const SERVICE: &str = "mymaster";

/// Bound of the wait for a failover. A sentinel that did not run for two seconds does nothing for the next
/// 30 s (TILT), and a failover that fails is tried again after six seconds.
const FAILOVER_PATIENCE: Duration = Duration::from_secs(75);

/// Sentinels that must agree that the primary is down.
const QUORUM: usize = 2;

/// How a deployment of Sentinel is started.
#[derive(Debug)]
pub struct SentinelsConfig<'a> {
    /// Number of replicas of the primary.
    pub replicas: usize,
    /// Time without a reply after which a sentinel considers the primary down.
    pub down_after: Duration,
    /// More options of each node: `&["--min-replicas-to-write", "1"]`.
    pub options: &'a [&'a str],
    /// TLS of all processes, and of the connections between them.
    pub tls: Option<&'a RedisTls>,
}

impl Default for SentinelsConfig<'_> {
    /// Two replicas, and a failover about a second after the primary fails.
    fn default() -> Self {
        Self {
            replicas: 2,
            down_after: Duration::from_secs(1),
            options: &[],
            tls: None,
        }
    }
}

impl SentinelsConfig<'_> {
    /// One replica, and no failover by itself, on a loaded machine either.
    pub fn steady() -> Self {
        Self {
            replicas: 1,
            down_after: Duration::from_secs(15),
            ..Self::default()
        }
    }
}

/// The running processes.
#[derive(Debug)]
pub struct Sentinels {
    /// The primary of the start, and then its replicas.
    pub nodes: Vec<RedisServer>,
    processes: Vec<Sentinel>,
    tls: bool,
}

#[derive(Debug)]
struct Sentinel {
    port: u16,
    announced_port: u16,
    _process: Process,
    _dir: TempDir,
}

impl Sentinels {
    /// Starts the deployment, and waits until the sentinels know each other and each replica.
    pub fn start(config: &SentinelsConfig) -> Self {
        let primary = node(config, &[]);
        let port = primary.announced_port().to_string();
        let mut nodes = vec![primary];
        for _ in 0..config.replicas {
            nodes.push(node(config, &["--replicaof", "127.0.0.1", &port]));
        }
        // The replicas come first: a sentinel asks the primary for its replicas when it starts, and
        // then only every ten seconds.
        for replica in &nodes[1..] {
            until("the replica follows", || is_synchronized(replica));
        }
        let started = Self {
            nodes,
            processes: (0..3).map(|_| sentinel(config, &port)).collect(),
            tls: config.tls.is_some(),
        };
        let known = format!(
            "status=ok,address=127.0.0.1:{port},slaves={}",
            config.replicas
        );
        for sentinel in &started.processes {
            until("a sentinel knows two others and the replicas", || {
                let info = sentinel.command(&["INFO", "sentinel"]).text();
                info.contains(&format!("{known},sentinels=3"))
            });
        }
        started
    }

    /// A URL of the form that names the sentinels and the service.
    pub fn url(&self) -> String {
        self.url_as("")
    }

    /// The [`url`](Self::url) with a user of Redis: `name:password@`.
    pub fn url_as(&self, user: &str) -> String {
        let [first, second, third] = &self.processes[..] else {
            panic!("three sentinels")
        };
        format!(
            "{}://{user}127.0.0.1:{}/0?node=127.0.0.1:{}&node=127.0.0.1:{}&sentinelServiceName={SERVICE}",
            if self.tls {
                "rediss-sentinel"
            } else {
                "redis-sentinel"
            },
            first.announced_port,
            second.announced_port,
            third.announced_port,
        )
    }

    /// The ports of the sentinels, on 127.0.0.1 and 127.0.0.2.
    pub fn ports(&self) -> impl Iterator<Item = u16> {
        self.processes.iter().map(|sentinel| sentinel.port)
    }

    /// The index of the primary that all sentinels announce; `None` while they disagree.
    pub fn announced(&self) -> Option<usize> {
        let mut ports = self.processes.iter().map(Sentinel::announced_primary);
        let first = ports.next().flatten()?;
        let all_agree = ports.all(|port| port == Some(first));
        let is_announced = |node: &RedisServer| node.announced_port() == first;
        all_agree.then(|| self.nodes.iter().position(is_announced))?
    }

    /// The index of the primary. Waits until all sentinels announce the same one.
    #[track_caller]
    pub fn primary_index(&self) -> usize {
        eventually_within(FAILOVER_PATIENCE, "the sentinels agree", || {
            self.announced()
        })
    }

    /// The primary. Waits until all sentinels announce the same one.
    #[track_caller]
    pub fn primary(&self) -> &RedisServer {
        &self.nodes[self.primary_index()]
    }

    /// Begins a planned failover, and returns the index of the old primary. The old primary runs on,
    /// and accepts writes until a sentinel makes it a replica, about ten seconds later.
    #[track_caller]
    pub fn failover(&self) -> usize {
        let old = self.primary_index();
        // NOGOODSLAVE while a sentinel has not seen the replicas, INPROG during another failover.
        until("a sentinel begins the failover", || {
            self.processes[0].command(&["SENTINEL", "FAILOVER", SERVICE])
                == Reply::Simple("OK".into())
        });
        old
    }

    /// Waits until a replica is a primary, announced or not, and returns its index.
    #[track_caller]
    pub fn wait_for_promoted_replica(&self, old: usize) -> usize {
        // A promotion closes the replica's connections.
        let is_promoted = |index: &usize| {
            let info = self.nodes[*index]
                .connect()
                .try_command(&["INFO", "replication"]);
            info.is_ok_and(|info| info.text().contains("role:master"))
        };
        eventually_within(FAILOVER_PATIENCE, "a replica is promoted", || {
            let mut replicas = (0..self.nodes.len()).filter(|index| *index != old);
            replicas.find(is_promoted)
        })
    }

    /// Waits until all sentinels announce another primary than `old`, and returns its index.
    #[track_caller]
    pub fn wait_for_announcement(&self, old: usize) -> usize {
        eventually_within(
            FAILOVER_PATIENCE,
            "the sentinels announce another primary",
            || self.announced().filter(|new| *new != old),
        )
    }

    /// Waits until all sentinels announce another primary than `old` and it accepts writes. Returns
    /// its index.
    #[track_caller]
    pub fn wait_for_promotion(&self, old: usize) -> usize {
        eventually_within(
            FAILOVER_PATIENCE,
            "a new primary is announced and accepts writes",
            || {
                // Asked each time: on a busy machine the sentinels may fail over once more.
                let new = self.announced().filter(|new| *new != old)?;
                let mut node = self.nodes[new].connect();
                let written = node.try_command(&["SET", "testkit", "a write"]);
                let accepts = written.is_ok_and(|reply| reply == Reply::Simple("OK".into()));
                accepts.then_some(new)
            },
        )
    }

    /// Waits until a node is a replica that follows the primary.
    #[track_caller]
    pub fn wait_until_replica(&self, index: usize) {
        until("the old primary is a replica", || {
            is_synchronized(&self.nodes[index])
        });
    }

    /// Starts a killed node as a replica of the primary.
    #[track_caller]
    pub fn restart_as_replica(&mut self, index: usize) {
        let port = self.primary().announced_port().to_string();
        self.nodes[index].restart_with(&["--replicaof", "127.0.0.1", &port]);
    }
}

impl Sentinel {
    #[track_caller]
    fn command(&self, words: &[&str]) -> Reply {
        Connection::open(([127, 0, 0, 1], self.port).into()).command(words)
    }

    fn announced_primary(&self) -> Option<u16> {
        let reply = self.command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE]);
        let Reply::Array(address) = reply else {
            return None;
        };
        address.get(1)?.text().parse().ok()
    }
}

fn is_synchronized(replica: &RedisServer) -> bool {
    let info = replica.connect().try_command(&["INFO", "replication"]);
    info.is_ok_and(|info| {
        let info = info.text();
        info.contains("role:slave") && info.contains("master_link_status:up")
    })
}

fn node(config: &SentinelsConfig, more: &[&str]) -> RedisServer {
    let mut tls = Vec::new();
    if let Some(config) = config.tls {
        tls = config.arguments(free_port());
        tls.extend(["--tls-replication", "yes"].map(str::to_owned));
    }
    let tls: Vec<_> = tls.iter().map(String::as_str).collect();
    RedisServer::start_with(&[&tls, config.options, more].concat())
}

/// Starts a sentinel. It keeps its state in its configuration file, so it needs one.
fn sentinel(config: &SentinelsConfig, primary: &str) -> Sentinel {
    for _ in 0..20 {
        let dir = tempfile::Builder::new()
            .prefix("mrv-sentinel-")
            .tempdir()
            .expect("a directory");
        let port = free_port();
        let down_after = config.down_after.as_millis();
        let mut lines = vec![
            format!("port {port}"),
            // The second address is for tests of host names.
            "bind 127.0.0.1 127.0.0.2".to_owned(),
            format!("sentinel monitor {SERVICE} 127.0.0.1 {primary} {QUORUM}"),
            format!("sentinel down-after-milliseconds {SERVICE} {down_after}"),
            // Twice this time passes before another attempt, if a failover or an election fails.
            format!("sentinel failover-timeout {SERVICE} 3000"),
        ];
        let mut announced_port = port;
        if let Some(tls) = config.tls {
            announced_port = free_port();
            let options = tls.options(announced_port).into_iter();
            lines.extend(options.map(|(name, value)| format!("{name} {value}")));
            lines.push("tls-replication yes".to_owned());
        }
        std::fs::write(dir.path().join("sentinel.conf"), lines.join("\n") + "\n")
            .expect("its configuration");
        let arguments = ["sentinel.conf", "--sentinel"].map(str::to_owned);
        if let Some(process) = launch(&arguments, dir.path(), SENTINEL_READY) {
            return Sentinel {
                port,
                announced_port,
                _process: process,
                _dir: dir,
            };
        }
    }
    panic!("no free port for a sentinel in 20 attempts");
}
