//! Which server a call goes to: the only one, the sentinels' primary, or the node of the key's slot.

use crate::lifecycle::BackgroundTask;
use crate::store::redis::address::Address;
use crate::store::redis::cluster::Cluster;
use crate::store::redis::connection::Connection;
use crate::store::redis::dial::Role;
use crate::store::redis::node::{Node, NodeContext};
use crate::store::redis::sentinel::Sentinels;
use crate::store::redis::url::Layout;
use fred::error::Error;
use fred::types::Key;
use fred::util::redis_keyslot;
use std::sync::Arc;
use tokio::sync::watch;

/// The servers of the store.
#[derive(Debug)]
pub(super) struct Topology {
    kind: Kind,
    context: Arc<NodeContext>,
}

#[derive(Debug)]
enum Kind {
    Standalone(Arc<Node>),
    Sentinel(Arc<Sentinels>),
    Cluster(Arc<Cluster>),
}

/// A reply that names another server for one slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Redirect {
    /// MOVED: for this call and all later ones.
    Moved(u16, Address),
    /// ASK: for this call only, since the slot is being moved.
    Ask(Address),
}

impl Redirect {
    /// Parses the error of a call to the server at `asked`.
    pub(super) fn parse(error: &Error, asked: &Address) -> Option<Self> {
        let mut words = error.details().split(' ');
        let kind = words
            .next()
            .filter(|kind| ["MOVED", "ASK"].contains(kind))?;
        let slot = words.next()?.parse().ok()?;
        let target = words.next()?;
        // Without a host: the one that was asked.
        let port = target.strip_prefix(':').and_then(|port| port.parse().ok());
        let address = match port {
            Some(port) => Address::on_host_of(port, asked)?,
            None => Address::parse(target)?,
        };
        Some(match kind {
            "MOVED" => Self::Moved(slot, address),
            _ => Self::Ask(address),
        })
    }
}

impl Topology {
    /// Starts to connect. Also returns the tasks that follow the sentinels or the Cluster.
    pub(super) fn start(context: Arc<NodeContext>, layout: Layout) -> (Self, Vec<BackgroundTask>) {
        let mut tasks = Vec::new();
        let kind = match layout {
            Layout::Standalone { address, .. } => {
                Kind::Standalone(Arc::new(Node::start(&context, address, Role::Any)))
            }
            Layout::Sentinel {
                sentinels, service, ..
            } => {
                let followed = Arc::new(Sentinels::new(&context, service));
                for sentinel in sentinels {
                    let followed = Arc::clone(&followed);
                    let follow = async move { followed.follow(sentinel).await };
                    tasks.push(BackgroundTask::new("Redis sentinel", follow));
                }
                Kind::Sentinel(followed)
            }
            Layout::Cluster(seeds) => {
                let cluster = Arc::new(Cluster::new(&context, seeds));
                let kept = Arc::clone(&cluster);
                let keep = async move { kept.keep_map_current().await };
                tasks.push(BackgroundTask::new("Redis cluster map", keep));
                Kind::Cluster(cluster)
            }
        };
        (Self { kind, context }, tasks)
    }

    /// The connection for a key, if one is open.
    pub(super) fn connection(&self, key: &Key) -> Option<Arc<Connection>> {
        match &self.kind {
            Kind::Standalone(node) => node.connection(),
            Kind::Sentinel(sentinels) => sentinels.primary()?.connection(),
            Kind::Cluster(cluster) => cluster.owner(redis_keyslot(key.as_bytes()))?.connection(),
        }
    }

    /// Waits until a connection for a key is open. The caller bounds the wait.
    pub(super) async fn wait_for_connection(&self, key: &Key) -> Arc<Connection> {
        wait_for(&self.context.changed, || self.connection(key)).await
    }

