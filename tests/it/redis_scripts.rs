//! The scripts of sessions and leases, called directly: in states that a worker reaches only by lost
//! replies or a clock that was set back, and with a user who lacks a permission.

use testkit::redis::{RedisServer, Reply};

macro_rules! script {
    ($($name:literal),+) => {
        concat!($(include_str!(concat!("../../src/store/redis/lua/", $name, ".lua"))),+)
    };
}

const ACQUIRE: &str = script!("check_lease", "add_lease", "acquire_lease");
const RELEASE: &str = script!("release", "release_lease");
const WRITE: &str = script!("write");
const READ: &str = script!("read");
const DELETE: &str = script!("release", "delete_with_lease");
const PRINCIPALS: &str = script!("get_principals");
const COUNT: &str = script!("count_live");
const PSEUDONYM_KEY: &str = script!("pseudonym_key");

/// TTL of a lease.
const TTL_MS: i64 = 300_000;

/// Members of the sets have 12 bytes.
const ONE: &str = "the first id";
const TWO: &str = "a second id.";
const THREE: &str = "the third id";

/// The index of all leases, and those of one client.
const KEYS: [&str; 2] = ["live", "client"];

fn now_ms(redis: &RedisServer) -> i64 {
    let time = redis.command(&["TIME"]).texts();
    let [seconds, micros] = [0, 1].map(|at| time[at].parse::<i64>().expect("a number"));
    seconds * 1000 + micros / 1000
}

/// The words that acquire a lease for `member`, of a client with this share.
fn acquire<'a>(member: &'a str, earlier: &'a str, share: &'a str) -> Vec<&'a str> {
    let arguments = [
        "#", member, "300000", "1000", earlier, "1", "1", "0", share, "",
    ];
    [&["EVAL", ACQUIRE, "2"], &KEYS[..], &arguments[..]].concat()
}

/// The reply to `acquire`: acquired with this text, or rejected for milliseconds by the share.
#[track_caller]
fn outcome(redis: &RedisServer, words: &[&str]) -> Result<String, i64> {
    let reply = redis.command(words).text();
    match (reply.strip_prefix("#T"), reply.strip_prefix("#N1l ")) {
        (Some(acquired), _) => Ok(acquired.to_owned()),
        (_, Some(wait)) => Err(wait.parse().expect("milliseconds")),
        _ => panic!("{reply}"),
    }
}

fn members(redis: &RedisServer) -> [Vec<String>; 2] {
    KEYS.map(|set| redis.command(&["ZRANGE", set, "0", "-1"]).texts())
}

#[test]
fn lease_lives_for_its_ttl() {
    let redis = RedisServer::start();
    let before = now_ms(&redis);
    assert_eq!(outcome(&redis, &acquire(ONE, "", "1")), Ok("0 ".into()));
    let after = now_ms(&redis);
    for set in KEYS {
        let expires = redis.command(&["ZSCORE", set, ONE]).int();
        let expected = before + TTL_MS..=after + TTL_MS;
        assert!(expected.contains(&expires), "{set}: {expires}");
    }
}

/// It is not counted again, even if the client has no other one left.
#[test]
fn lease_of_an_earlier_try_becomes_the_next_ones() {
    let redis = RedisServer::start();
    assert_eq!(outcome(&redis, &acquire(ONE, "", "1")), Ok("0 ".into()));
    // The second try never ran.
    let earlier = format!("{ONE}{TWO}");
    let words = acquire(THREE, &earlier, "1");
    assert_eq!(outcome(&redis, &words), Ok("0 ".into()));
    assert_eq!(members(&redis), [[THREE], [THREE]]);
}

#[test]
fn try_that_never_ran_is_limited_like_the_first() {
    let redis = RedisServer::start();
    assert_eq!(outcome(&redis, &acquire(ONE, "", "1")), Ok("0 ".into()));
    assert!(outcome(&redis, &acquire(THREE, TWO, "1")).is_err());
    assert_eq!(members(&redis), [[ONE], [ONE]]);
}

