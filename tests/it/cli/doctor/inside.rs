//! The checks from inside: the configuration, Redis, the token verifier, the replicas.

use super::{assert_status, check, report, run, service, url_of};
use crate::redis_start_checks::user;
use crate::repository;
use crate::server::{Server, launch_on, ready_on};
use serde_json::Value;
use std::path::PathBuf;
use tempfile::TempDir;
use testkit::api::UNSTABLE;
use testkit::homeserver::{HomeserverStub, TokenReply};
use testkit::http::{Connection, Request};
use testkit::proxy::{Fault, Proxy, Target};
use testkit::redis::RedisServer;
use testkit::redis::acl_rule::documented_rule;
use testkit::server::Store;
use testkit::until;

/// Runs the doctor without SERVER on this configuration, and returns its report.
#[track_caller]
fn report_on(settings: &[(&str, &str)], more: &[&str], code: i32) -> Value {
    let enabled = [("msc4108.enabled", "true")];
    let pairs = enabled.iter().chain(settings);
    let pairs: Vec<_> = pairs.map(|(key, value)| format!("{key}={value}")).collect();
    let mut arguments = more.to_vec();
    for pair in &pairs {
        arguments.extend(["--set", pair]);
    }
    report(&arguments, code)
}

#[track_caller]
pub fn report_on_redis(url: &str, code: i32) -> Value {
    let settings = [("store.backend", "redis"), ("store.redis.url", url)];
    report_on(&settings, &["--timeout", "3s"], code)
}

#[track_caller]
pub fn assert_found(report: &Value, id: &str, status: &str, words: &str) {
    assert_status(report, id, status);
    let what = check(report, id)["what"].as_str().expect("text");
    assert!(what.contains(words), "{id}: {what}");
}

#[test]
fn configuration_alone_is_checked_without_server_and_base_url() {
    let redis = RedisServer::start();
    let report = report_on_redis(&redis.url(), 0);
    assert_eq!(report["target"], "the configuration");
    assert_found(&report, "configuration", "warn", "public_base_url");
    for id in [
        "redis-connection",
        "redis-write",
        "redis-fit",
        "redis-memory",
        "redis-clock",
    ] {
        assert_status(&report, id, "pass");
    }
    assert_found(&report, "redis-connection", "pass", "Redis 7.");
    assert_found(&report, "token-verifier", "skip", "no homeserver");
    assert_found(&report, "well-known", "skip", "http.public_base_url");
    assert_found(&report, "create", "skip", "needs well-known");
    // The rate of the check's own principal is a key for a moment.
    until("only the key of pseudonyms stays", || {
        redis.command(&["DBSIZE"]).int() == 1
    });
}

#[test]
fn read_only_doctor_writes_nothing_to_redis() {
    let redis = RedisServer::start();
    let url = redis.url();
    let settings = [("store.backend", "redis"), ("store.redis.url", &*url)];
    let report = report_on(&settings, &["--read-only"], 0);
    assert_found(&report, "redis-write", "skip", "--read-only");
    assert_found(&report, "redis-fit", "pass", "permissions need a write");
    assert_eq!(redis.command(&["DBSIZE"]).int(), 0);
}

#[test]
fn doctor_without_a_configuration_skips_the_inside() {
    let report = report(&[&url_of(&service())], 0);
    for id in ["configuration", "redis-fit", "token-verifier"] {
        assert_found(&report, id, "skip", "no configuration was given");
    }
    assert_found(&report, "replicas-ready", "skip", "no --replica");
    // The image sets these.
    let server = service();
    let image = [
        ("RENDEZVOUS_HTTP__LISTEN", "0.0.0.0:8080"),
        ("RENDEZVOUS_ADMIN__LISTEN", "0.0.0.0:8081"),
    ];
    let run = run(&["doctor", &url_of(&server)], &image).expect(0);
    let skipped = run.stdout.contains("no configuration was given");
    assert!(skipped, "{run:#?}");
}

#[test]
fn warnings_of_the_configuration_are_warnings() {
    let report = report_on(&[("msc4108.enabled", "false"), ("mode", "open")], &[], 0);
    assert_found(&report, "configuration", "warn", "msc4108.enabled is false");
    assert_found(&report, "redis-fit", "skip", "store.backend is memory");
}

