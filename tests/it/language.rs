//! The language of comments and documents, held by counts of words.
//!
//! Plain technical English says "if" and "returns", and hardly ever "whose", "told" or "so many". The
//! limits are per 1,000 words of comments and prose, near those of linkerd2-proxy,
//! matrix-authentication-service, mini-redis, ruma, crates.io and pingora ("if" 8 to 16, "returns" 4 to 10,
//! "who" and "tell" under 1). A count within its limits proves nothing: it is a smoke detector.

use crate::repository::{files, root};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Characters of a test's name: subject, verb, condition.
const LONGEST_TEST_NAME: usize = 60;

/// Words that are counted together, and what to write in their place.
const WORDS: [(&str, &[&str], &str); 5] = [
    (
        "who",
        &["who", "whoever", "whom", "whose"],
        "name the program or the role",
    ),
    (
        "tell",
        &["tell", "tells", "told", "telling"],
        "return, log, report",
    ),
    ("where", &["where"], "if"),
    (
        "anyone",
        &["nobody", "somebody", "anyone", "anybody"],
        "no client, a client, any client",
    ),
    (
        "so many",
        &["so many", "so long", "so often", "so much"],
        "the number or the constant",
    ),
];

/// An area of the repository, and its limits per 1,000 words.
struct Area {
    name: &'static str,
    paths: &'static [&'static str],
    /// One for each of [`WORDS`].
    at_most: [f64; 5],
    /// "if".
    at_least_if: f64,
    /// "return", "returns".
    at_least_returns: f64,
}

const AREAS: [Area; 6] = [
    Area {
        name: "src",
        paths: &["src"],
        at_most: [1.0, 0.5, 1.5, 0.8, 0.2],
        at_least_if: 6.0,
        at_least_returns: 4.0,
    },
    Area {
        name: "tests",
        paths: &["tests", "benches"],
        at_most: [1.2, 0.4, 1.2, 0.4, 0.1],
        at_least_if: 3.0,
        at_least_returns: 0.0,
    },
    Area {
        name: "docs",
        paths: &[
            "docs",
            "README.md",
            "CHANGELOG.md",
            "CONTRIBUTING.md",
            "SECURITY.md",
        ],
        at_most: [1.3, 0.2, 1.0, 0.5, 0.1],
        at_least_if: 5.0,
        at_least_returns: 0.0,
    },
    Area {
        name: "helm",
        paths: &["helm"],
        at_most: [0.8, 0.2, 0.4, 1.0, 0.2],
        at_least_if: 5.0,
        at_least_returns: 0.0,
    },
    Area {
        name: "deploy",
        paths: &["deploy", "config", "docker-compose.yml", "Dockerfile"],
        at_most: [0.8, 0.5, 0.8, 0.8, 0.3],
        at_least_if: 4.0,
        at_least_returns: 0.0,
    },
    Area {
        name: "scripts",
        paths: &["test", ".ci", ".github"],
        at_most: [1.3, 0.0, 0.0, 0.0, 0.0],
        at_least_if: 0.0,
        at_least_returns: 0.0,
    },
];

/// The prose of a file: all of Markdown, the comments of everything else; `None` if it is no text.
fn prose(path: &Path, text: &str) -> Option<String> {
    let extension = path
        .extension()
        .map_or("", |text| text.to_str().unwrap_or(""));
    let marks: &[&str] = match extension {
        "md" => return Some(text.to_owned()),
        "rs" | "js" | "mjs" | "ts" => &["//"],
        "lua" => &["--"],
        "" | "sh" | "py" | "yaml" | "yml" | "toml" | "tpl" | "conf" | "cfg" | "service" => &["#"],
        _ => return None,
    };
    let comments = text.lines().filter_map(|line| {
        let line = line.trim_start();
        marks.iter().find_map(|mark| line.strip_prefix(mark))
    });
    Some(comments.collect::<Vec<_>>().join("\n"))
}

/// Words in lower case, without markup and punctuation.
fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '_'))
        .filter(|word| word.chars().any(char::is_alphabetic))
        .map(str::to_lowercase)
        .collect()
}

/// How often a word or a pair of words occurs per 1,000 words.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn per_thousand(words: &[String], sought: &[&str]) -> f64 {
    let is_sought = |at: usize| {
        sought.iter().any(|sought| match sought.split_once(' ') {
            Some((first, second)) => {
                words[at] == first && words.get(at + 1).is_some_and(|word| word == second)
            }
            None => words[at] == *sought,
        })
    };
    let count = (0..words.len()).filter(|at| is_sought(*at)).count();
    count as f64 * 1000.0 / words.len().max(1) as f64
}

