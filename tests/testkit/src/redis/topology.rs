//! Redis as several processes: three sentinels with a primary and a replica, and a Cluster.
//!
//! For the smoke tests of the URL forms. All processes run on loopback and are ready when `start`
//! returns. None of them fails over by itself.

use tempfile::TempDir;

use super::RedisServer;
use super::launch::{SENTINEL_READY, launch};
use super::resp::Connection;
use crate::process::{Process, free_port};
use crate::until;

/// The name of the primary in the sentinels' configuration.
const SERVICE: &str = "mymaster";

/// One primary, one replica and three sentinels.
#[derive(Debug)]
pub struct Sentinels {
    /// The primary, which takes the writes.
    pub primary: RedisServer,
    ports: Vec<u16>,
    _replica: RedisServer,
    _processes: Vec<(Process, TempDir)>,
}

impl Sentinels {
    /// Starts all five, and waits until the sentinels know each other and the replica.
    pub fn start() -> Self {
        let primary = RedisServer::start();
        let of = primary.port().to_string();
        let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &of]);
        // The replica comes first: a sentinel asks the primary for its replicas when it starts, and
        // then only every ten seconds.
        until("the replica follows", || {
            replica
                .command(&["INFO", "replication"])
                .text()
                .contains("master_link_status:up")
        });
        let (ports, processes) = (0..3).map(|_| sentinel(&of)).unzip();
        let trio = Self {
            primary,
            ports,
            _replica: replica,
            _processes: processes,
        };
        trio.wait();
        trio
    }

    fn wait(&self) {
        for port in &self.ports {
            let mut sentinel = Connection::open(([127, 0, 0, 1], *port).into());
            until("a sentinel knows two others and the replica", || {
                let info = sentinel.command(&["INFO", "sentinel"]).text();
                info.contains("status=ok") && info.contains("slaves=1,sentinels=3")
            });
        }
    }

    /// Makes each sentinel require this password of its clients. The sentinels do not have it
    /// themselves.
    pub fn require(&self, password: &str) {
        for port in &self.ports {
            let mut sentinel = Connection::open(([127, 0, 0, 1], *port).into());
            let only = format!(">{password}");
            let reply = sentinel.command(&["ACL", "SETUSER", "default", "resetpass", &only]);
            assert_eq!(reply.text(), "OK");
        }
    }

    /// A URL of the form that names the sentinels and the service.
    pub fn url(&self) -> String {
        let [first, second, third] = self.ports[..] else {
            panic!("three sentinels")
        };
        format!(
            "redis-sentinel://127.0.0.1:{first}/0?node=127.0.0.1:{second}&node=127.0.0.1:{third}\
             &sentinelServiceName={SERVICE}"
        )
    }
}

/// Starts a sentinel. It keeps its state in its configuration file, so it needs one.
fn sentinel(primary: &str) -> (u16, (Process, TempDir)) {
    for _ in 0..20 {
        let dir = tempfile::Builder::new()
            .prefix("mrv-sentinel-")
            .tempdir()
            .expect("a directory");
        let port = free_port();
        let conf = format!(
            "port {port}\nbind 127.0.0.1\n\
             sentinel monitor {SERVICE} 127.0.0.1 {primary} 2\n\
             sentinel down-after-milliseconds {SERVICE} 5000\n"
        );
        std::fs::write(dir.path().join("sentinel.conf"), conf).expect("its configuration");
        let arguments = ["sentinel.conf", "--sentinel"].map(str::to_owned);
        if let Some(process) = launch(&arguments, dir.path(), SENTINEL_READY) {
            return (port, (process, dir));
        }
    }
    panic!("no free port for a sentinel in 20 attempts");
}

/// Three primaries that share the hash slots.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<RedisServer>,
}

impl Cluster {
    /// Starts and joins them, and waits until every node reports `cluster_state:ok`.
    pub fn start() -> Self {
        let nodes: Vec<_> = (0..3).map(|_| cluster_node()).collect();
        let slots = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];
        for ((node, bus), (first, last)) in nodes.iter().zip(slots) {
            assert_ok(node, &["CLUSTER", "ADDSLOTSRANGE", first, last]);
            let port = node.port().to_string();
            assert_ok(&nodes[0].0, &["CLUSTER", "MEET", "127.0.0.1", &port, bus]);
        }
        let nodes: Vec<_> = nodes.into_iter().map(|(node, _)| node).collect();
        for node in &nodes {
            until("a node sees the whole cluster", || {
                let info = node.command(&["CLUSTER", "INFO"]).text();
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            });
        }
        Self { nodes }
    }

    /// A URL of the form that names one node. Clients discover the others through it.
    pub fn url(&self) -> String {
        format!("redis-cluster://127.0.0.1:{}", self.nodes[0].port())
    }

    /// The nodes.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }
}

/// Starts a node. Returns it with the port of its cluster bus, which is not the default (its own
/// port and 10,000), because another process may have that one.
fn cluster_node() -> (RedisServer, String) {
    let bus = free_port().to_string();
    let options = ["--cluster-enabled", "yes", "--cluster-port", &bus];
    let announce = ["--cluster-announce-ip", "127.0.0.1"];
    (
        RedisServer::start_with(&[&options[..], &announce[..]].concat()),
        bus,
    )
}

fn assert_ok(server: &RedisServer, command: &[&str]) {
    let reply = server.command(command);
    assert_eq!(reply, super::Reply::Simple("OK".into()), "{command:?}");
}
