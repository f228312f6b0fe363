//! Users of Redis: one with the rule of the release before the channel, and one whose password needs
//! quotes.

use super::{Worker, assert_hints};
use crate::redis_start_checks::user;
use crate::server::ready_on;
use testkit::redis::acl_rule::documented_rule;
use testkit::redis::{RedisServer, Reply};
use testkit::until;

const FEED_UP: &str = "rendezvous_store_change_feed_up";

/// The words that the rule of the previous release does not have.
const NEW_WORDS: [&str; 3] = ["+publish", "+subscribe", "&mrv:*"];

/// The rule, without these words.
fn rule_without(words: &[&str]) -> Vec<String> {
    let rule = documented_rule();
    let left: Vec<_> = rule
        .iter()
        .filter(|word| !words.contains(&word.as_str()))
        .cloned()
        .collect();
    assert_eq!(left.len() + words.len(), rule.len());
    left
}

/// Whether the log of this Redis has a denial of a script's command.
fn is_denied_to_scripts(redis: &RedisServer) -> bool {
    let Reply::Array(entries) = redis.command(&["ACL", "LOG"]) else {
        panic!("a log");
    };
    let script = Reply::Bulk(b"lua".to_vec());
    let is_of_script =
        |entry: &Reply| matches!(entry, Reply::Array(fields) if fields.contains(&script));
    entries.iter().any(is_of_script)
}

/// Writes must not fail because their hint does.
#[test]
fn rule_without_the_channel_costs_one_warning() {
    let redis = RedisServer::start();
    let [publish, subscribe, channel] = NEW_WORDS;
    for (n, missing) in [&NEW_WORDS[..], &[publish], &[subscribe], &[channel]]
        .into_iter()
        .enumerate()
    {
        let url = user(&redis, &format!("user-{n}"), &rule_without(missing));
        let worker = ready_on(&url, &[("msc4108.enabled", "true")]);
        let warnings = || {
            let log = worker.log();
            log.lines()
                .filter(|line| line.contains("WARN") && line.contains("channel of changes"))
                .count()
        };
        until("the worker warns", || warnings() > 0);
        let session = worker.create("hello");
        let token = worker.write(&session.id, &session.token, "ECDH");
        worker.assert_holds(&session.id, "ECDH", &token);
        worker
            .call(&testkit::api::request::delete(&session.id))
            .expect(200);
        worker.assert_gone(&session.id);
        assert!(!is_denied_to_scripts(&redis), "a script publishes in vain");
        assert_eq!(warnings(), 1, "{}", worker.log());
        assert_eq!(worker.metrics().value(FEED_UP), 0);
        assert!(worker.is_ready());
        let page = worker.admin_get("/readyz?verbose").expect(200).body;
        let page = String::from_utf8(page).expect("text");
        assert!(page.contains("[+] store: fit, and answers"), "{page}");
    }
}

/// With RESP3, fred sends user and password in an inline command.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn password_with_special_characters_is_quoted() {
    let redis = RedisServer::start();
    let words = ["ACL", "SETUSER", "special", "on", ">a \"b\\x41\n", "-@all"];
    let words = words.map(str::to_owned);
    let reply = redis.command(&[&words[..], &documented_rule()].concat());
    assert_eq!(reply.text(), "OK");
    let password = "a%20%22b%5Cx41%0A";
    let url = format!("redis://special:{password}@127.0.0.1:{}", redis.port());
    let [one, other] = [(); 2].map(|()| Worker::on(&url));
    assert_hints(&one, &other).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn password_without_a_user_is_enough() {
    let redis = RedisServer::start_with(&["--requirepass", "secret"]);
    let [one, other] = [(); 2].map(|()| Worker::on(&redis.url()));
    assert_hints(&one, &other).await;
}
