//! Redis as several processes: a Sentinel trio with its primary and replica, and a Cluster.
//!
//! For the smoke tests of the URL forms. Everything runs on loopback and answers by the time that
//! `start` returns; nothing here fails over by itself.

use tempfile::TempDir;

use super::RedisServer;
use super::process::{Process, WATCHES, free_port};
use super::resp::Connection;
use crate::redis::until;

/// The name under which the sentinels know the primary.
const SERVICE: &str = "mymaster";

/// One primary, one replica and three sentinels.
#[derive(Debug)]
pub struct Sentinels {
    /// Where writes go.
    pub primary: RedisServer,
    ports: Vec<u16>,
    _replica: RedisServer,
    _processes: Vec<(Process, TempDir)>,
}

impl Sentinels {
    /// Starts all five; the sentinels know each other and the replica.
    pub fn start() -> Self {
        let primary = RedisServer::start();
        let of = primary.port().to_string();
        let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &of]);
        // Before the sentinels: they ask the primary for its replicas when they start, and then only
        // every ten seconds.
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

    /// From now on whoever asks a sentinel needs this password. The sentinels do not know it of each other.
    pub fn require(&self, password: &str) {
        for port in &self.ports {
            let mut sentinel = Connection::open(([127, 0, 0, 1], *port).into());
            let only = format!(">{password}");
            let said = sentinel.command(&["ACL", "SETUSER", "default", "resetpass", &only]);
            assert_eq!(said.text(), "OK");
        }
    }

    /// The URL form that names the sentinels and the service.
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

/// A sentinel keeps its state in its configuration file, so it needs one.
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
        let arguments = ["redis-server", "sentinel.conf", "--sentinel"].map(str::to_owned);
        if let Some(process) = Process::start(&arguments, dir.path(), WATCHES) {
            return (port, (process, dir));
        }
    }
    panic!("no free port for a sentinel in 20 attempts");
}

/// Three primaries that share the slots.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<RedisServer>,
}

impl Cluster {
    /// Starts and joins them; every node says that the cluster is well.
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

    /// The URL form that names one node; the others are found through it.
    pub fn url(&self) -> String {
        format!("redis-cluster://127.0.0.1:{}", self.nodes[0].port())
    }

    /// The nodes.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }
}

/// A node, and the port of its bus: by default 10,000 above its own, where anyone may listen.
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
