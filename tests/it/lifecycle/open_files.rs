//! The limit of open files: raised at start, and never used up by the connections of clients.

use crate::server::{BINARY, Server};
use serde_json::json;
use testkit::api::UNSTABLE;
use testkit::homeserver::{HomeserverStub, TokenReply};
use testkit::http::{Connection, Request};
use testkit::redis::RedisServer;
use testkit::server::OpenFiles;
use testkit::until;

const OPEN: [(&str, &str); 2] = [("mode", "open"), ("limits.enabled", "false")];

/// Fewer than `http.max_connections` needs. Half of them is for clients.
const FEW: OpenFiles = OpenFiles {
    soft: 128,
    hard: 400,
};
const FEW_CONNECTIONS: u64 = 200;

/// The warning at the start with [`FEW`]: both numbers, and what applies.
const WARNING: &str = "the limit of open files is 400, and http.max_connections = 10000 needs 10256: at most 200 \
                       connections are accepted at a time.";

fn open_connections(server: &Server) -> u64 {
    server.metrics().sum("rendezvous_connections", &[])
}

#[test]
fn soft_limit_is_raised_to_the_hard_limit() {
    let limits = OpenFiles {
        soft: 256,
        hard: 4096,
    };
    let settings = [&OPEN[..], &[("http.max_connections", "3840")]].concat();
    let server = Server::launch_with_open_files(limits, &settings);
    let metrics = server.metrics();
    assert_eq!(metrics.value("process_max_fds"), 4096);
    assert_eq!(metrics.value("rendezvous_connections_limit"), 3840);
    assert!(!server.log().contains("open files"), "{}", server.log());
}

#[test]
fn too_few_open_files_are_reported_at_start() {
    let server = Server::launch_with_open_files(FEW, &OPEN);
    let log = server.log();
    let warning = log.lines().find(|line| line.contains(WARNING));
    let warning = warning.unwrap_or_else(|| panic!("no warning: {log}"));
    assert!(warning.contains("WARN"), "{warning}");
    let limit = server.metrics().value("rendezvous_connections_limit");
    assert_eq!(limit, FEW_CONNECTIONS);
}

#[test]
fn config_check_reports_too_few_open_files() {
    let mut check = BINARY.command_with_open_files(FEW);
    check
        .args(["config", "check"])
        .env("RENDEZVOUS_MODE", "open");
    let output = check.output().expect("it runs");
    let errors = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success(), "{errors}");
    let expected = format!("warning: {WARNING}");
    assert!(errors.contains(&expected), "{errors}");
}

/// Idle connections of eleven clients took all 1,024 descriptors of a usual soft limit.
#[test]
fn idle_connections_leave_descriptors_for_the_rest() {
    let (homeserver, redis) = (HomeserverStub::start(), RedisServer::start());
    homeserver.set_reply("good", TokenReply::user("@user:example.org"));
    let (homeserver_url, redis_url) = (homeserver.url(), redis.url());
    let server = Server::launch_with_open_files(
        FEW,
        &[
            ("mode", "authenticated"),
            ("auth.homeserver_url", &homeserver_url),
            ("limits.enabled", "false"),
            ("store.backend", "redis"),
            ("store.redis.url", &redis_url),
        ],
    );
    until("the server is ready", || server.is_ready());
    let mut idle: Vec<_> = (0..FEW_CONNECTIONS + 50)
        .map(|_| Connection::open(server.http))
        .collect();
    until("no permit is left", || {
        open_connections(&server) == FEW_CONNECTIONS
    });
    server.admin_get("/healthz").expect(200);
    let creation = Request::post(UNSTABLE)
        .json(&json!({"data": "hello"}))
        .header("Authorization", "Bearer good");
    // The connections to the homeserver and to Redis have descriptors of their own.
    idle[0].send(&creation).expect(200);
    assert!(server.metrics().value("process_open_fds") < u64::from(FEW.hard));
    assert!(
        !server.log().contains("failed to accept"),
        "{}",
        server.log()
    );

    // A client that waited in the kernel's queue is served when a connection ends.
    idle.drain(..usize::try_from(FEW_CONNECTIONS).expect("a length"));
    idle[0].send(&creation).expect(200);
}

#[test]
fn tiny_limit_of_open_files_still_serves() {
    let tiny = OpenFiles { soft: 64, hard: 64 };
    let server = Server::launch_with_open_files(tiny, &OPEN);
    let mut idle: Vec<_> = (0..48).map(|_| Connection::open(server.http)).collect();
    until("no permit is left", || open_connections(&server) == 32);
    server.admin_get("/healthz").expect(200);
    idle[0].send(&Request::get(UNSTABLE)).expect(200);
}