/// What is outside the limits of an area, one line each; and all its counts.
fn judge(area: &Area, words: &[String]) -> (Vec<String>, String) {
    let (mut wrong, mut counts) = (Vec::new(), format!("{} ({}):", area.name, words.len()));
    for ((name, sought, instead), most) in WORDS.iter().zip(area.at_most) {
        let found = per_thousand(words, sought);
        write!(counts, " {name} {found:.2}").expect("a string");
        if found > most {
            let area = area.name;
            wrong.push(format!(
                "{area}: {name} {found:.2} of 1,000 words, at most {most}; write: {instead}"
            ));
        }
    }
    for (name, sought, least) in [
        ("if", &["if"][..], area.at_least_if),
        ("returns", &["return", "returns"], area.at_least_returns),
    ] {
        let found = per_thousand(words, sought);
        write!(counts, " {name} {found:.2}").expect("a string");
        if found < least {
            wrong.push(format!(
                "{}: {name} {found:.2} of 1,000 words, at least {least}",
                area.name
            ));
        }
    }
    (wrong, counts)
}

#[test]
fn words_of_the_old_dialect_stay_within_their_limits() {
    let (mut wrong, mut counts) = (Vec::new(), Vec::new());
    for area in AREAS {
        let mut found = Vec::new();
        for path in area.paths.iter().flat_map(|path| files(&root().join(path))) {
            // This file names the words.
            if path.ends_with("tests/it/language.rs") {
                continue;
            }
            if let Ok(text) = fs::read_to_string(&path) {
                found.extend(
                    prose(&path, &text)
                        .map(|text| words(&text))
                        .unwrap_or_default(),
                );
            }
        }
        assert!(
            found.len() > 200,
            "{}: only {} words",
            area.name,
            found.len()
        );
        let (outside, line) = judge(&area, &found);
        wrong.extend(outside);
        counts.push(line);
    }
    assert!(
        wrong.is_empty(),
        "{}\n\nall counts:\n{}",
        wrong.join("\n"),
        counts.join("\n")
    );
}

/// The names of the tests in a file: behind `#[test]` and the like, and in `on_both_stores!`.
fn test_names(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for (at, _) in text
        .match_indices("#[test]")
        .chain(text.match_indices("#[tokio::test"))
    {
        let name = text[at..].split("fn ").nth(1);
        names.extend(name.and_then(|rest| rest.split(['(', '<']).next()));
    }
    for block in text.split("on_both_stores! {").skip(1) {
        let lines = block.split('}').next().unwrap_or("").lines();
        let listed = lines.filter_map(|line| line.trim().strip_suffix(','));
        let is_name = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        names.extend(listed.filter(is_name));
    }
    names
}

#[test]
fn test_names_have_at_most_60_characters() {
    let mut long = Vec::new();
    let mut count = 0;
    for path in ["src", "tests", "benches"]
        .iter()
        .flat_map(|path| files(&root().join(path)))
    {
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("text");
        for name in test_names(&text) {
            count += 1;
            if name.len() > LONGEST_TEST_NAME {
                let path = path.strip_prefix(root()).expect("below").display();
                long.push(format!("{path}: {name} ({})", name.len()));
            }
        }
    }
    assert!(count > 300, "only {count} tests were found");
    assert!(
        long.is_empty(),
        "longer than {LONGEST_TEST_NAME} characters:\n{}",
        long.join("\n")
    );
}

#[test]
fn language_rules_can_fail() {
    let area = Area {
        name: "area",
        paths: &[],
        at_most: [1.0; 5],
        at_least_if: 1.0,
        at_least_returns: 1.0,
    };
    let old = words("Whoever was told so long, whose it is: where nobody is.");
    assert_eq!(judge(&area, &old).0.len(), 7);
    let plain = words("Returns an error if the store does not answer.");
    assert_eq!(judge(&area, &plain).0, Vec::<String>::new());
    let comments = prose(Path::new("a.rs"), "/// One.\nlet who = 1;\n    // Two.");
    assert_eq!(words(&comments.expect("text")), ["one", "two"]);
    let text =
        "#[test]\nfn one() {}\n#[tokio::test]\nasync fn two() {}\non_both_stores! {\n  three,\n}";
    assert_eq!(test_names(text), ["one", "two", "three"]);
}
