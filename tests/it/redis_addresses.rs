//! A host name with two addresses of which the first never answers, as after the loss of an
//! availability zone, or with IPv6 that leads nowhere.
//!
//! Found in a fault run: all time for a connection went to the first address.

use std::net::SocketAddr;
use std::time::Duration;

use crate::server::{BINARY, NO_ACCESS_LOG};
use testkit::api::request;
use testkit::homeserver::{HomeserverStub, KnownTokens};
use testkit::process::free_port;
use testkit::redis::RedisServer;
use testkit::redis::cluster::{Cluster, ClusterConfig};
use testkit::redis::sentinels::{Sentinels, SentinelsConfig};
use testkit::server::{Server, ServerBinary};
use testkit::silent::{Hosts, SilentListener};
use testkit::until;

const NAME: &str = "two.test";

/// The address that answers. Resolvers sort 127.0.0.1 before all others, so it is not that one.
const ANSWERS: [u8; 4] = [127, 0, 0, 2];
const SILENT: [u8; 4] = [127, 0, 0, 3];

/// Makes a server listen on [`ANSWERS`] too.
const BIND: &[&str] = &["--bind", "127.0.0.1", "127.0.0.2"];

/// The server binary in a namespace in which [`NAME`] has both addresses, the silent one first.
fn binary() -> (ServerBinary, Hosts) {
    let hosts = Hosts::with(NAME, &["127.0.0.3", "127.0.0.2"]);
    (hosts.binary(BINARY), hosts)
}

fn silent(port: u16) -> SilentListener {
    SilentListener::start(SocketAddr::from((SILENT, port)))
}

/// The worker serves, and serves again after it lost its connections.
#[track_caller]
fn assert_connects(worker: &Server, nodes: &[RedisServer]) {
    until("the worker is ready", || worker.is_ready());
    let session = worker.create("hello");
    for node in nodes {
        node.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    }
    worker.assert_holds(&session.id, "hello", &session.token);
    worker.retry_while_503(&request::create("x")).expect(200);
}

#[test]
fn redis_is_reached_at_its_second_address() {
    let redis = RedisServer::start_with(BIND);
    let _silent = silent(redis.port());
    let (binary, _hosts) = binary();
    let url = format!("redis://{NAME}:{}", redis.port());
    let worker = binary.launch_on(&url, NO_ACCESS_LOG);
    assert_connects(&worker, &[redis]);
}

#[test]
fn cluster_seed_is_reached_at_its_second_address() {
    let cluster = Cluster::start(&ClusterConfig {
        options: BIND,
        ..ClusterConfig::steady()
    });
    let port = cluster.nodes[0].port();
    let _silent = silent(port);
    let (binary, _hosts) = binary();
    let url = format!("redis-cluster://{NAME}:{port}");
    let worker = binary.launch_on(&url, NO_ACCESS_LOG);
    assert_connects(&worker, &cluster.nodes);
}

#[test]
fn sentinels_are_reached_at_their_second_address() {
    let trio = Sentinels::start(&SentinelsConfig::steady());
    let _silent: Vec<_> = trio.ports().map(silent).collect();
    let (binary, _hosts) = binary();
    let url = trio.url().replace("127.0.0.1", NAME);
    let worker = binary.launch_on(&url, NO_ACCESS_LOG);
    assert_connects(&worker, &trio.nodes[..1]);
}

#[test]
fn homeserver_is_reached_at_its_second_address() {
    let port = free_port();
    let token = KnownTokens::One {
        token: "ours".to_owned(),
        user: "@alice:example.org".to_owned(),
    };
    let _homeserver = HomeserverStub::start_knowing((ANSWERS, port).into(), token, Duration::ZERO);
    let _silent = silent(port);
    let (binary, _hosts) = binary();
    let homeserver = format!("http://{NAME}:{port}");
    let worker = binary.launch(&[
        ("mode", "authenticated"),
        ("auth.homeserver_url", &homeserver),
        ("limits.enabled", "false"),
    ]);
    until("the worker is ready", || worker.is_ready());
    let create = request::create("x").header("Authorization", "Bearer ours");
    worker.call(&create).expect(200);
}
