//! The admin API: counts sessions by client and user, and ends those of one or all. On both stores, by
//! the real binary. What Redis must allow and what Clusters do is in `redis`, the token in `access`.

mod access;
mod redis;

use crate::server::{Server, ready_on};
use serde_json::Value;
use testkit::api::request;
use testkit::homeserver::{HomeserverStub, TokenReply};
use testkit::http::{Connection, Reply, Request};
use testkit::redis::RedisServer;
use testkit::server::Store;
use testkit::{eventually, until};

const PATH: &str = "/admin/v1/sessions";
const TOKEN: &str = "0123456789abcdef-0123456789abcdef";

const ONE: &str = "203.0.113.1";
const OTHER: &str = "203.0.113.2";

/// Clients are told apart, and have shares.
const LIMITS: [(&str, &str); 4] = [
    ("http.trusted_proxies", "127.0.0.1"),
    ("limits.enabled", "true"),
    ("limits.live.client", "3"),
    ("telemetry.log_format", "json"),
];

/// A server whose admin API is on. The file has its token.
struct Api {
    server: Server,
    file: tempfile::NamedTempFile,
}

fn token_file(token: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), token).expect("a file");
    file
}

impl Api {
    fn start(store: Store, settings: &[(&str, &str)]) -> Self {
        Self::with(settings, |settings| Server::start(store, settings))
    }

    fn on(url: &str, settings: &[(&str, &str)]) -> Self {
        Self::with(settings, |settings| ready_on(url, settings))
    }

    fn with(settings: &[(&str, &str)], start: impl FnOnce(&[(&str, &str)]) -> Server) -> Self {
        let file = token_file(&format!("{TOKEN}\n"));
        let path = file.path().to_str().expect("a path").to_owned();
        let token = ("admin.token_file", &*path);
        let server = start(&[&LIMITS[..], settings, &[token]].concat());
        Self { server, file }
    }

    /// Sends a call with the token.
    #[track_caller]
    fn call(&self, method: &str, query: &str) -> Reply {
        self.send(method, query, Some(TOKEN))
    }

    #[track_caller]
    fn send(&self, method: &str, query: &str, token: Option<&str>) -> Reply {
        let mut request = Request::new(method, &format!("{PATH}{query}"));
        if let Some(token) = token {
            request = request.header("Authorization", &format!("Bearer {token}"));
        }
        Connection::open(self.server.admin).send(&request)
    }

    /// The counts.
    #[track_caller]
    fn counts(&self) -> Value {
        self.call("GET", "").expect(200).json()
    }

    /// Ends sessions, and expects a complete walk that ended this number.
    #[track_caller]
    fn end(&self, query: &str, expected: u64) {
        let reply = self.call("DELETE", query).expect(200);
        let ended = serde_json::json!({"ended": expected, "complete": true});
        assert_eq!(reply.json(), ended, "{query}");
    }

    #[track_caller]
    fn create_from(&self, client: &str) -> String {
        let create = request::create("x").header("X-Forwarded-For", client);
        self.server.call(&create).expect(200).text("id")
    }
}

/// Runs a test with the memory store and with Redis.
macro_rules! on_both_apis {
    ($($name:ident),+ $(,)?) => { $(mod $name {
        use super::Store;

        #[test]
        fn memory() {
            super::$name(Store::Memory);
        }

        #[test]
        fn redis() {
            super::$name(Store::Redis);
        }
    })+ };
}

on_both_apis! {
    one_clients_sessions_end_and_others_stay,
    all_sessions_end,
    one_users_sessions_end_and_others_stay,
    held_read_ends_with_its_session,
    client_of_a_log_line_is_found,
    query_without_one_selector_ends_nothing,
    largest_owners_are_listed_first,
    log_has_each_call_and_neither_id_nor_address,
}

