//! A Redis Cluster: three primaries that share the hash slots, each with a replica or without.
//!
//! All processes run on loopback and are ready when `start` returns. Slots move by the commands of
//! `slots`, one step at a time or all at once.

mod slots;
mod view;

use std::time::Duration;

use super::RedisServer;
use super::tls::RedisTls;
use crate::process::free_port;
use crate::relay::Relay;
use crate::{eventually, until};
pub use slots::SlotMigration;
use view::NodeView;

/// Number of primaries.
pub const PRIMARIES: usize = 3;

/// The slots of the first, the second and the third primary at the start.
const SLOTS: [(&str, &str); PRIMARIES] = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];

/// How a Cluster is started.
#[derive(Debug)]
pub struct ClusterConfig<'a> {
    /// Whether each primary has a replica.
    pub replicas: bool,
    /// Time without a reply after which a node considers another down (`cluster-node-timeout`).
    pub node_timeout: Duration,
    /// More options of each node: `&["--cluster-require-full-coverage", "no"]`.
    pub options: &'a [&'a str],
    /// TLS of all nodes, and of the connections between them.
    pub tls: Option<&'a RedisTls>,
    /// Whether each node announces the port of a relay in front of it. Without TLS only.
    pub relays: bool,
}

impl Default for ClusterConfig<'_> {
    /// Replicas, and a failover about two seconds after a primary fails.
    fn default() -> Self {
        Self {
            replicas: true,
            node_timeout: Duration::from_secs(1),
            options: &[],
            tls: None,
            relays: false,
        }
    }
}

impl ClusterConfig<'_> {
    /// Three primaries without replicas, and no failure detected by mistake on a loaded machine.
    pub fn steady() -> Self {
        Self {
            replicas: false,
            node_timeout: Duration::from_secs(15),
            ..Self::default()
        }
    }
}

/// The running nodes.
#[derive(Debug)]
pub struct Cluster {
    /// The three primaries of the start, and then their replicas in the same order.
    pub nodes: Vec<RedisServer>,
    ids: Vec<String>,
    relays: Vec<Relay>,
    tls: bool,
}

