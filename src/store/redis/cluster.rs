//! A Cluster: which node serves a key, kept current by asking the nodes.
//!
//! fred's own Cluster client is not used (docs/adr/0015-redis-topology.md): one refused connection, or one
//! redirection while a slot moves, stopped it for every slot. Here each primary is a [`Node`] of its
//! own. A redirection updates one slot at once, and has the whole map read again.

use crate::store::redis::address::Address;
use crate::store::redis::dial::Role;
use crate::store::redis::node::{Node, NodeContext};
use crate::store::redis::outage_log::OutageLog;
use crate::store::redis::slot_map::{ClusterView, SlotRange};
use arc_swap::ArcSwap;
use fred::clients::Client;
use fred::interfaces::ClusterInterface;
use fred::types::Value;
use futures_util::future::join_all;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Interval at which the map is read while every slot has a connection, and while one has none. A
/// failover is noticed by the second; a slot that moved is noticed by a redirection first.
const CALM_INTERVAL: Duration = Duration::from_secs(15);
const URGENT_INTERVAL: Duration = Duration::from_millis(100);

/// Time limit of one node's answer about the map. A node that is slower is not asked this time.
const ASK_TIMEOUT: Duration = Duration::from_millis(200);

// A waiting request is to be answered 0.5 s after the promotion, and pauses for up to 0.1 s itself (R0.3).
const _: () = assert!(URGENT_INTERVAL.as_millis() + ASK_TIMEOUT.as_millis() <= 400);

/// How long a node that a redirection named is kept although it has no slots yet.
const REDIRECT_KEEP: Duration = Duration::from_mins(1);

/// Maximum number of nodes that are asked by a new connection, if no open connection answers.
const MAX_SEEDS: usize = 16;

/// The nodes of a Cluster.
#[derive(Debug)]
pub(super) struct Cluster {
    map: ArcSwap<SlotMap>,
    nodes: Mutex<HashMap<Address, KnownNode>>,
    /// The nodes of the URL.
    seeds: Vec<Address>,
    refresh: Notify,
    seed_log: Mutex<OutageLog>,
    context: Arc<NodeContext>,
}

#[derive(Debug)]
struct KnownNode {
    node: Arc<Node>,
    redirected_at: Option<Duration>,
}

/// The node of each slot.
#[derive(Debug, Default, Clone)]
struct SlotMap {
    ranges: Vec<(SlotRange, Arc<Node>)>,
    /// Slots that a redirection assigned since the map was read.
    moved: HashMap<u16, Arc<Node>>,
    replicas: Vec<Address>,
}

impl Cluster {
    pub(super) fn new(context: &Arc<NodeContext>, seeds: Vec<Address>) -> Self {
        Self {
            map: ArcSwap::default(),
            nodes: Mutex::default(),
            seeds,
            refresh: Notify::new(),
            seed_log: Mutex::default(),
            context: Arc::clone(context),
        }
    }

    /// Returns the node of a slot, if one is known.
    pub(super) fn owner(&self, slot: u16) -> Option<Arc<Node>> {
        self.map.load().owner(slot).cloned()
    }

    /// The primaries that have slots, by address.
    pub(super) fn primaries(&self) -> Vec<Arc<Node>> {
        let map = self.map.load();
        let mut nodes: Vec<&Arc<Node>> = map.ranges.iter().map(|(_, node)| node).collect();
        nodes.sort_by_key(|node| node.address());
        nodes.dedup_by_key(|node| node.address());
        nodes.into_iter().cloned().collect()
    }

    /// Assigns a slot to the node that a redirection named (MOVED), until the map is read again.
    pub(super) fn assign(&self, slot: u16, address: &Address) {
        let node = self.redirect_target(address);
        self.map.rcu(|map| {
            let mut map = SlotMap::clone(map);
            map.moved.insert(slot, Arc::clone(&node));
            map
        });
        self.refresh.notify_one();
    }

    /// Returns the node that a redirection named.
    pub(super) fn redirect_target(&self, address: &Address) -> Arc<Node> {
        let now = self.context.clock.now();
        let mut nodes = self.lock();
        let known = self.node(&mut nodes, address);
        known.redirected_at = Some(now);
        Arc::clone(&known.node)
    }

    /// Has the map read again soon.
    pub(super) fn suspect(&self) {
        self.refresh.notify_one();
    }

    /// Reads the map at the start, at each redirection or failed call, and at intervals. Never returns.
    pub(super) async fn keep_map_current(&self) {
        loop {
            if let Some(view) = self.newest_view().await {
                self.apply(view);
            }
            tokio::time::sleep(URGENT_INTERVAL).await;
            if self.is_connected() {
                let _ = timeout(CALM_INTERVAL, self.refresh.notified()).await;
            }
        }
    }

    /// Whether each range has a connection.
    fn is_connected(&self) -> bool {
        let map = self.map.load();
        let mut nodes = map.ranges.iter().map(|(_, node)| node);
        !map.ranges.is_empty() && nodes.all(|node| node.connection().is_some())
    }