/// Expired leases of the index alone are those of sessions: each is in several sets.
#[test]
fn expired_leases_are_counted_in_the_index_alone() {
    let redis = RedisServer::start();
    redis.command(&["ZADD", "live", "1", "expired 1", "1", "expired 2"]);
    redis.command(&["ZADD", "client", "1", "expired 1"]);
    let count = ["EVAL", COUNT, "1", "live", "#"];
    assert_eq!(redis.command(&count).text(), "#L0");
    assert_eq!(outcome(&redis, &acquire(ONE, "", "5")), Ok("2 ".into()));
    assert_eq!(members(&redis), [[ONE], [ONE]]);
}

#[test]
fn rejection_ends_with_the_first_live_lease() {
    let redis = RedisServer::start();
    let in_a_minute = (now_ms(&redis) + 60_000).to_string();
    for set in KEYS {
        redis.command(&["ZADD", set, "1", "expired", &in_a_minute, ONE]);
    }
    let wait = outcome(&redis, &acquire(TWO, "", "1")).expect_err("a rejection");
    assert!((1..=60_000).contains(&wait), "{wait}");
}

/// Only a value of another type is replaced or ignored. Without the permission to read it, the value
/// may be valid.
#[test]
fn value_that_may_not_be_read_is_kept() {
    let redis = RedisServer::start();
    let key = "a".repeat(43);
    let other = "b".repeat(43);
    redis.command(&["SET", "key", &key]);
    let in_a_minute = (now_ms(&redis) + 60_000).to_string();
    for set in KEYS {
        redis.command(&["ZADD", set, &in_a_minute, ONE]);
    }
    let acquire = acquire(TWO, "", "5");
    let release = ["EVAL", RELEASE, "2", "live", "client", "#", ONE];
    let count = ["EVAL", COUNT, "1", "live", "#"];
    let pseudonym_key = ["EVAL", PSEUDONYM_KEY, "1", "key", "#", &other, "1000"];
    let calls: [(&str, &[&str]); 4] = [
        ("-zcard", &acquire),
        ("-zrem", &release),
        ("-zcount", &count),
        ("-get", &pseudonym_key),
    ];
    for (permission, words) in calls {
        let rule = [
            "ACL", "SETUSER", "limited", "reset", "on", ">x", "~*", "+@all", permission,
        ];
        redis.command(&rule);
        let mut limited = redis.connect();
        limited.command(&["AUTH", "limited", "x"]);
        let reply = limited.command(words);
        assert!(matches!(reply, Reply::Error(_)), "{permission}: {reply:?}");
        assert_eq!(members(&redis), [[ONE], [ONE]], "{permission}");
        assert_eq!(redis.command(&["GET", "key"]).text(), key, "{permission}");
    }
}

/// A lease that could not be released must not be forgotten: the worker tries again.
#[test]
fn deletion_fails_if_any_lease_remains() {
    let redis = RedisServer::start();
    // The network's key may not be touched. It comes before the client's.
    let (network, client) = ("n0123456789abcdef", "cfedcba9876543210");
    let rule = ["reset", "on", ">x", "~session", "~live", "~c:*", "+@all"];
    redis.command(&[&["ACL", "SETUSER", "limited"], &rule[..]].concat());
    redis.command(&["HSET", "session", "p", &format!("{network}{client}")]);
    let mut limited = redis.connect();
    limited.command(&["AUTH", "limited", "x"]);
    let reply = limited.command(&["EVAL", DELETE, "2", "session", "live", "#", ONE, "", ""]);
    assert!(matches!(reply, Reply::Error(_)), "{reply:?}");
}

/// The reply to the first write of a session, whose PTTL was `created_with` at its creation.
fn first_write(redis: &RedisServer, created_with: &str) -> Reply {
    let (token, next) = ("a".repeat(24), "b".repeat(24));
    let fields = ["v", "1", "t", &token, "d", "x", "m", created_with];
    redis.command(&[&["HSET", "session"], &fields[..]].concat());
    redis.command(&["PEXPIRE", "session", "300000"]);
    let arguments = ["#", &token, &next, "y", "250", "", "", "64"];
    redis.command(&[&["EVAL", WRITE, "1", "session"], &arguments[..]].concat())
}

#[test]
fn first_write_returns_the_time_since_the_creation() {
    let redis = RedisServer::start();
    let reply = first_write(&redis, "400000").text();
    let time = reply.strip_prefix("#W1 ").expect("a first write");
    let time: i64 = time.parse().expect("milliseconds");
    assert!((100_000..=400_000).contains(&time), "{time}");
    // The clock was set back since the creation.
    assert_eq!(first_write(&redis, "1").text(), "#W1 0");
}

