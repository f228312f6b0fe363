//! A Redis Cluster whose slots move, whose primaries die, and whose nodes come back changed.
//!
//! The failure of one primary delays the requests on its slots until a replica is promoted, and no
//! other request. A worker follows the Cluster without a restart.

mod isolation;
mod reconnects;
mod redirects;

use testkit::api::Session;
use testkit::eventually;
use testkit::redis::cluster::Cluster;

use crate::server::Server;

/// A key in the slot of the index of live sessions, in which every creation writes.
const LEASE: &str = "mrv:{lease}:live";

/// The key of a session.
fn key(session: &Session) -> String {
    format!("mrv:s:{{{}}}", session.id)
}

/// Creates sessions until one is in a slot of this primary for which `fits`, and returns it.
#[track_caller]
fn session_in(
    worker: &Server,
    cluster: &Cluster,
    primary: usize,
    fits: impl Fn(u16) -> bool,
) -> Session {
    eventually("a session in a slot of this primary", || {
        let session = worker.create("hello");
        let slot = cluster.slot(&key(&session));
        (cluster.owner(slot) == primary && fits(slot)).then_some(session)
    })
}

/// Creates a session in a slot of this primary.
#[track_caller]
fn session_on(worker: &Server, cluster: &Cluster, primary: usize) -> Session {
    session_in(worker, cluster, primary, |_| true)
}

/// Creates a session on each of the three primaries of the start.
#[track_caller]
fn session_on_each(worker: &Server, cluster: &Cluster) -> [Session; 3] {
    [0, 1, 2].map(|primary| session_on(worker, cluster, primary))
}