impl Cluster {
    /// Starts and joins the nodes, and waits until each one reports `cluster_state:ok`.
    pub fn start(config: &ClusterConfig) -> Self {
        let count = PRIMARIES * if config.replicas { 2 } else { 1 };
        let mut cluster = Self {
            nodes: Vec::new(),
            ids: Vec::new(),
            relays: Vec::new(),
            tls: config.tls.is_some(),
        };
        let buses: Vec<_> = (0..count).map(|_| cluster.add_node(config)).collect();
        for (node, (first, last)) in cluster.nodes.iter().zip(SLOTS) {
            node.assert_ok(&["CLUSTER", "ADDSLOTSRANGE", first, last]);
        }
        // Without epochs of their own, the nodes go on to number themselves after they are ready. A
        // node that then takes the same number as a new owner of a slot can undo that slot's move.
        for (node, epoch) in cluster.nodes.iter().zip(1..) {
            node.assert_ok(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch.to_string()]);
        }
        for (node, bus) in cluster.nodes.iter().zip(&buses).skip(1) {
            let port = node.announced_port().to_string();
            cluster.nodes[0].assert_ok(&["CLUSTER", "MEET", "127.0.0.1", &port, bus]);
        }
        cluster.wait_until_all_know(count);
        for (replica, primary) in (PRIMARIES..count).zip(0..) {
            cluster.nodes[replica].assert_ok(&["CLUSTER", "REPLICATE", &cluster.ids[primary]]);
        }
        cluster.wait_until_all_know(count);
        for replica in &cluster.nodes[PRIMARIES..] {
            until("the replica follows", || {
                let info = replica.command(&["INFO", "replication"]).text();
                info.contains("role:slave") && info.contains("master_link_status:up")
            });
        }
        until("each node knows the replicas", || {
            (0..count).all(|at| view::primaries(&cluster.view(at)) == PRIMARIES)
        });
        cluster.wait_until_ok();
        cluster
    }

    /// Starts a node, and returns the port of its cluster bus. That is not the default (its own port
    /// and 10,000), because another process may have that one.
    fn add_node(&mut self, config: &ClusterConfig) -> String {
        let bus = free_port().to_string();
        let timeout = config.node_timeout.as_millis().to_string();
        let mut options = [
            ["--cluster-enabled", "yes"],
            ["--cluster-port", &bus],
            ["--cluster-announce-ip", "127.0.0.1"],
            ["--cluster-node-timeout", &timeout],
        ]
        .concat()
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>();
        options.extend(config.options.iter().map(ToString::to_string));
        if let Some(tls) = config.tls {
            options.extend(tls.arguments(free_port()));
            options.extend(["--tls-cluster", "yes", "--tls-replication", "yes"].map(str::to_owned));
        }
        let mut node;
        if config.relays {
            // The node announces the port of the relay, which must know the port of the node.
            let port = free_port();
            let relay = Relay::start(([127, 0, 0, 1], port).into());
            let announced = relay.address().port().to_string();
            options.extend(["--cluster-announce-port", &announced].map(str::to_owned));
            self.relays.push(relay);
            let options: Vec<_> = options.iter().map(String::as_str).collect();
            node = RedisServer::planned_on(port, &options);
            node.restart();
        } else {
            let options: Vec<_> = options.iter().map(String::as_str).collect();
            node = RedisServer::start_with(&options);
        }
        self.ids.push(node.command(&["CLUSTER", "MYID"]).text());
        self.nodes.push(node);
        bus
    }

    fn wait_until_all_know(&self, count: usize) {
        for node in &self.nodes {
            until("a node knows the others", || {
                let info = node.command(&["CLUSTER", "INFO"]).text();
                info.contains(&format!("cluster_known_nodes:{count}\r"))
            });
        }
    }

    /// Waits until each serving node reports `cluster_state:ok`.
    #[track_caller]
    pub fn wait_until_ok(&self) {
        until("each node reports cluster_state:ok", || {
            self.serving().all(|at| self.is_ok(at))
        });
    }

    fn is_ok(&self, at: usize) -> bool {
        let info = self.nodes[at].command(&["CLUSTER", "INFO"]);
        info.text().contains("cluster_state:ok")
    }

    /// A URL of the form that names one node, the first that serves. Clients discover the others
    /// through it.
    #[track_caller]
    pub fn url(&self) -> String {
        self.url_as("")
    }

    /// The [`url`](Self::url) with a user of Redis: `name:password@`.
    #[track_caller]
    pub fn url_as(&self, user: &str) -> String {
        let first = self.serving().next().expect("a serving node");
        let scheme = if self.tls {
            "rediss-cluster"
        } else {
            "redis-cluster"
        };
        format!(
            "{scheme}://{user}127.0.0.1:{}",
            self.nodes[first].announced_port()
        )
    }

    /// The relay in front of a node.
    pub fn relay(&self, index: usize) -> &Relay {
        &self.relays[index]
    }

    /// The replica that a primary has at the start.
    pub fn replica_of(&self, primary: usize) -> usize {
        PRIMARIES + primary
    }

    /// The nodes that run and are not paused.
    fn serving(&self) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(|at| self.nodes[*at].is_serving())
    }

    /// The Cluster as a node sees it.
    fn view(&self, from: usize) -> Vec<NodeView> {
        let nodes = self.nodes[from].command(&["CLUSTER", "NODES"]).text();
        nodes.lines().map(NodeView::parse).collect()
    }

    /// The primary of a slot that all serving nodes name; `None` while they disagree.
    fn agreed_owner(&self, slot: u16) -> Option<usize> {
        let owner_seen_by = |from| {
            let view = self.view(from).into_iter();
            let owner = view
                .filter(|node| node.owns(slot))
                .map(|node| node.id)
                .next()?;
            self.ids.iter().position(|id| *id == owner)
        };
        let mut owners = self.serving().map(owner_seen_by);
        let first = owners.next().flatten()?;
        owners.all(|owner| owner == Some(first)).then_some(first)
    }

    /// The index of the primary of a slot. Waits until all serving nodes agree.
    #[track_caller]
    pub fn owner(&self, slot: u16) -> usize {
        eventually("the nodes agree on the slot's primary", || {
            self.agreed_owner(slot)
        })
    }

    /// The index of the primary that holds a key.
    #[track_caller]
    pub fn owner_of_key(&self, key: &str) -> usize {
        self.owner(self.slot(key))
    }

    /// Waits until another node than `old` is the primary of a slot, and each serving node reports
    /// `cluster_state:ok`. Returns its index.
    #[track_caller]
    pub fn wait_for_promotion(&self, slot: u16, old: usize) -> usize {
        eventually("a replica is promoted", || {
            let new = self.agreed_owner(slot).filter(|new| *new != old)?;
            self.serving().all(|at| self.is_ok(at)).then_some(new)
        })
    }

    /// Whether `from` has agreed with the others that a node is down.
    pub fn considers_down(&self, from: usize, index: usize) -> bool {
        let view = self.view(from);
        let mut nodes = view.iter();
        nodes.any(|node| node.id == self.ids[index] && node.is_down)
    }

    /// Promotes a replica by `CLUSTER FAILOVER`, which loses no write. Returns when all nodes know.
    #[track_caller]
    pub fn failover(&self, replica: usize) {
        let is_primary = |from| {
            let view = self.view(from);
            let mut view = view.iter();
            view.any(|node| node.id == self.ids[replica] && node.is_primary)
        };
        // A primary ignores a failover that a node begins of which it does not know that it is its
        // replica by now.
        until("each node knows the replica", || {
            !self.serving().any(is_primary)
        });
        self.nodes[replica].assert_ok(&["CLUSTER", "FAILOVER"]);
        until("the replica is promoted", || self.serving().all(is_primary));
    }
}