#[test]
fn write_to_a_session_without_a_token_is_an_error() {
    let redis = RedisServer::start();
    redis.command(&["HSET", "session", "d", "x"]);
    let token = "a".repeat(24);
    let arguments = ["#", &token, &token, "y", "250", "", "", "64"];
    let reply = redis.command(&[&["EVAL", WRITE, "1", "session"], &arguments[..]].concat());
    let is_expected = matches!(&reply, Reply::Error(text) if text.contains("MRVFORMAT"));
    assert!(is_expected, "{reply:?}");
}

/// A poll of a session's creator, or the first read of the other device.
fn read<'a>(token: &'a str, tracking: &[&'a str]) -> Vec<&'a str> {
    let words = ["EVAL", READ, "1", "session", "#", token];
    [&words[..], tracking].concat()
}

/// The field r costs no read its answer: here Redis refuses to set it.
#[test]
fn read_succeeds_if_redis_refuses_to_track_the_peer() {
    let redis = RedisServer::start();
    let token = "a".repeat(24);
    redis.command(&["HSET", "session", "v", "1", "t", &token, "d", "x", "m", "1"]);
    redis.command(&["PEXPIRE", "session", "2900"]);
    let rule = [
        "ACL", "SETUSER", "limited", "reset", "on", ">x", "~*", "+@all", "-hset",
    ];
    redis.command(&rule);
    let mut limited = redis.connect();
    limited.command(&["AUTH", "limited", "x"]);
    let status = |reply: Reply| match reply {
        Reply::Array(parts) => parts[0].clone().text(),
        other => panic!("{other:?}"),
    };
    let first_read = format!("#N{token}");
    let reply = limited.command(&read("", &["", "peer"]));
    assert_eq!(status(reply), first_read);
    let reply = limited.command(&read(&token, &["", "peer"]));
    assert_eq!(status(reply), "#V", "it would be reported again");
    assert_eq!(redis.command(&["HEXISTS", "session", "r"]).int(), 0);
    // With the permission, and only if the caller tracks the other device.
    let reply = redis.command(&read(&token, &["dates"]));
    assert_eq!(status(reply), "#V");
    let reply = redis.command(&read(&token, &["dates", "peer"]));
    assert_eq!(status(reply), "#O");
}

/// The principals that a deletion releases must be those of the primary.
#[test]
fn demoted_primary_returns_no_principals() {
    let redis = RedisServer::start();
    redis.command(&["HSET", "session", "p", "c0123456789abcdef"]);
    let words = ["EVAL", PRINCIPALS, "1", "session", "#"];
    assert_eq!(redis.command(&words).text(), "#Pc0123456789abcdef");
    redis.command(&["REPLICAOF", "127.0.0.1", "1"]);
    let reply = redis.command(&words);
    let is_refused = matches!(&reply, Reply::Error(text) if text.contains("READONLY"));
    assert!(is_refused, "{reply:?}");
}

/// Without one, clients would have the same pseudonyms for ever.
#[test]
fn offered_pseudonym_key_has_a_ttl() {
    let redis = RedisServer::start();
    let (key, other) = ("a".repeat(43), "b".repeat(43));
    for (offer, longest) in [(&key, 100_000), (&other, 50_000)] {
        let words = ["EVAL", PSEUDONYM_KEY, "1", "key", "#", offer, "100000"];
        assert_eq!(redis.command(&words).text(), format!("#S{key}"));
        let ttl = redis.command(&["PTTL", "key"]).int();
        assert!((1..=longest).contains(&ttl), "{ttl}");
        // A later call does not extend it.
        redis.command(&["PEXPIRE", "key", "50000"]);
    }
}

/// With such a key no session could be created.
#[test]
fn stored_pseudonym_key_of_another_form_is_replaced() {
    let redis = RedisServer::start();
    let key = "a".repeat(43);
    let words = ["EVAL", PSEUDONYM_KEY, "1", "key", "#", &key, "100000"];
    let invalid = [42, 44].map(|length| "b".repeat(length));
    for stored in [&invalid[0], &invalid[1], &format!("{}!", invalid[0])] {
        redis.command(&["SET", "key", stored]);
        assert_eq!(redis.command(&words).text(), format!("#S{key}"), "{stored}");
        assert_eq!(redis.command(&["GET", "key"]).text(), key);
        let ttl = redis.command(&["PTTL", "key"]).int();
        assert!((1..=100_000).contains(&ttl), "{ttl}");
    }
}

/// Number of messages that this Redis has published.
fn published(redis: &RedisServer) -> u64 {
    let stats = redis.command(&["INFO", "commandstats"]).text();
    let mut lines = stats.lines();
    let calls = lines.find_map(|line| line.strip_prefix("cmdstat_publish:calls="));
    let calls = calls.and_then(|rest| rest.split(',').next());
    calls.map_or(0, |calls| calls.parse().expect("a number"))
}

/// Only what a held read waits for is published: a write that is applied, and a deletion that found
/// its session.
#[test]
fn each_change_is_published_once() {
    let redis = RedisServer::start();
    let tokens = ["a", "b", "c"].map(|letter| letter.repeat(24));
    let [first, second, third] = &tokens;
    for channel in ["", "channel"] {
        redis.command(&["HSET", "session", "t", first, "d", "x", "m", "300000"]);
        redis.command(&["PEXPIRE", "session", "300000"]);
        let write = |token: &str, next: &str, data: &str, txn: &[&str]| {
            let arguments = ["#", token, next, data, "3", channel];
            let words = ["EVAL", WRITE, "1", "session"];
            redis
                .command(&[&words[..], &arguments, txn].concat())
                .text()
        };
        let delete = || {
            let words = [
                "EVAL", DELETE, "2", "session", "live", "#", ONE, "", channel,
            ];
            redis.command(&words).text()
        };
        let delete_alone = || {
            let words = ["EVAL", script!("delete"), "1", "session", "#", channel];
            redis.command(&words).text()
        };
        let mut expected = published(&redis);
        let mut assert_published = |reply: String, status: &str, count: u64| {
            assert!(reply.starts_with(status), "{reply} for {status}");
            expected += if channel.is_empty() { 0 } else { count };
            assert_eq!(published(&redis), expected, "{status} {channel}");
        };
        let (txn, records) = ("t".repeat(16), ["2"]);
        let txn = [&[txn.as_str()][..], &records].concat();
        assert_published(write(first, second, "y", &[]), "#W1", 1);
        assert_published(write(first, second, "y", &[]), "#R", 0);
        assert_published(write(first, third, "z", &[]), "#C", 0);
        assert_published(write(second, third, "z", &txn), "#W2", 1);
        assert_published(write(second, third, "z", &txn), "#P", 0);
        assert_published(delete(), "#D", 1);
        assert_published(delete(), "#G", 0);
        assert_published(write(second, third, "z", &[]), "#G", 0);
        redis.command(&["HSET", "session", "t", first, "d", "x"]);
        assert_published(delete_alone(), "#D", 1);
        assert_published(delete_alone(), "#G", 0);
    }
}

/// The ACL rule of the release before the channel allows no PUBLISH.
#[test]
fn denied_channel_fails_no_change() {
    let redis = RedisServer::start();
    let tokens = ["a", "b"].map(|letter| letter.repeat(24));
    for rule in ["-publish", "resetchannels"] {
        let allowed = ["reset", "on", ">x", "~*", "&*", "+@all", rule];
        redis.command(&[&["ACL", "SETUSER", "limited"], &allowed[..]].concat());
        let mut limited = redis.connect();
        limited.command(&["AUTH", "limited", "x"]);
        for delete in [
            &[
                "EVAL", DELETE, "2", "session", "live", "#", ONE, "", "channel",
            ][..],
            &["EVAL", script!("delete"), "1", "session", "#", "channel"],
        ] {
            redis.command(&["HSET", "session", "t", &tokens[0], "d", "x", "m", "300000"]);
            redis.command(&["PEXPIRE", "session", "300000"]);
            let arguments = ["#", &tokens[0], &tokens[1], "y", "3", "channel"];
            let words = [&["EVAL", WRITE, "1", "session"], &arguments[..]].concat();
            assert!(limited.command(&words).text().starts_with("#W1"), "{rule}");
            assert_eq!(redis.command(&["HGET", "session", "d"]).text(), "y");
            assert_eq!(limited.command(delete).text(), "#D", "{rule}");
            assert_eq!(redis.command(&["EXISTS", "session"]).int(), 0);
        }
    }
}