fn one_clients_sessions_end_and_others_stay(store: Store) {
    let api = Api::start(store, &[]);
    let of_one = [(); 3].map(|()| api.create_from(ONE));
    let of_other = [(); 2].map(|()| api.create_from(OTHER));
    let full = request::create("x").header("X-Forwarded-For", ONE);
    api.server.call(&full).expect_error(429, "M_LIMIT_EXCEEDED");
    let counts = api.counts();
    assert_eq!(
        (&counts["live"], &counts["counted"]),
        (&5.into(), &5.into())
    );
    assert_eq!(counts["complete"], true);
    assert_eq!(counts["users"], serde_json::json!([]));
    let sessions = |index: usize| counts["clients"][index]["sessions"].as_u64();
    assert_eq!(
        [sessions(0), sessions(1), sessions(2)],
        [Some(3), Some(2), None]
    );

    let client = counts["clients"][0]["client"].as_str().expect("a hash");
    api.end(&format!("?client={client}"), 3);
    for id in &of_one {
        api.server.assert_gone(id);
    }
    for id in &of_other {
        assert_eq!(api.server.read(id).data, "x");
    }
    // Their places are free.
    for _ in 0..3 {
        api.create_from(ONE);
    }
    api.server.call(&full).expect_error(429, "M_LIMIT_EXCEEDED");
    assert_eq!(api.counts()["live"], 5);
    api.end(&format!("?address={OTHER}"), 2);
    api.end(&format!("?address={OTHER}"), 0);
    assert_eq!(api.counts()["live"], 3);
}

fn all_sessions_end(store: Store) {
    let api = Api::start(store, &[("limits.enabled", "false")]);
    // More than a page of each store.
    let ids: Vec<String> = (0..300).map(|_| api.create_from(ONE)).collect();
    let counts = api.counts();
    assert_eq!(
        (&counts["live"], &counts["counted"]),
        (&300.into(), &300.into())
    );
    // Without limits no session says whose it is.
    if store == Store::Redis {
        assert_eq!(counts["clients"], serde_json::json!([]));
    }
    api.end("?all=true", 300);
    for id in &ids[..3] {
        api.server.assert_gone(id);
    }
    assert_eq!(api.counts()["live"], 0);
}

fn one_users_sessions_end_and_others_stay(store: Store) {
    let homeserver = HomeserverStub::start();
    for (token, user) in [
        ("anna", "@anna:example.org"),
        ("berta", "@berta:example.org"),
    ] {
        homeserver.set_reply(token, TokenReply::user(user));
    }
    let url = homeserver.url();
    let settings = [("mode", "authenticated"), ("auth.homeserver_url", &*url)];
    let api = Api::start(store, &settings);
    let create = |token: &str, client: &str| {
        let create = request::create("x").header("X-Forwarded-For", client);
        let create = create.header("Authorization", &format!("Bearer {token}"));
        api.server.call(&create).expect(200).text("id")
    };
    let of_anna = [create("anna", ONE), create("anna", OTHER)];
    let of_berta = create("berta", ONE);
    let users = &api.counts()["users"];
    assert_eq!(
        (&users[0]["sessions"], &users[1]["sessions"]),
        (&2.into(), &1.into())
    );
    api.end("?user_id=%40nobody%3Aexample.org", 0);
    api.end("?user_id=%40anna%3Aexample.org", 2);
    for id in &of_anna {
        api.server.assert_gone(id);
    }
    assert_eq!(api.server.read(&of_berta).data, "x");
    let berta = users[1]["user"].as_str().expect("a hash");
    api.end(&format!("?user={berta}"), 1);
    api.server.assert_gone(&of_berta);
}

fn held_read_ends_with_its_session(store: Store) {
    let holds = [
        ("msc4108.enabled", "true"),
        ("msc4108.long_poll.window", "30s"),
        ("msc4108.long_poll.timeout", "10s"),
    ];
    let api = Api::start(store, &holds);
    let mailbox = api.server.open_mailbox("hello");
    let write = mailbox.put(&mailbox.etag, "next");
    let etag = api.server.call(&write).expect(202).etag();
    let mut reader = Connection::open(api.server.http);
    reader.write(&mailbox.poll(&etag).bytes());
    until("the read is held", || {
        api.server.metrics().sum("rendezvous_reads_held", &[]) == 1
    });
    api.end("?address=127.0.0.1", 1);
    reader.reply().expect_error(404, "M_NOT_FOUND");
    let ended = |end| {
        let metrics = api.server.metrics();
        metrics.sum("rendezvous_hold_duration_seconds_count", &[("end", end)])
    };
    assert_eq!(ended("gone"), 1);
}

