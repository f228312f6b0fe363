//! Sessions that only one device used: a metric and a log line name them.

use crate::server::{Server, ready_on};
use testkit::api::at;
use testkit::etag::Mailbox;
use testkit::http::Request;
use testkit::redis::RedisServer;

const MESSAGE: &str = "only one side polls";

struct Fixture {
    redis: RedisServer,
    server: Server,
}

impl Fixture {
    fn start() -> Self {
        let redis = RedisServer::start();
        let settings = [
            ("msc4108.enabled", "true"),
            ("telemetry.log_format", "json"),
            ("telemetry.log_polls", "true"),
        ];
        let server = ready_on(&redis.url(), &settings);
        Self { redis, server }
    }

    /// Leaves a session 2.9 s to live.
    fn end_soon(&self, id: &str) {
        let key = format!("mrv:s:{{{id}}}");
        assert_eq!(self.redis.command(&["PEXPIRE", &key, "2900"]).int(), 1);
    }

    fn poll(&self, mailbox: &Mailbox) {
        self.server.call(&mailbox.poll(&mailbox.etag)).expect(304);
    }

    fn count(&self) -> u64 {
        let metrics = self.server.metrics();
        let labels = [("api", "msc4108")];
        metrics.sum("rendezvous_sessions_one_sided_total", &labels)
    }
}

#[test]
fn session_polled_to_its_end_by_one_side_is_counted() {
    let fixture = Fixture::start();
    let mailbox = fixture.server.open_mailbox("hello");
    fixture.poll(&mailbox);
    assert_eq!(fixture.count(), 0, "the session has five minutes left");
    fixture.end_soon(mailbox.id());
    fixture.poll(&mailbox);
    fixture.poll(&mailbox);
    assert_eq!(fixture.count(), 1);
    let log = testkit::eventually("the line", || {
        Some(fixture.server.log()).filter(|log| log.contains(MESSAGE))
    });
    let line = log.lines().find(|line| line.contains(MESSAGE));
    let line: serde_json::Value = serde_json::from_str(line.expect("the line")).expect("JSON");
    let pseudonym = line["session"].as_str().expect("a session");
    assert_eq!(line["level"], "INFO");
    let access_line = |line: &&str| line.contains(pseudonym) && line.contains(r#""status":304"#);
    assert!(log.lines().any(|line| access_line(&line)), "{log}");
    assert!(!log.contains(mailbox.id()), "{log}");
}

#[test]
fn session_that_another_device_read_is_not_counted() {
    let fixture = Fixture::start();
    let scanned = fixture.server.open_mailbox("hello");
    fixture.server.call(&scanned.get()).expect(200);
    fixture.end_soon(scanned.id());
    fixture.poll(&scanned);
    // No poll, but a client that names states that the session never had.
    let unread = fixture.server.open_mailbox("hello");
    let unknown = unread.get().header("If-None-Match", "\"a\", \"b\"");
    fixture.server.call(&unknown).expect(200);
    fixture.end_soon(unread.id());
    fixture.poll(&unread);
    assert_eq!(fixture.count(), 1, "the second one");
    // Polls of the JSON dialect name no state.
    let session = fixture.server.create("hello");
    fixture.end_soon(&session.id);
    fixture
        .server
        .call(&Request::get(&at(&session.id)))
        .expect(200);
    assert_eq!(fixture.count(), 1);
}
