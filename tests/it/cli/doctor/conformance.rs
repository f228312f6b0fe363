//! `doctor --conformance`: the rules that any server of either dialect keeps.

use super::{run, service, url_of};
use crate::repository;
use crate::server::Server;
use serde_json::Value;
use testkit::homeserver::{HomeserverStub, TokenReply};
use testkit::server::Store;

/// Runs it, and returns its table.
#[track_caller]
fn table(arguments: &[&str], code: i32) -> Value {
    let format = ["doctor", "--conformance", "--format", "json"];
    let run = run(&[&format, arguments].concat(), &[]).expect(code);
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {run:#?}"))
}

fn rules(table: &Value) -> Vec<Value> {
    let dialects = table["dialects"].as_array().expect("a list").iter();
    let rules = dialects.flat_map(|dialect| dialect["rules"].as_array().expect("a list"));
    rules.cloned().collect()
}

#[test]
fn this_server_keeps_every_rule_that_is_tried() {
    let server = service();
    let table = table(&[&url_of(&server)], 0);
    let rules = rules(&table);
    assert!(rules.len() > 50, "{}", rules.len());
    for rule in &rules {
        assert_eq!(rule["is_kept"], true, "{rule:#}");
    }
    for dialect in table["dialects"].as_array().expect("a list") {
        assert_eq!(dialect["ended"], Value::Null, "{dialect:#}");
    }
    let metrics = server.metrics();
    let [created, deleted] = ["created", "deleted"]
        .map(|what| metrics.sum(&format!("rendezvous_sessions_{what}_total"), &[]));
    assert_eq!((created, deleted), (2, 2));
}

#[test]
fn rules_of_the_table_are_those_of_the_protocol() {
    let protocol = repository::root().join("docs/protocol.md");
    let protocol = std::fs::read_to_string(protocol).expect("the document");
    for rule in rules(&table(&[&url_of(&service())], 0)) {
        let number = rule["rule"].as_str().expect("a number");
        assert!(protocol.contains(&format!("**{number}**")), "{rule:#}");
    }
}

#[test]
fn dialect_that_is_off_is_not_held_against_the_rules() {
    let settings = [("msc4108.enabled", "true"), ("mode", "off")];
    let server = Server::start(Store::Memory, &settings);
    let run = run(&["doctor", "--conformance", &url_of(&server)], &[]).expect(0);
    let ended = run.stdout.lines().find(|line| line.starts_with("ended"));
    let ended = ended.unwrap_or_else(|| panic!("no end: {run:#?}"));
    assert!(
        ended.contains("not served: GET 404 M_UNRECOGNIZED"),
        "{ended}"
    );
    let summary = run.stdout.lines().last().expect("a line");
    assert!(summary.ends_with(", differs: 0"), "{summary}");
}

#[test]
fn server_of_another_kind_conforms_to_nothing() {
    let homeserver = HomeserverStub::start();
    homeserver.set_default_reply(Some(TokenReply::Body(200, "<html>".to_owned())));
    let table = table(&[&homeserver.url()], 1);
    assert_eq!(rules(&table), Vec::<Value>::new());
    homeserver.set_default_reply(Some(TokenReply::Close));
    let table = self::table(&[&homeserver.url()], 1);
    let ended = table["dialects"][0]["ended"].as_str().expect("text");
    assert!(ended.contains("broke"), "{ended}");
}

/// What was not tried is not kept.
#[test]
fn trial_that_ends_early_does_not_conform() {
    let homeserver = HomeserverStub::start();
    homeserver.set_default_reply(Some(TokenReply::unknown_token()));
    let url = homeserver.url();
    let settings = [("mode", "authenticated"), ("auth.homeserver_url", &*url)];
    let server = Server::start(Store::Memory, &settings);
    let table = table(&[&url_of(&server)], 1);
    let ended = table["dialects"][1]["ended"].as_str().expect("text");
    assert!(ended.contains("--token-file"), "{ended}");
}

#[test]
fn conformance_needs_a_server() {
    run(&["doctor", "--conformance"], &[]).expect_refused(&["SERVER"]);
}