/// The configuration of other workers would make the report on Redis one about another Redis.
#[test]
fn configuration_of_another_base_url_is_a_warning() {
    let server = service();
    let url = url_of(&server);
    let other = [("http.public_base_url", "https://other.example.org")];
    let report = report_on(&other, &[&url], 0);
    let found = "the configuration has the base URL https://other.example.org";
    assert_found(&report, "session-url", "warn", found);
    let slash = format!("{url}/");
    let same = [("http.public_base_url", slash.as_str())];
    let report = report_on(&same, &[&url], 0);
    assert_found(&report, "session-url", "warn", "is not https");
}

#[test]
fn redis_without_a_connection_is_named_with_the_cause() {
    let mut redis = RedisServer::start();
    let wrong = format!("redis://someone:wrong@127.0.0.1:{}", redis.port());
    let refused = report_on_redis(&wrong, 1);
    assert_found(&refused, "redis-connection", "fail", "WRONGPASS");
    for id in ["redis-write", "redis-fit", "redis-memory", "redis-clock"] {
        assert_found(&refused, id, "skip", "needs redis-connection");
    }
    let url = redis.url();
    redis.kill();
    let report = report_on_redis(&url, 1);
    assert_found(&report, "redis-connection", "fail", "refused");
}

#[test]
fn redis_that_evicts_is_unfit() {
    let redis = RedisServer::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    let report = report_on_redis(&redis.url(), 1);
    assert_found(&report, "redis-fit", "fail", "allkeys-lru");
    assert_status(&report, "redis-write", "pass");
}

#[test]
fn redis_that_refuses_writes_is_named_first() {
    let redis = RedisServer::start_with(&["--maxmemory", "200mb"]);
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
    let report = report_on_redis(&redis.url(), 1);
    assert_found(&report, "redis-write", "fail", "OOM");
    let action = check(&report, "redis-write")["do"].as_str().expect("text");
    assert!(action.contains("maxmemory"), "{action}");
    assert_found(
        &report,
        "redis-memory",
        "warn",
        "of 1 byte (over the limit)",
    );
    assert_found(&report, "redis-fit", "fail", "memory: maxmemory is 1 bytes");
    let action = check(&report, "redis-fit")["do"].as_str().expect("text");
    assert!(action.starts_with("raise maxmemory"), "{action}");
}

#[test]
fn redis_that_sends_no_reply_to_a_write_is_named() {
    let redis = RedisServer::start();
    let proxy = Proxy::start(redis.address());
    proxy.every(Target::PseudonymKey, Fault::HoldReply);
    let report = report_on_redis(&proxy.url(), 1);
    assert_found(&report, "redis-write", "fail", "no reply");
    assert_found(&report, "redis-fit", "skip", "needs redis-write");
}

#[test]
fn missing_permission_of_redis_is_named() {
    let redis = RedisServer::start();
    let mut rule = documented_rule();
    rule.retain(|word| word != "+hset");
    let report = report_on_redis(&user(&redis, "poor", &rule), 1);
    assert_found(&report, "redis-fit", "fail", "acl: ");
}

#[test]
fn clock_of_redis_that_is_wrong_is_a_warning() {
    let redis = RedisServer::start();
    let proxy = Proxy::start(redis.address());
    proxy.every(
        Target::Info,
        Fault::Alter(|info| {
            let info = String::from_utf8(info.to_vec()).expect("text");
            // Some years slow, in a text of the same length.
            let slow = info.replace("server_time_usec:1", "server_time_usec:0");
            assert_ne!(slow, info);
            slow.into_bytes()
        }),
    );
    let report = report_on_redis(&proxy.url(), 0);
    assert_found(
        &report,
        "redis-clock",
        "warn",
        "differs from this machine's",
    );
    assert_status(&report, "redis-fit", "pass");
}

/// A file with a token, and the directory that keeps it.
pub fn token_file(token: &str) -> (TempDir, PathBuf) {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("token");
    std::fs::write(&path, format!("{token}\n")).expect("a file");
    (directory, path)
}

#[test]
fn token_verifier_is_asked_as_a_worker_asks_it() {
    const TOKEN: &str = "a-token-of-alice";
    let homeserver = HomeserverStub::start();
    let url = homeserver.url();
    let settings = [("mode", "authenticated"), ("auth.homeserver_url", &*url)];
    let (_directory, path) = token_file(TOKEN);
    let with_token = ["--token-file", path.to_str().expect("text")];
    homeserver.set_default_reply(Some(TokenReply::unknown_token()));
    let unknown = report_on(&settings, &[], 0);
    assert_found(&unknown, "token-verifier", "pass", "--token-file tries");
    let rejected = report_on(&settings, &with_token, 1);
    assert_found(&rejected, "token-verifier", "fail", "rejects the token");
    homeserver.set_reply(TOKEN, TokenReply::user("@alice:example.org"));
    let accepted = report_on(&settings, &with_token, 0);
    assert_found(&accepted, "token-verifier", "pass", "accepted");
    assert!(!accepted.to_string().contains(TOKEN), "{accepted:#}");

    homeserver.set_default_reply(Some(TokenReply::user("@anyone:example.org")));
    let lax = report_on(&settings, &[], 1);
    assert_found(&lax, "token-verifier", "fail", "accepts a made-up token");
    let page = TokenReply::Body(200, "<html>".to_owned());
    homeserver.set_default_reply(Some(page));
    let page = report_on(&settings, &[], 1);
    assert_found(
        &page,
        "token-verifier",
        "fail",
        "expected 200 with a \"user_id\"",
    );
}

