//! Every form of `store.redis.url`, each with the requests of one sign-in.
//!
//! Outages of these deployments are tested elsewhere.

use std::collections::BTreeSet;

use crate::cli::file;
use crate::server::{Server, launch_on, ready_on};
use testkit::api::request;
use testkit::redis::RedisServer;
use testkit::redis::cluster::{Cluster, ClusterConfig};
use testkit::redis::one_node_cluster::OneNodeCluster;
use testkit::redis::sentinels::{Sentinels, SentinelsConfig};
use testkit::redis::tls::TlsRedis;
use testkit::until;

/// Create, read, write, read by the other side, write in the other form, delete.
#[track_caller]
pub fn assert_serves(worker: &Server) {
    let session = worker.create("hello");
    worker.assert_holds(&session.id, "hello", &session.token);
    let second = worker.write(&session.id, &session.token, "ECDH");
    worker.assert_holds(&session.id, "ECDH", &second);
    let third = worker
        .put_txn(&session.id, "a", &second, "protocols")
        .expect(200);
    worker.assert_holds(&session.id, "protocols", &third.text("sequence_token"));
    worker.call(&request::delete(&session.id)).expect(200);
    worker.assert_gone(&session.id);
}

#[test]
fn standalone_redis_works() {
    let redis = RedisServer::start();
    assert_serves(&ready_on(&redis.url(), &[]));
}

#[test]
fn url_password_and_database_are_used() {
    let redis = RedisServer::start_with(&["--requirepass", "correct horse"]);
    let url = format!("redis://:correct%20horse@127.0.0.1:{}/3", redis.port());
    let worker = ready_on(&url, &[]);
    assert_serves(&worker);

    worker.create("stays");
    let keyspace = redis.command(&["INFO", "keyspace"]).text();
    assert!(keyspace.contains("db3:"), "{keyspace}");
    assert!(!keyspace.contains("db0:"), "{keyspace}");
}

/// In a URL each of these characters would have another meaning.
#[test]
fn password_file_is_used_verbatim() {
    let password = "p/a#s@s:w?o%20r&d \"é";
    let redis = RedisServer::start_with(&["--requirepass", password]);
    let file = file(&format!("{password}\n"));
    let path = file.path().to_str().expect("a path");
    let url = format!("redis://127.0.0.1:{}/0", redis.port());
    assert_serves(&ready_on(&url, &[("store.redis.password_file", path)]));
}

#[test]
fn sentinels_can_have_a_separate_password() {
    let trio = Sentinels::start(&SentinelsConfig::steady());
    trio.require("of/the#sentinels");
    let file = file("of/the#sentinels");
    let path = file.path().to_str().expect("a path");
    let worker = ready_on(&trio.url(), &[("store.redis.sentinel_password_file", path)]);
    assert_serves(&worker);
    let url = format!("{}&sentinelPassword=of%2Fthe%23sentinels", trio.url());
    assert_serves(&ready_on(&url, &[]));
    let stranger = launch_on(&trio.url(), &[]);
    stranger.assert_refused(&request::create("x"));
    stranger.admin_get("/readyz").expect(503);
}

/// fred sends both in one line, where a space or a quote would have a meaning.
#[test]
fn sentinels_can_have_a_user_and_any_password() {
    let (user, password) = ("watch'er\\\"é", "p@ss word/1 \"\\'é\r\nPING");
    let trio = Sentinels::start(&SentinelsConfig::steady());
    trio.require_user(user, password);
    let query = [("sentinelUsername", user), ("sentinelPassword", password)];
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(query)
        .finish();
    let worker = ready_on(&format!("{}&{query}", trio.url()), &[]);
    assert_serves(&worker);
    assert!(!worker.log().contains("denies"), "{}", worker.log());
}

