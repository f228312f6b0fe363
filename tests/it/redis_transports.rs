//! Redis that asks its clients for certificates, and Redis on a Unix socket.

use crate::cli::file;
use crate::redis_urls::assert_serves;
use crate::server::{launch_on, ready_on};
use testkit::api::request;
use testkit::certificates::Certificates;
use testkit::redis::RedisServer;
use testkit::redis::acl_rule::documented_rule;
use testkit::redis::cluster::{Cluster, ClusterConfig};
use testkit::redis::sentinels::{Sentinels, SentinelsConfig};
use testkit::redis::tls::{RedisTls, TlsRedis};
use testkit::until;

/// The settings of a worker with a client certificate.
fn certificate(certificates: &Certificates) -> [(&'static str, String); 3] {
    [
        ("store.redis.ca_file", certificates.ca_file()),
        ("store.redis.cert_file", certificates.client_cert_file()),
        ("store.redis.key_file", certificates.client_key_file()),
    ]
    .map(|(key, path)| (key, path.to_str().expect("UTF-8").to_owned()))
}

fn borrowed<'s>(settings: &'s [(&'static str, String)]) -> Vec<(&'static str, &'s str)> {
    let settings = settings.iter();
    settings.map(|(key, value)| (*key, &**value)).collect()
}

/// Redis asks for client certificates by default.
#[test]
fn client_certificate_is_presented_to_redis() {
    let redis = TlsRedis::requiring_client_certificates();
    let settings = certificate(redis.certificates());
    assert_serves(&ready_on(&redis.url(), &borrowed(&settings)));
}

#[test]
fn missing_client_certificate_is_reported() {
    let redis = TlsRedis::requiring_client_certificates();
    let settings = certificate(redis.certificates());
    let worker = launch_on(&redis.url(), &borrowed(&settings[..1]));
    worker.assert_refused(&request::create("x"));
    until("/readyz says that a certificate is missing", || {
        let page = worker.admin_get("/readyz").expect(503).body;
        let page = String::from_utf8(page).expect("text").to_lowercase();
        page.contains("certificate")
    });
}

#[test]
fn client_certificate_is_presented_to_sentinels() {
    let tls = RedisTls::requiring_client_certificates();
    let trio = Sentinels::start(&SentinelsConfig {
        tls: Some(&tls),
        ..SentinelsConfig::steady()
    });
    let settings = certificate(tls.certificates());
    assert_serves(&ready_on(&trio.url(), &borrowed(&settings)));
}

#[test]
fn client_certificate_is_presented_to_each_cluster_node() {
    let tls = RedisTls::requiring_client_certificates();
    let cluster = Cluster::start(&ClusterConfig {
        tls: Some(&tls),
        ..ClusterConfig::steady()
    });
    let settings = certificate(tls.certificates());
    assert_serves(&ready_on(&cluster.url(), &borrowed(&settings)));
}

#[test]
fn unix_socket_works() {
    let redis = RedisServer::start_with(&["--unixsocket", "redis.sock"]);
    let socket = redis.unix_socket();
    let url = format!("unix://{}", socket.display());
    assert_serves(&ready_on(&url, &[]));
    let worker = ready_on(&format!("{url}?db=3"), &[]);
    assert_serves(&worker);
    worker.create("stays");
    let keyspace = redis.command(&["INFO", "keyspace"]).text();
    assert!(keyspace.contains("db3:"), "{keyspace}");
}

#[test]
fn unix_socket_works_with_a_password() {
    let mut user = ["--unixsocket", "redis.sock", "--user", "rendezvous"]
        .map(str::to_owned)
        .to_vec();
    user.extend(["on", ">secret"].map(str::to_owned));
    user.extend(documented_rule());
    let user: Vec<_> = user.iter().map(String::as_str).collect();
    let redis = RedisServer::start_with(&user);
    redis.command(&["ACL", "SETUSER", "default", "nocommands"]);
    let password = file("secret");
    let path = password.path().to_str().expect("a path");
    let url = format!("unix://rendezvous@{}", redis.unix_socket().display());
    assert_serves(&ready_on(&url, &[("store.redis.password_file", path)]));
}

#[test]
fn restarted_redis_is_found_again_on_its_unix_socket() {
    let mut redis = RedisServer::planned(&["--unixsocket", "redis.sock"]);
    let url = format!("unix://{}", redis.unix_socket().display());
    let worker = launch_on(&url, &[]);
    worker.assert_refused(&request::create("x"));
    redis.restart();
    until("the worker is ready", || worker.is_ready());
    worker.create("hello");
    redis.kill();
    worker.assert_refused(&request::create("x"));
    redis.restart();
    worker.retry_while_503(&request::create("x")).expect(200);
}