/// A token is that of a user of one homeserver.
#[test]
fn token_is_sent_to_no_other_homeserver() {
    const TOKEN: &str = "a-token-of-alice";
    let homeservers = [HomeserverStub::start(), HomeserverStub::start()];
    let entries = homeservers.each_ref().map(|homeserver| {
        homeserver.set_default_reply(Some(TokenReply::unknown_token()));
        let url = homeserver.url();
        let host = url.trim_start_matches("http://").replace(':', "-");
        format!(
            "[[auth.homeserver]]\nhost = \"{host}.example\"\nmode = \"authenticated\"\n\
             homeserver_url = \"{url}\"\npublic_base_url = \"https://{host}.example\"\n"
        )
    });
    let (directory, path) = token_file(TOKEN);
    let config = directory.path().join("config.toml");
    std::fs::write(&config, entries.concat()).expect("a file");
    let [path, config] = [&path, &config].map(|path| path.to_str().expect("text"));
    let arguments = ["doctor", "--config", config, "--token-file", path];
    run(&arguments, &[]).expect_refused(&["--token-file: give SERVER"]);
    let server = service();
    let target = url_of(&server);
    let found = report(&[&arguments[1..], &[&target]].concat(), 0);
    assert_found(
        &found,
        "token-verifier",
        "pass",
        "a made-up token is rejected",
    );
    for homeserver in &homeservers {
        assert!(!homeserver.requests().is_empty());
        let about = homeserver.requests_about(TOKEN);
        assert!(about.is_empty(), "{about:?}");
    }
}

#[test]
fn token_file_that_cannot_be_read_ends_the_doctor() {
    let arguments = ["doctor", "--token-file", "/not/there", "a.example"];
    let run = run(&arguments, &[]).expect(2);
    assert!(run.stderr.contains("--token-file: /not/there"), "{run:#?}");
}

fn admin_of(server: &Server) -> String {
    format!("http://{}", server.admin)
}

/// Runs the doctor on these replicas.
#[track_caller]
fn report_on_replicas(replicas: &[&Server], code: i32) -> Value {
    let urls: Vec<_> = replicas.iter().map(|replica| admin_of(replica)).collect();
    let mut arguments = vec!["--read-only"];
    for url in &urls {
        arguments.extend(["--replica", url]);
    }
    let target = url_of(replicas[0]);
    arguments.push(&target);
    report(&arguments, code)
}

const OPEN: [(&str, &str); 2] = [("mode", "open"), ("msc4108.enabled", "true")];

#[test]
fn replicas_with_one_redis_and_one_configuration_are_alike() {
    let redis = RedisServer::start();
    let (one, two) = (ready_on(&redis.url(), &OPEN), ready_on(&redis.url(), &OPEN));
    let report = report_on_replicas(&[&one, &two], 0);
    for id in ["replicas-ready", "replicas-alike", "trusted-proxies"] {
        assert_status(&report, id, "pass");
    }
    assert_found(&report, "replicas-alike", "pass", "redis ");

    let other = ready_on(&redis.url(), &[OPEN[0], OPEN[1], ("session.ttl", "150s")]);
    let report = report_on_replicas(&[&one, &other], 0);
    assert_found(&report, "replicas-alike", "warn", "configurations differ");

    // Another database, and another prefix, have other sessions.
    let database = ready_on(&format!("{}1", redis.url().trim_end_matches('0')), &OPEN);
    let report = report_on_replicas(&[&one, &database], 1);
    assert_found(&report, "replicas-alike", "fail", "stores differ");
    let prefix = ready_on(
        &redis.url(),
        &[OPEN[0], OPEN[1], ("store.redis.prefix", "x:")],
    );
    let report = report_on_replicas(&[&one, &prefix], 1);
    assert_found(&report, "replicas-alike", "fail", "stores differ");
}

