//! Holds `docs/configuration.md` against `config/default.toml`: the same keys, the same defaults.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Splits `key = value`, if the line is one. A sentence of a comment has blanks before its `=`.
fn key_value(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(" = ")?;
    let is_key = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (!key.is_empty() && key.bytes().all(is_key)).then_some((key, value))
}

/// Returns every key of the sample with its default. A key that is commented out has none.
fn defaults(toml: &str) -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    let mut section = String::new();
    for line in toml.lines() {
        let comment = line.strip_prefix("# ");
        let name = |line: &str| line.trim_matches(['[', ']']).to_owned();
        if line.starts_with('[') || comment.is_some_and(|text| text.starts_with("[[")) {
            section = name(comment.unwrap_or(line));
        } else if let Some((key, value)) = key_value(comment.unwrap_or(line)) {
            let dot = if section.is_empty() { "" } else { "." };
            let value = match comment {
                Some(_) => "none".to_owned(),
                None => format!("`{}`", value.trim_matches('"')),
            };
            keys.insert(format!("{section}{dot}{key}"), value);
        }
    }
    keys
}

/// Returns every key of the page's tables with its default.
fn documented(page: &str) -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.split(" | ").collect();
        let [names, default, ..] = cells.as_slice() else {
            continue;
        };
        // A row of two cells is not one of a key.
        if cells.len() < 3 {
            continue;
        }
        for name in names.trim_start_matches("| ").split(", ") {
            let before = keys.insert(name.trim_matches('`').to_owned(), (*default).to_owned());
            assert_eq!(before, None, "{name} is documented twice");
        }
    }
    keys
}

/// Returns every key that has no default and that a variable can set.
pub fn keys_without_default() -> BTreeSet<String> {
    let keys = defaults(&read("config/default.toml")).into_iter();
    let optional =
        keys.filter(|(key, value)| value == "none" && !key.starts_with("auth.homeserver."));
    optional.map(|(key, _)| key).collect()
}

#[test]
fn each_key_is_documented_with_its_default() {
    let defaults = defaults(&read("config/default.toml"));
    let documented = documented(&read("docs/configuration.md"));
    assert!(defaults.len() > 60, "the sample is not read: {defaults:?}");
    let missing: Vec<_> = defaults
        .iter()
        .filter(|(key, value)| documented.get(*key) != Some(value))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/configuration.md lacks, or has other defaults for: {missing:#?}"
    );
    let unknown: Vec<_> = documented
        .keys()
        .filter(|key| !defaults.contains_key(*key))
        .collect();
    assert!(
        unknown.is_empty(),
        "config/default.toml has no such keys: {unknown:#?}"
    );
}
