//! Slots that move while requests arrive: `-ASK` and `-MOVED` are followed within the deadline, so
//! that no client notices.

use super::{LEASE, key, session_in, session_on, session_on_each};
use crate::server::{NO_ACCESS_LOG, ready_on};
use testkit::api::request;
use testkit::background::{Client, Samples, run_clients, wait_for_each};
use testkit::redis::cluster::{Cluster, ClusterConfig};

/// Found in a fault run: one `-ASK` ended the Redis client for good.
#[test]
fn request_on_a_migrating_slot_follows_ask() {
    let cluster = Cluster::start(&ClusterConfig::steady());
    let worker = ready_on(&cluster.url(), NO_ACCESS_LOG);
    let sessions = session_on_each(&worker, &cluster);
    let [moved, others @ ..] = &sessions;
    // The new primary does not have the scripts: NOSCRIPT comes from there, and EVAL must go there.
    cluster.nodes[1].command(&["SCRIPT", "FLUSH"]);
    let mut migration = cluster.begin_migration(cluster.slot(&key(moved)), 1);
    migration.move_key(&key(moved));

    worker.assert_holds(&moved.id, "hello", &moved.token);
    let second = worker.write(&moved.id, &moved.token, "ECDH");
    worker.assert_holds(&moved.id, "ECDH", &second);
    for other in others {
        worker.assert_holds(&other.id, "hello", &other.token);
    }
    worker.create("others go on");

    migration.finish();
    worker.assert_holds(&moved.id, "ECDH", &second);
    worker.call(&request::delete(&moved.id)).expect(200);
    worker.create("others go on");
    for other in others {
        worker.assert_holds(&other.id, "hello", &other.token);
    }
}

/// The index of live sessions is a key like any other, and every creation needs it.
#[test]
fn creation_follows_the_lease_to_its_new_primary() {
    let cluster = Cluster::start(&ClusterConfig::steady());
    let worker = ready_on(&cluster.url(), NO_ACCESS_LOG);
    worker.create("hello");
    let slot = cluster.slot(LEASE);
    let mut migration = cluster.begin_migration(slot, (cluster.owner(slot) + 1) % 3);
    migration.move_key(LEASE);
    let during = worker.create("during the migration");
    migration.move_all_keys();
    migration.finish();
    worker.create("after the migration");
    worker.call(&request::delete(&during.id)).expect(200);
    let live = cluster.nodes[cluster.owner(slot)].command(&["ZCARD", LEASE]);
    assert_eq!(live.int(), 2);
}

/// Found in a fault run: with 790 ms left, a `-MOVED` became a 503 within milliseconds.
#[test]
fn reshard_is_invisible_to_clients() {
    const SLOTS: usize = 4000;
    let cluster = Cluster::start(&ClusterConfig::steady());
    let worker = ready_on(&cluster.url(), NO_ACCESS_LOG);
    // The slots of the first primary begin at 0, and the lowest move.
    let moving = || session_in(&worker, &cluster, 0, |slot| usize::from(slot) < SLOTS);
    let moved = moving();
    let clients: [_; 16] = std::array::from_fn(|number| match number {
        0 => Client::Reader(moved.clone()),
        1 => Client::Reader(session_on(&worker, &cluster, 1)),
        2 => Client::Writer(session_on(&worker, &cluster, 2)),
        3..8 => Client::sign_ins(),
        8..10 => Client::Writer(moving()),
        _ => Client::Reader(moving()),
    });
    let ((), samples) = run_clients(&worker, clients, |samples| {
        // One slot with a request at each step, and then as fast as an operator's tool.
        let mut migration = cluster.begin_migration(cluster.slot(&key(&moved)), 1);
        samples[0].wait_for(2);
        migration.move_all_keys();
        samples[0].wait_for(2);
        migration.finish();
        samples[0].wait_for(2);
        cluster.reshard(SLOTS - 1, 0, 1);
    });
    samples.iter().for_each(Samples::assert_none_failed);
    assert_eq!(cluster.owner_of_key(&key(&moved)), 1);
}

/// `CLUSTER FAILOVER` loses no write, and costs no request.
#[test]
fn cluster_failover_is_invisible_to_clients() {
    let cluster = Cluster::start(&ClusterConfig::default());
    let worker = ready_on(&cluster.url(), NO_ACCESS_LOG);
    let sessions = session_on_each(&worker, &cluster);
    let written = session_on(&worker, &cluster, 0);
    let clients = [
        Client::Writer(written),
        Client::Reader(sessions[0].clone()),
        Client::Reader(sessions[1].clone()),
        Client::Writer(sessions[2].clone()),
        Client::sign_ins(),
        Client::sign_ins(),
    ];
    let ((), samples) = run_clients(&worker, clients, |samples| {
        for promoted in [cluster.replica_of(0), 0] {
            cluster.failover(promoted);
            wait_for_each(samples, 20);
        }
    });
    samples.iter().for_each(Samples::assert_no_sign_in_lost);
    let last = samples[0].all().pop().and_then(|sample| sample.session);
    let last = last.expect("a written session");
    worker.assert_holds(&last.id, &last.data, &last.token);
}