/// An operator finds the sessions of a client that the log names.
fn client_of_a_log_line_is_found(store: Store) {
    let api = Api::start(store, &[]);
    let ids = [(); 3].map(|()| api.create_from(ONE));
    api.create_from(OTHER);
    let full = request::create("x").header("X-Forwarded-For", ONE);
    api.server.call(&full).expect_error(429, "M_LIMIT_EXCEEDED");
    let logged = eventually("a line about the rejection", || {
        let log = api.server.log();
        let lines = log.lines();
        let mut lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let line = lines.find(|line| line["reason"] == "live_client")?;
        Some(line["client"].as_str().expect("a hash").to_owned())
    });
    assert_eq!(api.counts()["clients"][0]["client"], *logged);
    api.end(&format!("?client={logged}"), 3);
    api.server.assert_gone(&ids[0]);
}

fn query_without_one_selector_ends_nothing(store: Store) {
    let api = Api::start(store, &[]);
    let id = api.create_from(ONE);
    for (query, hint) in [
        ("", "exactly one of"),
        ("?", "exactly one of"),
        ("?all", "all=true"),
        ("?all=false", "all=true"),
        ("?client=", "12 characters"),
        ("?client=x&all=true", "exactly one of"),
        ("?session=x", "exactly one of"),
        ("?address=localhost", "192.0.2.1"),
    ] {
        let reply = api.call("DELETE", query).expect(400);
        let error = reply.text("error");
        assert!(error.contains(hint), "{query}: {error}");
    }
    api.call("GET", "?all=true").expect(400);
    api.call("GET", "?limit=0").expect(400);
    let reply = api.call("POST", "?all=true").expect(405);
    assert_eq!(reply.header("allow"), Some("GET, HEAD, DELETE"));
    assert_eq!(api.server.read(&id).data, "x");
}

fn largest_owners_are_listed_first(store: Store) {
    let api = Api::start(store, &[]);
    for (last, sessions) in [(1, 1), (2, 3), (3, 2)] {
        for _ in 0..sessions {
            api.create_from(&format!("203.0.113.{last}"));
        }
    }
    let reply = api.call("GET", "?limit=2").expect(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let counts = reply.json();
    assert_eq!(counts["counted"], 6);
    let clients = counts["clients"].as_array().expect("a list");
    let sessions: Vec<_> = clients.iter().map(|client| &client["sessions"]).collect();
    assert_eq!(sessions, [3, 2]);
}

fn log_has_each_call_and_neither_id_nor_address(store: Store) {
    let api = Api::start(store, &[]);
    let id = api.create_from(ONE);
    api.counts();
    api.end(&format!("?address={ONE}"), 1);
    api.end("?all=true", 0);
    let lines = eventually("the last call is in the log", || {
        let log = api.server.log();
        let calls: Vec<Value> = log
            .lines()
            .filter(|line| line.contains("admin call"))
            .map(|line| serde_json::from_str(line).expect("a line of JSON"))
            .collect();
        (calls.len() == 6).then_some(calls)
    });
    for line in &lines {
        assert_eq!(
            (&line["peer"], &line["level"]),
            (&"127.0.0.1".into(), &"INFO".into())
        );
    }
    assert_eq!(
        (&lines[1]["counted"], &lines[1]["complete"]),
        (&1.into(), &true.into())
    );
    assert_eq!(
        (&lines[3]["of"], &lines[3]["ended"]),
        (&"client".into(), &1.into())
    );
    assert_eq!(lines[3]["pseudonym"].as_str().map(str::len), Some(12));
    assert_eq!(
        (&lines[5]["of"], &lines[5]["ended"]),
        (&"all".into(), &0.into())
    );
    let log = api.server.log();
    for secret in [&*id, ONE, TOKEN] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

/// A session that one replica created, and that another one holds a read of, is ended by a third.
#[test]
fn any_replica_ends_the_sessions_of_all() {
    let redis = RedisServer::start();
    let [one, other] = [(); 2].map(|()| Api::on(&redis.url(), &[]));
    let ids = [one.create_from(ONE), other.create_from(ONE)];
    let client = other.counts()["clients"][0]["client"].clone();
    assert_eq!(one.counts()["clients"][0]["client"], client);
    other.end(&format!("?client={}", client.as_str().expect("a hash")), 2);
    for id in ids {
        one.server.assert_gone(&id);
    }
}
