//! `store.redis.wait_for_replicas` on a Cluster, over TLS with an ACL user, in a planned failover by
//! Sentinel, and behind a balancer.

use super::{WAIT, pair};
use crate::server::{NO_ACCESS_LOG, NO_WAIT, launch_on, ready_on};
use testkit::api::request;
use testkit::background::{Client, run_clients, wait_for_each};
use testkit::redis::acl_rule::documented_rule;
use testkit::redis::cluster::{Cluster, ClusterConfig};
use testkit::redis::sentinels::{Sentinels, SentinelsConfig};
use testkit::redis::tls::RedisTls;
use testkit::relay::Relay;
use testkit::until;

fn key(id: &str) -> String {
    format!("mrv:s:{{{id}}}")
}

/// The number in the payload of [`Client::Writer`]: `write 12`.
fn number_in(data: &str) -> u32 {
    let number = data.rsplit(' ').next().and_then(|word| word.parse().ok());
    number.unwrap_or(0)
}

/// Each primary has a replica of its own. One that is away stops changes on its slots only, and what
/// was acknowledged survives the loss of the primary.
#[test]
fn cluster_waits_for_the_replica_of_the_slot() {
    let tls = RedisTls::make();
    let mut cluster = Cluster::start(&ClusterConfig {
        tls: Some(&tls),
        ..ClusterConfig::default()
    });
    let user = ["ACL", "SETUSER", "rendezvous", "on", ">secret"].map(str::to_owned);
    let more = ["+cluster", "+asking", "+wait"].map(str::to_owned);
    let rule = [&user[..], &documented_rule(), &more].concat();
    for node in &cluster.nodes {
        assert_eq!(node.command(&rule).text(), "OK");
    }
    let ca_file = tls.certificates().ca_file();
    let ca_file = ca_file.to_str().expect("UTF-8");
    let settings = [WAIT, NO_WAIT, ("store.redis.ca_file", ca_file)];
    let worker = ready_on(&cluster.url_as("rendezvous:secret@"), &settings);

    let session = worker.create("hello");
    let primary = cluster.owner_of_key(&key(&session.id));
    let other = loop {
        let other = worker.create("hello");
        if cluster.owner_of_key(&key(&other.id)) != primary {
            break other;
        }
    };
    let replica = cluster.replica_of(primary);
    cluster.nodes[replica].pause();
    let write = request::write(&session.id, None, &session.token, "ECDH");
    worker.assert_refused(&write);
    assert_eq!(worker.read(&session.id).data, "ECDH");
    worker.write(&other.id, &other.token, "ECDH");
    cluster.nodes[replica].resume();
    let token = worker.retry_while_503(&write).expect(200);
    let token = token.text("sequence_token");

    cluster.nodes[primary].kill();
    cluster.wait_for_promotion(cluster.slot(&key(&session.id)), primary);
    let read = request::read(&session.id);
    let held = worker.retry_while_503(&read).expect(200);
    let held = [held.text("data"), held.text("sequence_token")];
    assert_eq!(held, ["ECDH".to_owned(), token]);
}

/// With all replicas, whichever is promoted has each acknowledged write.
#[test]
fn planned_failover_loses_no_write_that_all_replicas_have() {
    let trio = Sentinels::start(&SentinelsConfig::default());
    let all = ("store.redis.wait_for_replicas", "2");
    let worker = ready_on(&trio.url(), &[&[all], NO_ACCESS_LOG].concat());
    let sessions = [(); 4].map(|()| worker.create("hello"));
    let ids = sessions.clone().map(|session| session.id);
    let ((), samples) = run_clients(&worker, sessions.map(Client::Writer), |samples| {
        wait_for_each(samples, 10);
        let old = trio.failover();
        trio.wait_for_promotion(old);
    });
    for (id, writes) in ids.iter().zip(&samples) {
        let mut is_unknown = false;
        let mut acknowledged = 0;
        for sample in writes.all() {
            let is_lost = sample.status == 409 && !is_unknown;
            assert!(!is_lost, "an acknowledged write is lost");
            is_unknown = sample.status != 200;
            if let (200, Some(session)) = (sample.status, sample.session) {
                acknowledged = number_in(&session.data);
            }
        }
        let held = worker.retry_while_503(&request::read(id)).expect(200);
        let held = number_in(&held.text("data"));
        assert!(held >= acknowledged, "{held} of {acknowledged}");
    }
}

/// A balancer sends the connection for `WAIT` to another server, which has its replica: its `WAIT`
/// would acknowledge what no replica has.
#[test]
fn connections_to_different_servers_are_refused() {
    let [one, other] = [pair(), pair()];
    let balancer = Relay::balance(&[one[0].address(), other[0].address()]);
    let url = format!("redis://{}", balancer.address());
    let worker = launch_on(&url, &[WAIT, NO_WAIT]);
    until("/readyz says why", || {
        let page = worker.admin_get("/readyz").body;
        String::from_utf8_lossy(&page).contains("different servers")
    });
    worker.assert_refused(&request::create("x"));
    let balancer = Relay::balance(&[one[0].address()]);
    let url = format!("redis://{}", balancer.address());
    ready_on(&url, &[WAIT]).create("hello");
}
