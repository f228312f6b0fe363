//! Empty values of optional keys count as not given.

use super::{check, file, print, run};
use crate::config_documented::keys_without_default;
use matrix_rendezvous::config::optional_keys::OPTIONAL_KEYS;
use std::collections::BTreeSet;
use testkit::server::variable;

#[test]
fn optional_keys_are_those_without_a_default() {
    let documented = keys_without_default();
    let listed: BTreeSet<_> = OPTIONAL_KEYS.map(str::to_owned).into_iter().collect();
    assert_eq!(listed, documented);
}

/// Compose passes `${X:-}` on as an empty variable.
#[test]
fn empty_optional_key_counts_as_not_set() {
    let defaults = print(&[], &[]);
    for key in OPTIONAL_KEYS {
        assert_eq!(print(&[], &[(&variable(key), "")]), defaults, "{key}");
        let set = format!("{key}=");
        assert_eq!(print(&["--set", &set], &[]), defaults, "{key}");
    }
    let variables = OPTIONAL_KEYS.map(variable);
    let all: Vec<_> = variables.iter().map(|name| (name.as_str(), "")).collect();
    check(&all).expect(0);
}

#[test]
fn empty_variable_keeps_the_value_of_the_file() {
    let file = file("[http]\npublic_base_url = \"https://matrix.example.org\"\n");
    let path = file.path().to_str().expect("a path");
    let from_file = print(&["--config", path], &[]);
    let variable = ("RENDEZVOUS_HTTP__PUBLIC_BASE_URL", "");
    assert_eq!(print(&["--config", path], &[variable]), from_file);
    assert!(from_file["http"]["public_base_url"].is_str());
}

/// A key with a default has a type that an empty text is one of, or not; and a typo stays an error.
#[test]
fn empty_value_of_another_key_keeps_its_meaning() {
    let printed = print(&[], &[("RENDEZVOUS_HTTP__TRUSTED_PROXIES", "")]);
    assert_eq!(printed["http"]["trusted_proxies"].as_array(), Some(&vec![]));
    for name in [
        "RENDEZVOUS_MODE",
        "RENDEZVOUS_HTTP__LISTEN",
        "RENDEZVOUS_HTPP__PUBLIC_BASE_URL",
    ] {
        check(&[(name, "")]).expect_refused(&[name]);
    }
    // Nothing substitutes variables in a file.
    for text in [
        "[http]\npublic_base_url = \"\"\n",
        "[telemetry]\nreplica = \"\"\n",
        "[auth.introspection]\nendpoint = \"http://a/\"\nclient_secret = \"\"\n",
        "[auth.introspection]\nendpoint = \"http://a/\"\nclient_secret = \"x\"\nclient_id = \"\"\n",
    ] {
        let file = file(text);
        let path = file.path().to_str().expect("a path");
        run(&["config", "check", "--config", path], &[]).expect_refused(&[path]);
    }
}