/// Some managed Redis forbid INFO.
#[test]
fn replicas_that_do_not_say_their_store_cannot_be_compared() {
    let redis = RedisServer::start();
    let mut rule = documented_rule();
    rule.retain(|word| word != "+info");
    let url = user(&redis, "no-info", &rule);
    let replicas = [ready_on(&url, &OPEN), ready_on(&url, &OPEN)];
    let report = report_on_replicas(&replicas.each_ref(), 0);
    assert_found(&report, "replicas-alike", "warn", "which store");
}

#[test]
fn replicas_with_a_store_in_memory_each_are_a_failure() {
    let start = || Server::start(Store::Memory, &OPEN);
    let report = report_on_replicas(&[&start(), &start()], 1);
    assert_found(&report, "replicas-alike", "fail", "stores differ");
}

#[test]
fn replica_that_is_not_ready_says_why() {
    let redis = RedisServer::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    let good = Server::start(Store::Memory, &OPEN);
    let unfit = launch_on(&redis.url(), &OPEN);
    until("it found Redis unfit", || {
        let page = unfit.admin_get("/readyz").expect(503).body;
        String::from_utf8_lossy(&page).contains("allkeys-lru")
    });
    let report = report_on_replicas(&[&good, &unfit], 1);
    assert_found(&report, "replicas-ready", "fail", "allkeys-lru");
    assert_found(&report, "replicas-alike", "skip", "needs replicas-ready");
}

/// A part that does not work, on a replica that is ready.
#[test]
fn degraded_part_of_a_replica_is_a_warning() {
    let settings = [OPEN[0], OPEN[1], ("maintenance", "true")];
    let server = Server::start(Store::Memory, &settings);
    let report = report_on_replicas(&[&server], 0);
    assert_found(&report, "replicas-ready", "warn", "maintenance: on");
    assert_found(&report, "replicas-ready", "warn", &admin_of(&server));
}

#[test]
fn replica_url_of_the_wrong_listener_is_named() {
    let server = Server::start(Store::Memory, &OPEN);
    let url = url_of(&server);
    let report = report(&["--read-only", "--replica", &url, &url], 1);
    assert_found(&report, "replicas-ready", "fail", "admin.listen");
    assert_found(&report, "trusted-proxies", "fail", "admin.listen");
}

#[test]
fn proxy_that_a_replica_does_not_trust_is_a_warning() {
    let server = Server::start(Store::Memory, &OPEN);
    let request = Request::get(UNSTABLE).header("X-Forwarded-For", "192.0.2.7");
    server.call(&request).expect(200);
    let report = report_on_replicas(&[&server], 0);
    assert_found(&report, "trusted-proxies", "warn", "not trusted");
}

/// A service on which only users may create sessions.
pub fn authenticated(homeserver: &HomeserverStub) -> Server {
    let url = homeserver.url();
    let settings = [
        ("mode", "authenticated"),
        ("auth.homeserver_url", &*url),
        ("msc4108.enabled", "true"),
        ("msc4108.long_poll.timeout", "0s"),
    ];
    Server::start(Store::Memory, &settings)
}

#[test]
fn access_token_creates_a_session_in_mode_authenticated() {
    const TOKEN: &str = "a-token-of-alice";
    let homeserver = HomeserverStub::start();
    homeserver.set_default_reply(Some(TokenReply::unknown_token()));
    homeserver.set_reply(TOKEN, TokenReply::user("@alice:example.org"));
    let server = authenticated(&homeserver);
    let without = report(&[&url_of(&server)], 0);
    assert_found(&without, "authorization", "pass", "arrives");
    assert_found(&without, "json-exchange", "skip", "needs authorization");
    let (_directory, path) = token_file(TOKEN);
    let path = path.to_str().expect("text");
    let with = report(&["--token-file", path, &url_of(&server)], 0);
    assert_found(&with, "authorization", "pass", "accepted");
    assert_status(&with, "json-exchange", "pass");
    assert!(!with.to_string().contains(TOKEN), "{with:#}");
    let metrics = server.metrics();
    assert_eq!(metrics.sum("rendezvous_sessions_deleted_total", &[]), 3);
}

#[test]
fn token_verifier_that_does_not_answer_fails_the_authorization() {
    let homeserver = HomeserverStub::start();
    homeserver.set_default_reply(Some(TokenReply::Close));
    let server = authenticated(&homeserver);
    let report = report(&[&url_of(&server)], 1);
    assert_found(&report, "authorization", "fail", "503");
}

