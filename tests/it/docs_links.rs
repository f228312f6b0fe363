//! Checks the links of every Markdown file, offline: the file exists, and so does the heading of a fragment.
//!
//! Checks as well that the paths which the documents name in backticks exist. Written here in place of a tool of its own,
//! as `./test` needs no further program for it, and a link checker takes minutes to build.

use crate::repository::{self, root};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// First segments of what counts as a path of this repository when it is in backticks.
const ROOTS: [&str; 9] = [
    "src/", "tests/", "docs/", "config/", "deploy/", "helm/", "benches/", ".github/", ".ci/",
];

fn documents() -> BTreeMap<PathBuf, String> {
    let found: BTreeMap<_, _> = repository::texts(root(), "md").into_iter().collect();
    assert!(
        found.len() > 20,
        "only {} documents were found",
        found.len()
    );
    found
}

/// Returns the lines outside of code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// Splits a line at its backticks: prose first, then code, and so on by turns.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

/// Returns the targets of the links and images of a document.
fn links(text: &str) -> Vec<String> {
    let text: Vec<_> = prose(text).map(without_code).collect();
    let joined = text.join("\n");
    let targets = joined
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    targets.map(str::to_owned).collect()
}

/// Returns the fragment that GitHub, and mdBook, make of a heading: lower case, blanks as hyphens, no punctuation.
fn slug(heading: &str) -> String {
    let text = heading.replace('`', "").to_lowercase();
    let kept = text
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Returns the fragments of a document. The second heading of one text gets `-1`.
fn fragments(text: &str) -> BTreeSet<String> {
    let mut seen = BTreeMap::<String, usize>::new();
    let headings = prose(text).filter(|line| line.starts_with('#'));
    let slugs = headings.map(|line| slug(line.trim_start_matches('#').trim()));
    slugs
        .map(|slug| {
            let count = seen.entry(slug.clone()).or_default();
            *count += 1;
            if *count == 1 {
                slug
            } else {
                format!("{slug}-{}", *count - 1)
            }
        })
        .collect()
}

/// Resolves `target` against the folder of `page`, without a look at the disk.
fn resolve(page: &Path, target: &str) -> PathBuf {
    let mut path = page.parent().expect("a file").to_owned();
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{target} leaves the repository"),
            Component::Normal(name) => path.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    path
}

#[test]
fn links_lead_to_existing_files_and_headings() {
    let documents = documents();
    let (mut broken, mut checked) = (Vec::new(), 0);
    for (page, text) in &documents {
        for link in links(text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            checked += 1;
            let (file, fragment) = link.split_once('#').unwrap_or((&link, ""));
            let path = if file.is_empty() {
                page.clone()
            } else {
                resolve(page, file)
            };
            let is_there = root().join(&path).exists();
            let has_heading = fragment.is_empty()
                || documents
                    .get(&path)
                    .is_some_and(|text| fragments(text).contains(fragment));
            if !is_there || !has_heading {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(checked > 100, "only {checked} links were found");
    assert!(
        broken.is_empty(),
        "these links lead nowhere:\n{}",
        broken.join("\n")
    );
}

#[test]
fn paths_in_backticks_exist() {
    let (mut missing, mut checked) = (Vec::new(), 0);
    for (page, text) in &documents() {
        // What has changed, and may be gone.
        if page.ends_with("CHANGELOG.md") {
            continue;
        }
        for line in prose(text) {
            for code in line.split('`').skip(1).step_by(2) {
                // The first word, as in a command with arguments; a place holder is no path.
                let path = code.split([' ', ':']).next().unwrap_or_default();
                let is_path = ROOTS.iter().any(|root| path.starts_with(root));
                if !is_path || path.contains(['{', '*', '…', '<', '(']) {
                    continue;
                }
                checked += 1;
                if !root().join(path).exists() {
                    missing.push(format!("{}: {path}", page.display()));
                }
            }
        }
    }
    assert!(checked > 50, "only {checked} paths were found");
    assert!(
        missing.is_empty(),
        "these paths do not exist:\n{}",
        missing.join("\n")
    );
}

#[test]
fn link_checks_can_fail() {
    assert_eq!(
        links("a [b](c.md#d) `[e](f)`\n```\n[g](h)\n```\n![i](j.svg)"),
        ["c.md#d", "j.svg"]
    );
    assert_eq!(
        slug("Denial of Service (MSC4388, \"`x`\")"),
        "denial-of-service-msc4388-x"
    );
    let two = fragments("# One\n## Two words\n## Two words\n```\n# no\n```");
    assert_eq!(
        two,
        ["one", "two-words", "two-words-1"]
            .map(str::to_owned)
            .into()
    );
    assert_eq!(
        resolve(Path::new("docs/adr/1.md"), "../a.md"),
        Path::new("docs/a.md")
    );
}