    /// Asks every node with a connection, or else the other known nodes and those of the URL.
    async fn newest_view(&self) -> Option<ClusterView> {
        let connections: Vec<_> = {
            let nodes = self.lock();
            nodes
                .values()
                .filter_map(|known| known.node.connection())
                .collect()
        };
        let views = connections
            .iter()
            .map(|connection| ask(connection.client(), connection.address()));
        let view = newest(join_all(views).await);
        if view.is_some() {
            return view;
        }
        let replicas = self.map.load().replicas.clone();
        let others = self.seeds.iter().chain(&replicas).take(MAX_SEEDS);
        newest(join_all(others.map(|seed| self.ask_seed(seed))).await)
    }

    async fn ask_seed(&self, seed: &Address) -> Option<ClusterView> {
        let opened = match self.context.dialer.open(seed, Role::ClusterNode).await {
            Ok(opened) => opened,
            Err(reason) => {
                self.report_seed(seed, &reason);
                return None;
            }
        };
        ask(&opened.client, seed).await
    }

    fn report_seed(&self, seed: &Address, reason: &str) {
        let now = self.context.clock.now();
        let mut log = self.seed_log.lock().unwrap_or_else(PoisonError::into_inner);
        log.failed(seed, reason, now);
        self.context.report_unreached(&format!("{seed}: {reason}"));
    }

    /// Makes a view the current map. Nodes that are no longer part of the Cluster are dropped.
    fn apply(&self, view: ClusterView) {
        let now = self.context.clock.now();
        let mut nodes = self.lock();
        let ranges: Vec<_> = view
            .ranges
            .into_iter()
            .map(|range| {
                let node = Arc::clone(&self.node(&mut nodes, &range.primary).node);
                (range, node)
            })
            .collect();
        nodes.retain(|address, known| {
            let was_redirected = known
                .redirected_at
                .is_some_and(|at| now < at + REDIRECT_KEEP);
            was_redirected || ranges.iter().any(|(range, _)| range.primary == *address)
        });
        let previous = self.map.swap(Arc::new(SlotMap {
            ranges,
            moved: HashMap::new(),
            replicas: view.replicas,
        }));
        // Only then: each notification has the start-up check repeated.
        if !previous.has_same_owners(&self.map.load()) {
            self.context.changed.send_replace(());
        }
    }

    fn node<'a>(
        &self,
        nodes: &'a mut HashMap<Address, KnownNode>,
        address: &Address,
    ) -> &'a mut KnownNode {
        nodes.entry(address.clone()).or_insert_with(|| KnownNode {
            node: Arc::new(Node::start(
                &self.context,
                address.clone(),
                Role::ClusterNode,
            )),
            redirected_at: None,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Address, KnownNode>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SlotMap {
    fn has_same_owners(&self, other: &Self) -> bool {
        let ranges = |map: &Self| {
            map.ranges
                .iter()
                .map(|(range, _)| range.clone())
                .collect::<Vec<_>>()
        };
        self.moved.is_empty() && ranges(self) == ranges(other)
    }

    fn owner(&self, slot: u16) -> Option<&Arc<Node>> {
        if let Some(node) = self.moved.get(&slot) {
            return Some(node);
        }
        let after = self
            .ranges
            .partition_point(|(range, _)| range.first <= slot);
        let (range, node) = self.ranges.get(after.checked_sub(1)?)?;
        (slot <= range.last).then_some(node)
    }
}

async fn ask(client: &Client, address: &Address) -> Option<ClusterView> {
    let replies = async {
        let info = client.cluster_info::<String>().await.ok()?;
        let slots = client.cluster_slots::<Value>().await.ok()?;
        ClusterView::parse(&info, &slots, address)
    };
    timeout(ASK_TIMEOUT, replies).await.ok().flatten()
}

/// The view with the highest epoch, and among those the one that knows most slots.
fn newest(views: Vec<Option<ClusterView>>) -> Option<ClusterView> {
    let views = views.into_iter().flatten();
    views.max_by_key(|view| (view.epoch, view.coverage()))
}

#[cfg(test)]
mod tests {
    use super::{Address, ClusterView, SlotRange, newest};

    /// A view of a Cluster with one primary.
    fn view(epoch: u64, last: u16, port: u16) -> ClusterView {
        let range = SlotRange {
            first: 0,
            last,
            primary: Address::Tcp("redis".to_owned(), port),
        };
        ClusterView {
            epoch,
            ranges: vec![range],
            replicas: Vec::new(),
        }
    }

    #[test]
    fn view_with_the_highest_epoch_and_most_slots_wins() {
        let new = view(2, 100, 7002);
        let [old, partial] = [view(1, 16383, 7001), view(2, 99, 7003)].map(Some);
        let views = [old, Some(new.clone()), partial, None];
        assert_eq!(newest(views.to_vec()), Some(new.clone()));
        assert_eq!(newest(views.into_iter().rev().collect()), Some(new));
        assert_eq!(newest(vec![None]), None);
    }
}
