//! The number of calls that a request costs, and what they leave in Redis.
//!
//! On a Cluster a session and its lease are in different slots, so a creation and a deletion are
//! several scripts. Everywhere else each is one, with the same result.

use std::collections::BTreeSet;
use std::io::{BufReader, Write};
use std::net::TcpStream;

use crate::server::{Server, ready_on};
use testkit::PATIENCE;
use testkit::api::request;
use testkit::redis::RedisServer;
use testkit::redis::one_node_cluster::OneNodeCluster;
use testkit::redis::resp::{Reply, read_reply};
use testkit::redis::sentinels::{Sentinels, SentinelsConfig};

/// The rate of creations is so low that its key outlives a test.
const SHARES: &[(&str, &str)] = &[
    ("limits.enabled", "true"),
    // Few enough that wide networks count each session.
    ("session.max_live", "1000"),
    ("limits.create.client.burst", "100"),
    ("limits.create.client.per_second", "0.01"),
];
const NO_SHARES: &[(&str, &str)] = &[("limits.enabled", "false")];

/// What a Redis executes, by MONITOR.
struct ExecutedCommands<'a> {
    redis: &'a RedisServer,
    monitor: BufReader<TcpStream>,
}

impl<'a> ExecutedCommands<'a> {
    fn of(redis: &'a RedisServer) -> Self {
        let mut stream = TcpStream::connect(redis.address()).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.write_all(b"MONITOR\r\n").expect("a socket");
        let mut monitor = BufReader::new(stream);
        let reply = read_reply(&mut monitor).expect("a reply");
        assert_eq!(reply, Reply::Simple("OK".into()));
        Self { redis, monitor }
    }

    /// Number of scripts that were run by EVALSHA for requests since the last call. The write probe of a
    /// worker, every 5 s, runs a script as well, which alone names the pseudonym key.
    #[track_caller]
    fn scripts_of_requests(&mut self) -> u64 {
        self.redis.command(&["ECHO", "the end of this count"]);
        let mut scripts = 0;
        loop {
            let line = read_reply(&mut self.monitor).expect("a line").text();
            if line.ends_with("\"ECHO\" \"the end of this count\"") {
                return scripts;
            }
            // Commands that a script runs have `lua` in the place of the client's address.
            let is_script = line.contains("] \"EVALSHA\" ");
            scripts += u64::from(is_script && !line.contains("{lease}:secret\""));
        }
    }
}

/// Expects these numbers of calls for each creation and each deletion.
#[track_caller]
fn assert_calls(redis: &RedisServer, worker: &Server, creation: u64, deletion: u64) {
    const COUNT: u64 = 20;
    let mut executed = ExecutedCommands::of(redis);
    let sessions: Vec<_> = (0..COUNT).map(|_| worker.create("hello")).collect();
    let scripts = executed.scripts_of_requests();
    assert_eq!(scripts, COUNT * creation, "to create");
    for session in &sessions {
        worker.call(&request::delete(&session.id)).expect(200);
    }
    let scripts = executed.scripts_of_requests();
    assert_eq!(scripts, COUNT * deletion, "to delete");
    assert_eq!(redis.command(&["ZCARD", "mrv:{lease}:live"]).int(), 0);
}

#[test]
fn standalone_creates_and_deletes_by_one_call() {
    let redis = RedisServer::start();
    for shares in [SHARES, NO_SHARES] {
        assert_calls(&redis, &ready_on(&redis.url(), shares), 1, 1);
    }
}

#[test]
fn sentinel_creates_and_deletes_by_one_call() {
    let trio = Sentinels::start(&SentinelsConfig::steady());
    assert_calls(trio.primary(), &ready_on(&trio.url(), SHARES), 1, 1);
}

#[test]
fn cluster_creates_by_two_calls_and_deletes_by_three() {
    let cluster = OneNodeCluster::start();
    assert_calls(&cluster.node, &ready_on(&cluster.url(), SHARES), 2, 3);
}

#[test]
fn cluster_without_shares_deletes_by_two_calls() {
    let cluster = OneNodeCluster::start();
    assert_calls(&cluster.node, &ready_on(&cluster.url(), NO_SHARES), 2, 2);
}

/// The name of a key without its random part.
fn kind(key: &str) -> String {
    let base64 = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let is_random = |part: &str| part.len() >= 16 && part.chars().all(base64);
    let parts = key.split_inclusive([':', '{', '}']);
    let masked = parts.map(|part| {
        let name = part.trim_end_matches([':', '{', '}']);
        if is_random(name) {
            part.replace(name, "*")
        } else {
            part.to_owned()
        }
    });
    masked.collect()
}

/// Each key of this Redis: its kind, type and fields, and whether it expires.
fn contents(redis: &RedisServer) -> BTreeSet<(String, String, Vec<String>)> {
    let keys = redis.command(&["KEYS", "*"]).texts().into_iter();
    let entry = |key: String| {
        let of_type = redis.command(&["TYPE", &key]).text();
        let fields = match of_type.as_str() {
            "hash" => redis.command(&["HKEYS", &key]).texts(),
            "zset" => vec![redis.command(&["ZCARD", &key]).int().to_string()],
            _ => Vec::new(),
        };
        assert!(redis.command(&["PTTL", &key]).int() > 0, "{key} stays");
        (kind(&key), of_type, fields)
    };
    keys.map(entry).collect()
}

/// Workers of two releases, of which the older one knows only the scripts of a Cluster, may share one
/// Redis.
#[test]
fn both_kinds_of_scripts_leave_the_same_keys() {
    let redis = RedisServer::start();
    let cluster = OneNodeCluster::start();
    let workers = [
        (&redis, ready_on(&redis.url(), SHARES)),
        (&cluster.node, ready_on(&cluster.url(), SHARES)),
    ];
    let [one, other] = workers.each_ref().map(|(redis, worker)| {
        let created = worker.create("hello");
        let with_session = contents(redis);
        worker.call(&request::delete(&created.id)).expect(200);
        (with_session, contents(redis))
    });
    assert_eq!(one, other);
    let kinds: Vec<_> = one.0.iter().map(|(kind, _, _)| kind.as_str()).collect();
    let expected = [
        "mrv:s:{*}",
        "mrv:{lease}:c:*",
        "mrv:{lease}:c:*:r",
        "mrv:{lease}:live",
        "mrv:{lease}:secret",
        "mrv:{lease}:v:*",
        "mrv:{lease}:w:*",
    ];
    assert_eq!(kinds, expected, "with a session");
    assert_eq!(one.1.len(), 2, "without: {:?}", one.1);
}