#[test]
fn wrong_password_keeps_worker_unready_unprinted() {
    let redis = RedisServer::start_with(&["--requirepass", "correct"]);
    let url = format!("redis://:Tr0ub4dor@127.0.0.1:{}/0", redis.port());
    let worker = launch_on(&url, &[]);
    worker.assert_refused(&request::create("x"));
    let readyz = worker.admin_get("/readyz").expect(503);
    let output = format!("{readyz}{}", worker.log());
    assert!(!output.contains("Tr0ub4dor"), "{output}");
    // No connection existed that could be lost.
    assert!(
        output.contains("Redis is unreachable") && !output.contains("lost"),
        "{output}"
    );
}

/// The URL is valid, and its password is another one than the operator means.
#[test]
fn rejected_password_with_a_percent_sign_has_a_hint() {
    let redis = RedisServer::start_with(&["--requirepass", "50%41"]);
    for (password, has_hint) in [("50%41", true), ("wrong", false)] {
        let url = format!("redis://:{password}@127.0.0.1:{}/0", redis.port());
        let worker = launch_on(&url, &[]);
        until("the log and /readyz have the reason", || {
            let page = worker.admin_get("/readyz").expect(503).body;
            let page = String::from_utf8(page).expect("text");
            [page, worker.log()]
                .iter()
                .all(|text| text.contains("WRONGPASS") && text.contains("write a % of") == has_hint)
        });
    }
    let url = format!("redis://:50%2541@127.0.0.1:{}/0", redis.port());
    ready_on(&url, &[]).create("hello");
}

#[test]
fn tls_redis_with_a_private_ca_works() {
    let redis = TlsRedis::start();
    let ca = redis.ca_file();
    let ca = ca.to_str().expect("UTF-8");
    assert_serves(&ready_on(&redis.url(), &[("store.redis.ca_file", ca)]));
}

#[test]
fn tls_redis_with_an_unknown_ca_is_rejected() {
    let redis = TlsRedis::start();
    let worker = launch_on(&redis.url(), &[]);
    // The request waits for a connection, and every attempt fails.
    worker.assert_refused(&request::create("x"));
    worker.admin_get("/readyz").expect(503);
    let clients = redis.server.command(&["INFO", "commandstats"]).text();
    assert!(!clients.contains("evalsha"), "{clients}");
}

#[test]
fn primary_is_found_through_sentinels() {
    let trio = Sentinels::start(&SentinelsConfig::steady());
    let worker = ready_on(&trio.url(), &[]);
    assert_serves(&worker);

    let session = worker.create("stays");
    let key = format!("mrv:s:{{{}}}", session.id);
    assert_eq!(trio.primary().command(&["EXISTS", &key]).int(), 1);
}

#[test]
fn cluster_spreads_sessions_under_one_limit() {
    let cluster = Cluster::start(&ClusterConfig::steady());
    let worker = ready_on(&cluster.url(), &[("session.max_live", "40")]);
    assert_serves(&worker);

    let ids: BTreeSet<_> = (0..40).map(|_| worker.create("x").id).collect();
    worker.try_create("x").expect_error(429, "M_LIMIT_EXCEEDED");
    for node in &cluster.nodes {
        // The chance that 40 sessions miss one of three nodes is below one in a million.
        let here = node.command(&["KEYS", "mrv:s:*"]).texts();
        assert!(
            !here.is_empty(),
            "no session on the node at {}",
            node.port()
        );
    }
    for id in &ids {
        worker.call(&request::read(id)).expect(200);
        worker.call(&request::delete(id)).expect(200);
    }
}

/// On a Cluster no script may touch a session and its lease. The URL decides which scripts run.
#[test]
fn standalone_url_of_a_cluster_names_the_mistake() {
    let cluster = OneNodeCluster::start();
    let worker = launch_on(&cluster.node.url(), &[]);
    until("/readyz names the scheme", || {
        let readyz = worker.admin_get("/readyz").expect(503);
        let page = String::from_utf8(readyz.body).expect("text");
        page.contains("use a redis-cluster:// URL") && page.contains("CROSSSLOT")
    });
    worker.assert_refused(&request::create("x"));
    assert_serves(&ready_on(&cluster.url(), &[]));
}
