//! One name is one type: no struct, enum, trait or type alias is defined twice in `src`.
//!
//! The parsed and the validated form of a configuration section differ by `Raw…` and `…Config`, so even
//! they need no exception.

use super::{sources, without_tests};
use std::collections::BTreeMap;

/// The type that a line defines. Associated types, which are indented, do not count.
fn defined_type(line: &str) -> Option<&str> {
    let code = line.trim_start();
    let visible = code.strip_prefix("pub").map_or(code, |rest| {
        let rest = rest.trim_start();
        match rest.strip_prefix('(') {
            Some(scope) => scope.split_once(')').map_or(rest, |(_, rest)| rest),
            None => rest,
        }
    });
    let (keyword, rest) = visible.trim_start().split_once(' ')?;
    let is_type = match keyword {
        "struct" | "enum" | "trait" | "union" => true,
        "type" => !line.starts_with(' '),
        _ => false,
    };
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
    let name = &rest[..end.unwrap_or(rest.len())];
    (is_type && name.starts_with(char::is_uppercase)).then_some(name)
}

/// Each name that is defined more than once, with its files.
fn duplicates(files: &[(String, String)]) -> Vec<String> {
    let mut defined: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (file, text) in files.iter().filter(|(file, _)| !file.ends_with("tests.rs")) {
        for name in without_tests(text).lines().filter_map(defined_type) {
            defined.entry(name).or_default().push(file);
        }
    }
    let twice = defined.iter().filter(|(_, files)| files.len() > 1);
    twice
        .map(|(name, files)| format!("{name}: {}", files.join(", ")))
        .collect()
}

#[test]
fn type_names_are_defined_once() {
    let twice = duplicates(&sources());
    assert!(twice.is_empty(), "defined twice:\n{}", twice.join("\n"));
}

#[test]
fn name_rule_can_fail() {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let files = [
        file(
            "a.rs",
            "pub struct Limit;\npub(super) enum Only {\n#[cfg(test)]\nstruct Test;",
        ),
        file(
            "b.rs",
            "    pub(crate) trait Limit<T> {\n    type Err = X;\ntype Alias = X;",
        ),
        file(
            "c.rs",
            "// struct Only\n    type Err = Y;\nstruct Test;\ntype Alias = Y;",
        ),
    ];
    assert_eq!(
        duplicates(&files),
        ["Alias: b.rs, c.rs", "Limit: a.rs, b.rs"]
    );
}