/// Writes a configuration with a homeserver for each base URL.
fn config_of(base_urls: &[String]) -> (TempDir, PathBuf) {
    let entries = base_urls.iter().enumerate().map(|(number, url)| {
        format!(
            "[[auth.homeserver]]\nhost = \"host-{number}.example\"\nmode = \"open\"\n\
             public_base_url = \"{url}\"\n"
        )
    });
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("config.toml");
    let enabled = "msc4108.enabled = true\n".to_owned();
    let text = std::iter::once(enabled).chain(entries).collect::<String>();
    std::fs::write(&path, text).expect("a file");
    (directory, path)
}

/// Redis, the token verifiers and the replicas are the same for each base URL.
#[test]
fn checks_from_inside_are_made_once_for_several_base_urls() {
    let servers = [service(), service()];
    let urls = servers.each_ref().map(url_of);
    let (_directory, config) = config_of(&urls);
    let config = config.to_str().expect("text");
    let replica = admin_of(&servers[0]);
    let arguments = [
        "doctor",
        "--read-only",
        "--format",
        "json",
        "--config",
        config,
        "--replica",
        &replica,
    ];
    let run = run(&arguments, &[]).expect(0);
    let lines = run.stdout.lines().map(serde_json::from_str::<Value>);
    let reports: Vec<_> = lines.map(|report| report.expect("JSON")).collect();
    let targets: Vec<_> = reports.iter().map(|report| &report["target"]).collect();
    assert_eq!(targets, ["the configuration", &urls[0], &urls[1]]);
    let ids = reports.iter().map(|report| {
        let checks = report["checks"].as_array().expect("a list").iter();
        checks.map(|check| check["id"].as_str().expect("an id"))
    });
    let [inside, first, second] = ids
        .map(Iterator::collect::<Vec<_>>)
        .collect::<Vec<_>>()
        .try_into()
        .expect("three reports");
    assert_eq!((inside.len(), first.len()), (10, 30));
    assert_eq!((inside[0], inside[9]), ("configuration", "trusted-proxies"));
    assert_eq!(first[0], "well-known");
    assert_eq!(first, second);
    assert_status(&reports[0], "replicas-ready", "pass");
    for report in &reports[1..] {
        assert_status(report, "route-msc4108", "pass");
    }
    // The alert RendezvousFailsFromOutside leaves out the same.
    let rules = repository::root().join("deploy/prometheus/rules.yaml");
    let rules = std::fs::read_to_string(rules).expect("the rules");
    let (_, rest) = rules
        .split_once("rendezvous_doctor_check{id!~\"")
        .expect("the alert");
    let (pattern, _) = rest.split_once('"').expect("its pattern");
    let is_left_out = |id: &&str| {
        let mut parts = pattern.split('|');
        parts.any(|part| match part.strip_suffix(".*") {
            Some(start) => id.starts_with(start),
            None => *id == part,
        })
    };
    assert!(inside.iter().all(is_left_out), "{pattern}: {inside:?}");
    assert!(!first.iter().any(is_left_out), "{pattern}: {first:?}");
}

/// One base URL needs no second report.
#[test]
fn report_on_one_base_url_has_every_check() {
    let server = service();
    let (_directory, config) = config_of(&[url_of(&server)]);
    let report = report(&["--config", config.to_str().expect("text")], 0);
    assert_eq!(report["target"], url_of(&server));
    assert_eq!(report["checks"].as_array().expect("a list").len(), 40);
}

/// A health check of another machine is an unlisted proxy too, but a rare one.
#[test]
fn commonest_proxy_that_is_not_trusted_is_named() {
    let settings =
        |keys: &[(&str, &str)]| Server::start(Store::Memory, &[&OPEN[..], keys].concat());
    let plain = settings(&[]);
    // The PROXY protocol gives a connection any address.
    let announced = settings(&[
        ("http.proxy_protocol", "true"),
        ("http.trusted_proxies", "127.0.0.1"),
    ]);
    for source in ["10.0.0.1", "10.0.0.2", "10.0.0.2"] {
        let proxied = Request::get(UNSTABLE).header("X-Forwarded-For", "203.0.113.1");
        let announcement = format!("PROXY TCP4 {source} 192.0.2.80 4711 443\r\n");
        let mut connection = Connection::open(announced.http);
        connection.write(&[announcement.as_bytes(), &proxied.bytes()].concat());
        connection.reply().expect(200);
    }
    // Each has sessions of its own.
    let report = report_on_replicas(&[&plain, &announced], 1);
    let expected = "10.0.0.2 (2 requests) and one other address";
    assert_found(&report, "trusted-proxies", "warn", expected);
    assert_status(&report, "replicas-ready", "pass");
}
