//! `store.redis.wait_for_replicas`: what is acknowledged is on a replica, and survives a failover.

mod topologies;

use crate::redis_start_checks::user;
use crate::server::{NO_ACCESS_LOG, NO_WAIT, Server, launch_on, ready_on};
use testkit::api::{UNSTABLE, request};
use testkit::background::{Client, run_clients, wait_for_each};
use testkit::http::Request;
use testkit::proxy::{Fault, Proxy, Target};
use testkit::redis::RedisServer;
use testkit::redis::acl_rule::documented_rule;
use testkit::redis::sentinels::{Sentinels, SentinelsConfig};
use testkit::until;

const WAIT: (&str, &str) = ("store.redis.wait_for_replicas", "1");

/// A primary and its replica.
fn pair() -> [RedisServer; 2] {
    let primary = RedisServer::start();
    let port = primary.port().to_string();
    let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &port]);
    until("the replica follows", || {
        primary.info("replication", "connected_slaves") == "1"
            && replica.info("replication", "master_link_status") == "up"
    });
    [primary, replica]
}

/// Asserts that a retry of a write is not acknowledged either: it writes nothing itself.
#[test]
fn change_without_its_replica_is_not_acknowledged() {
    let [primary, replica] = pair();
    let worker = ready_on(&primary.url(), &[WAIT, NO_WAIT]);
    let [session, deleted] = [(); 2].map(|()| worker.create("hello"));
    replica.pause();
    let write = request::write(&session.id, None, &session.token, "ECDH");
    for request in [
        &write,
        &write,
        &request::create("x"),
        &request::delete(&deleted.id),
        &request::delete(&deleted.id),
    ] {
        worker.assert_refused(request);
    }
    // Reads do not wait.
    assert_eq!(worker.read(&session.id).data, "ECDH");
    replica.resume();
    let token = worker.retry_while_503(&write).expect(200);
    let token = token.text("sequence_token");
    worker.assert_holds(&session.id, "ECDH", &token);
    let key = format!("mrv:s:{{{}}}", session.id);
    assert_eq!(replica.command(&["HGET", &key, "d"]).text(), "ECDH");
    worker.assert_gone(&deleted.id);
}

// R0.39
#[test]
fn missing_replica_is_a_refusal() {
    let [primary, replica] = pair();
    let worker = ready_on(&primary.url(), &[WAIT]);
    let has_failed = || {
        worker
            .metrics()
            .value("rendezvous_store_check_failed{check=\"write\"}")
            == 1
    };
    let may_create = || worker.raw(&Request::get(UNSTABLE)).json()["create_available"] == true;
    assert!(may_create());
    replica.pause();
    until("the probe fails", has_failed);
    assert!(!may_create());
    replica.resume();
    until("the probe passes", || !has_failed());
    assert!(may_create());
}

/// A creation that failed leaves nothing for as long as the replica is away.
#[test]
fn rollback_does_not_wait_for_replicas() {
    let [primary, replica] = pair();
    let worker = ready_on(&primary.url(), &[WAIT]);
    replica.pause();
    worker.assert_refused(&request::create("x"));
    until("the session is removed", || {
        primary.command(&["KEYS", "mrv:s:*"]).array().is_empty()
            && worker.metrics().value("rendezvous_store_orphans_waiting") == 0
    });
    replica.resume();
}

#[test]
fn full_redis_with_replicas_finishes_sign_ins() {
    let [primary, _replica] = pair();
    let worker = ready_on(&primary.url(), &[WAIT]);
    let session = worker.create("hello");
    primary.command(&["CONFIG", "SET", "maxmemory", "1"]);
    worker.assert_refused(&request::create("x"));
    let second = worker.write(&session.id, &session.token, "ECDH");
    worker.assert_holds(&session.id, "ECDH", &second);
    worker.call(&request::delete(&session.id)).expect(200);
}

/// The connection of the scripts answers all the time.
#[test]
fn silent_connection_for_wait_is_replaced() {
    let [primary, _replica] = pair();
    let proxy = Proxy::start(primary.address());
    let worker = ready_on(&proxy.url(), &[WAIT]);
    let session = worker.create("hello");
    proxy.next(Target::Wait, Fault::HoldReply);
    let second = worker.write(&session.id, &session.token, "ECDH");
    worker.assert_holds(&session.id, "ECDH", &second);
    worker.create("hello again");
}

/// The replicas lack the write when the primary dies, and one of them is promoted.
#[test]
fn write_that_a_failover_loses_was_not_acknowledged() {
    let mut trio = Sentinels::start(&SentinelsConfig::default());
    let worker = ready_on(&trio.url(), &[WAIT, NO_WAIT]);
    let session = worker.create("hello");
    let write = request::write(&session.id, None, &session.token, "ECDH");
    let old = trio.primary_index();
    let replicas = (0..trio.nodes.len()).filter(|node| *node != old);
    let replicas: Vec<_> = replicas.collect();
    for node in &replicas {
        trio.nodes[*node].pause();
    }
    let first = worker.call(&write);
    trio.nodes[old].kill();
    for node in &replicas {
        trio.nodes[*node].resume();
    }
    assert_eq!(first.status, 503, "{first}");
    trio.wait_for_promotion(old);
    let token = worker.retry_while_503(&write).expect(200);
    worker.assert_holds(&session.id, "ECDH", &token.text("sequence_token"));
}

/// Without the option, the first write after the failover may conflict, since the last one is lost.
#[test]
fn killed_primary_loses_no_acknowledged_write() {
    let mut trio = Sentinels::start(&SentinelsConfig::default());
    let worker = ready_on(&trio.url(), &[&[WAIT], NO_ACCESS_LOG].concat());
    let clients = [
        Client::Writer(worker.create("hello")),
        Client::Writer(worker.create("hello")),
    ];
    let old = trio.primary_index();
    let ((), samples) = run_clients(&worker, clients, |samples| {
        wait_for_each(samples, 20);
        trio.nodes[old].kill();
        trio.wait_for_promotion(old);
        wait_for_each(samples, 20);
    });
    for writes in &samples {
        let mut is_unknown = false;
        for sample in writes.all() {
            // On a loaded machine a failover can take longer than requests wait. After a 503 the write
            // may have been applied, and the next one conflicts.
            let is_lost = sample.status == 409 && !is_unknown;
            assert!(!is_lost, "an acknowledged write is lost");
            assert!([200, 409, 503].contains(&sample.status));
            is_unknown = sample.status != 200;
        }
        let last = writes.all().pop().and_then(|sample| sample.session);
        if let Some(last) = last {
            worker.assert_holds(&last.id, &last.data, &last.token);
        }
    }
}

#[test]
fn missing_wait_permission_fails_the_check() {
    let [primary, _replica] = pair();
    let rule = documented_rule();
    let page = |worker: &Server| {
        let page = worker.admin_get("/readyz").body;
        String::from_utf8(page).expect("text")
    };
    let worker = launch_on(&user(&primary, "without", &rule), &[WAIT]);
    until("the check names the command", || {
        let page = page(&worker);
        page.contains("acl") && page.to_lowercase().contains("wait")
    });
    let with = [&rule[..], &["+wait".to_owned()]].concat();
    ready_on(&user(&primary, "with", &with), &[WAIT]).create("hello");
}