    /// Waits for a connection to the server of a redirection. The caller bounds the wait.
    pub(super) async fn follow(&self, redirect: &Redirect, key: &Key) -> Arc<Connection> {
        match (&self.kind, redirect) {
            (Kind::Cluster(cluster), Redirect::Moved(slot, address)) => {
                cluster.assign(*slot, address);
                self.wait_for_connection(key).await
            }
            (Kind::Cluster(cluster), Redirect::Ask(address)) => {
                let node = cluster.redirect_target(address);
                wait_for(&self.context.changed, || node.connection()).await
            }
            // A single server of a Cluster, configured as if it were the only one.
            (Kind::Standalone(_) | Kind::Sentinel(_), _) => self.wait_for_connection(key).await,
        }
    }

    /// Notes that a call failed, so that sentinels or nodes are asked again soon.
    pub(super) fn suspect(&self) {
        match &self.kind {
            Kind::Standalone(_) => {}
            Kind::Sentinel(sentinels) => sentinels.suspect(),
            Kind::Cluster(cluster) => cluster.suspect(),
        }
    }

    /// What each of the primaries must be.
    pub(super) fn role(&self) -> Role {
        match &self.kind {
            Kind::Standalone(_) => Role::Any,
            Kind::Sentinel(_) => Role::Primary,
            Kind::Cluster(_) => Role::ClusterNode,
        }
    }

    /// The open connections to all primaries.
    pub(super) fn primaries(&self) -> Vec<Arc<Connection>> {
        let nodes = self.nodes();
        nodes.iter().filter_map(|node| node.connection()).collect()
    }

    /// The addresses of the known primaries that have no open connection.
    pub(super) fn unconnected(&self) -> Vec<Address> {
        let nodes = self.nodes();
        let unconnected = nodes.iter().filter(|node| node.connection().is_none());
        unconnected.map(|node| node.address().clone()).collect()
    }

    /// The connections to all known primaries, or the address of one that has none.
    pub(super) fn all_primaries(&self) -> Result<Vec<Arc<Connection>>, Address> {
        let nodes = self.nodes();
        let connections = nodes.iter().map(|node| {
            let unconnected = || node.address().clone();
            node.connection().ok_or_else(unconnected)
        });
        connections.collect()
    }

    /// Waits until every known primary has an open connection. The caller bounds the wait.
    pub(super) async fn wait_for_all_connections(&self) {
        let all = || self.unconnected().is_empty().then_some(());
        wait_for(&self.context.changed, all).await;
    }

    /// The known primaries.
    fn nodes(&self) -> Vec<Arc<Node>> {
        match &self.kind {
            Kind::Standalone(node) => vec![Arc::clone(node)],
            Kind::Sentinel(sentinels) => sentinels.primary().into_iter().collect(),
            Kind::Cluster(cluster) => cluster.primaries(),
        }
    }
}

/// Waits until `find` returns a value. Calls it again after each change.
async fn wait_for<T>(changed: &watch::Sender<()>, find: impl Fn() -> Option<T>) -> T {
    // Subscribed before the first call, so that no change is missed after it.
    let mut next = changed.subscribe();
    loop {
        if let Some(found) = find() {
            return found;
        }
        // The sender lives as long as `self`.
        let _ = next.changed().await;
    }
}

#[cfg(test)]
mod tests {
    use super::Redirect;
    use crate::store::redis::address::Address;
    use fred::error::{Error, ErrorKind};

    #[test]
    fn redirections_are_parsed() {
        let asked = Address::Tcp("redis-0".to_owned(), 6379);
        let parse =
            |text: &'static str| Redirect::parse(&Error::new(ErrorKind::Cluster, text), &asked);
        let other = |host: &str| Address::Tcp(host.to_owned(), 7000);
        assert_eq!(
            parse("MOVED 3999 127.0.0.1:7000"),
            Some(Redirect::Moved(3999, other("127.0.0.1")))
        );
        assert_eq!(parse("ASK 1 ::1:7000"), Some(Redirect::Ask(other("::1"))));
        assert_eq!(
            parse("MOVED 1 :7000"),
            Some(Redirect::Moved(1, other("redis-0")))
        );
        for text in [
            "CLUSTERDOWN Hash slot not served",
            "MOVED x 127.0.0.1:1",
            "MOVED 1",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
