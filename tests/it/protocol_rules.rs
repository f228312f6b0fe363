//! Holds the citations of rules (`R1.20`) against `docs/protocol.md`: each names a rule, and each rule has a test.
//!
//! A test cites the rules that it tests in a comment above it. Sections 3 (what clients do) and 4 (differences, which
//! restate rules) need no tests. A rule that is marked as planned must have none: remove the mark when it is built.

use crate::repository::{files, root};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A section and a number.
type Rule = (u32, u32);

/// Sections whose rules need tests.
const TESTED_SECTIONS: [u32; 3] = [0, 1, 2];

/// Returns the rules that a text names, in their order.
fn rules(text: &str) -> Vec<Rule> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let words = text.split(|c: char| !is_word(c));
    let number = |text: &str| {
        let is_number = (1..=2).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit());
        is_number.then(|| text.parse().ok()).flatten()
    };
    words
        .filter_map(|word| {
            let (section, rule) = word
                .trim_end_matches('.')
                .strip_prefix('R')?
                .split_once('.')?;
            Some((number(section)?, number(rule)?))
        })
        .collect()
}

/// The rules of the page, and those of them that are planned.
struct Protocol {
    all: BTreeSet<Rule>,
    planned: BTreeSet<Rule>,
}

fn protocol() -> Protocol {
    let page = fs::read_to_string(root().join("docs/protocol.md")).expect("docs/protocol.md");
    let (mut all, mut planned) = (BTreeSet::new(), BTreeSet::new());
    for rest in page.split("**R").skip(1) {
        let (number, rest) = rest.split_once("**").expect("a number in bold");
        let [rule] = rules(&format!("R{number}"))[..] else {
            panic!("R{number} is no rule's number");
        };
        assert!(all.insert(rule), "R{number} is defined twice");
        if rest.starts_with(" *(planned)*") {
            planned.insert(rule);
        }
    }
    assert!(all.len() > 100, "only {} rules were found", all.len());
    Protocol { all, planned }
}

/// Returns what each file cites: anywhere, and in tests.
fn citations() -> Vec<(PathBuf, Vec<Rule>, Vec<Rule>)> {
    let folders = ["src", "tests", "benches"].into_iter();
    let mut found: Vec<_> = folders.flat_map(|name| files(&root().join(name))).collect();
    // Data, and this file, which names rules as examples.
    let is_data = |path: &Path| {
        path.extension()
            .is_some_and(|of| of == "lock" || of == "json")
    };
    found.retain(|path| !is_data(path) && !path.ends_with("protocol_rules.rs"));
    let read = |path: PathBuf| {
        let text = String::from_utf8(fs::read(&path).expect("a file")).unwrap_or_default();
        let path = path.strip_prefix(root()).expect("below").to_owned();
        let tests = if path.starts_with("src") && !path.ends_with("tests.rs") {
            text.split_once("#[cfg(test)]")
                .map_or("", |(_, tests)| tests)
        } else {
            &text
        };
        let in_tests = rules(tests);
        (path, rules(&text), in_tests)
    };
    found.into_iter().map(read).collect()
}

fn named(rules: &BTreeSet<Rule>) -> Vec<String> {
    rules
        .iter()
        .map(|(section, rule)| format!("R{section}.{rule}"))
        .collect()
}

#[test]
fn citations_name_existing_rules() {
    let protocol = protocol();
    let (mut unknown, mut count) = (Vec::new(), 0);
    for (path, cited, _) in citations() {
        count += cited.len();
        for (section, rule) in cited.iter().filter(|rule| !protocol.all.contains(rule)) {
            unknown.push(format!("{}: R{section}.{rule}", path.display()));
        }
    }
    assert!(count > 100, "only {count} citations were found");
    assert!(
        unknown.is_empty(),
        "docs/protocol.md has no such rules: {unknown:#?}"
    );
}

#[test]
fn rules_have_tests() {
    let protocol = protocol();
    let cited: BTreeSet<Rule> = citations()
        .into_iter()
        .flat_map(|(.., rules)| rules)
        .collect();
    let built = protocol.all.difference(&protocol.planned);
    let untested: BTreeSet<Rule> = built
        .filter(|rule| TESTED_SECTIONS.contains(&rule.0) && !cited.contains(rule))
        .copied()
        .collect();
    assert_eq!(named(&untested), [""; 0], "rules that no test cites");
    let tested_early = cited.intersection(&protocol.planned).copied().collect();
    assert_eq!(
        named(&tested_early),
        [""; 0],
        "they have tests and are still marked as planned"
    );
}

#[test]
fn citations_are_read_in_prose() {
    let text = "R1.20, (R0.3) R2.14. R1.19 to R1.30; not R1, R1.x, xR1.2, R12.345, v1.2 or R1.2.3";
    assert_eq!(rules(text), [(1, 20), (0, 3), (2, 14), (1, 19), (1, 30)]);
}
