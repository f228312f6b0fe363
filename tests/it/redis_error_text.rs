//! Errors of Redis that quote the arguments of a command: no session id, payload, key or hash reaches
//! the log at any level, `/readyz` or a span.

use crate::server::{Server, launch_on, ready_on};
use crate::telemetry::collector::Collector;
use nix::sys::signal::Signal;
use testkit::api::request;
use testkit::redis::RedisServer;
use testkit::until;

const PREFIX: &str = "quoted:";
const PAYLOAD: &str = "payload-of-mine";

/// `rename-command` of each, so that Redis knows none of them.
fn without(commands: &[&'static str]) -> Vec<&'static str> {
    let renamed = commands
        .iter()
        .flat_map(|command| ["--rename-command", command, ""]);
    renamed.collect()
}

/// `/readyz?verbose`.
fn readyz(worker: &Server) -> String {
    let reply = worker.admin_get("/readyz?verbose");
    String::from_utf8(reply.body).expect("text")
}

/// Redis comes back without commands that it had when the worker started.
#[test]
fn errors_of_requests_quote_no_argument() {
    for (missing, expected) in [
        (without(&["EVALSHA"]), "unknown command 'EVALSHA'"),
        (without(&["EVALSHA", "EVAL"]), "unknown command 'EVALSHA'"),
        (without(&["EVAL"]), "unknown command 'EVAL'"),
        (without(&["HDEL", "DEL", "TIME"]), "called from script"),
    ] {
        let (mut redis, collector) = (RedisServer::start(), Collector::start(true));
        let endpoint = collector.endpoint();
        let settings = [
            ("limits.enabled", "true"),
            ("store.redis.prefix", PREFIX),
            ("telemetry.log_level", "trace"),
            ("telemetry.traces.endpoint", &*endpoint),
            ("telemetry.traces.sample", "1"),
            ("shutdown.grace", "1ms"),
        ];
        let worker = ready_on(&redis.url(), &settings);
        let session = worker.create(PAYLOAD);
        let pseudonym_key = redis
            .command(&["GET", &format!("{PREFIX}{{lease}}:secret")])
            .text();
        let principals = redis.command(&["HGET", &key(&session.id), "p"]).text();
        redis.kill();
        redis.restart_with(&missing);
        // The failures' log lines are throttled to one a second.
        let requests = [
            request::read(&session.id),
            request::write(&session.id, Some("txn-of-mine"), &session.token, PAYLOAD),
            request::create(PAYLOAD),
            request::delete(&session.id),
        ];
        until("the log says why requests fail", || {
            for request in &requests {
                worker.assert_refused(request);
            }
            worker.log().contains(expected)
        });
        let page = readyz(&worker);
        worker.signal(Signal::SIGTERM);
        worker.ended();
        let spans = collector.received();
        assert!(!spans.is_empty(), "no spans");
        let spans: Vec<u8> = spans.into_iter().flat_map(|(_, body)| body).collect();
        let outputs = [
            worker.log(),
            page,
            String::from_utf8_lossy(&spans).into_owned(),
        ];
        let principal = &principals[1..];
        for secret in [
            &*session.id,
            &session.token,
            "of-mine",
            &pseudonym_key,
            principal,
            PREFIX,
            "with args",
        ] {
            for output in &outputs {
                assert!(
                    !output.contains(secret),
                    "{missing:?}: {secret} is in\n{output}"
                );
            }
        }
    }
}

/// At the start the worker offers a pseudonym key, which no other place has.
#[test]
fn errors_of_start_checks_quote_no_argument() {
    for (missing, expected) in [
        (without(&["EVALSHA"]), "ERR unknown command 'EVALSHA'"),
        (without(&["EVAL"]), "ERR unknown command 'EVAL'"),
        (
            without(&["HSET"]),
            "ERR Unknown Redis command called from script",
        ),
    ] {
        let redis = RedisServer::start_with(&missing);
        let settings = [("telemetry.log_level", "trace")];
        let worker = launch_on(&redis.url(), &settings);
        until("/readyz says why", || readyz(&worker).contains(expected));
        let (page, log) = (readyz(&worker), worker.log());
        assert!(page.contains("acl: "), "{page}");
        for output in [page, log] {
            assert!(!output.contains("mrv:"), "{output}");
            let quoted = output.contains("with args") || output.contains("redis.call");
            assert!(!quoted, "{output}");
        }
    }
}

fn key(id: &str) -> String {
    format!("{PREFIX}s:{{{id}}}")
}
