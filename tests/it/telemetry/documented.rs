//! `docs/metrics.md` against a running server: it lists every metric as exported, and nothing else.

use crate::server::Server;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use testkit::server::Store;

/// Labels with values that depend on the deployment or are unbounded.
const OPEN: [&str; 4] = ["version", "revision", "homeserver", "le"];

/// A row of the table, without the name.
#[derive(Default)]
struct Metric {
    kind: String,
    help: String,
    /// In the order of the page, with their values.
    labels: Vec<(String, Vec<String>)>,
}

/// What the exposition says about each metric.
fn read(page: &str) -> BTreeMap<String, Metric> {
    let mut metrics = BTreeMap::<String, Metric>::new();
    let mut of = String::new();
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').expect("a help text");
            name.clone_into(&mut of);
            help.clone_into(&mut metrics.entry(of.clone()).or_default().help);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a type");
            assert_eq!(name, of);
            let metric = metrics.get_mut(name).expect("help comes first");
            kind.clone_into(&mut metric.kind);
        } else if let Some((labels, _)) = line
            .split_once('{')
            .and_then(|(_, rest)| rest.rsplit_once('}'))
        {
            metrics.get_mut(&of).expect("help comes first").note(labels);
        }
    }
    metrics
}

impl Metric {
    fn note(&mut self, labels: &str) {
        for (label, value) in labels.split("\",").filter_map(|one| one.split_once("=\"")) {
            if label == "le" {
                continue;
            }
            let place = self.labels.iter().position(|(known, _)| known == label);
            let place = place.unwrap_or_else(|| {
                self.labels.push((label.to_owned(), Vec::new()));
                self.labels.len() - 1
            });
            let value = value.trim_end_matches('"').to_owned();
            let values = &mut self.labels[place].1;
            if !OPEN.contains(&label) && !values.contains(&value) {
                values.push(value);
            }
        }
    }

    fn row(&self, name: &str) -> String {
        let mut labels = String::new();
        for (label, values) in &self.labels {
            let gap = if labels.is_empty() { "" } else { "; " };
            write!(labels, "{gap}`{label}`").expect("a string");
            if !values.is_empty() {
                write!(labels, ": {}", values.join(", ")).expect("a string");
            }
        }
        format!("| `{name}` | {} | {labels} | {} |", self.kind, self.help)
    }
}

#[test]
fn metrics_are_documented_as_exported() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let docs = fs::read_to_string(docs).expect("docs/metrics.md");
    let documented: Vec<_> = docs
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    for store in [Store::Memory, Store::Redis] {
        // Some series belong to homeservers with a verifier; this server has none.
        let settings = [("auth.homeserver_url", "http://127.0.0.1:9")];
        let shown = read(&Server::start(store, &settings).metrics().0);
        let rows: Vec<_> = shown
            .iter()
            .map(|(name, metric)| metric.row(name))
            .collect();
        assert!(rows.len() > 40, "{} metrics", rows.len());
        assert!(rows == documented, "it should be:\n{}", rows.join("\n"));
    }
}

/// The reasons that a source file declares, each as a row: its doc comment is the description.
fn declared(path: &str, label: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let source = fs::read_to_string(path).expect("a source file");
    let (_, body) = source
        .split_once(&format!("    {label} {{\n"))
        .expect("a label");
    let (body, _) = body.split_once("\n    }\n").expect("its end");
    let (mut rows, mut doc) = (Vec::new(), Vec::new());
    for line in body.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("/// ") {
            doc.push(text);
        } else {
            let value = line.split('"').nth(1).expect("a value");
            rows.push(format!("| {value} | {} |", doc.join(" ")));
            doc.clear();
        }
    }
    rows
}

#[test]
fn rejection_reasons_are_documented() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let docs = fs::read_to_string(docs).expect("docs/metrics.md");
    let mut sections = docs
        .split("\n## ")
        .filter(|section| section.starts_with("Why "));
    let limits = "src/model/limit.rs";
    for labels in [
        &[
            ("src/model/rejection.rs", "Rejection"),
            (limits, "DenyList"),
            (limits, "Limit"),
        ][..],
        &[("src/telemetry/labels.rs", "ConnectionRefusal")],
    ] {
        let section = sections.next().expect("a section");
        let rows = section.lines().filter(|line| line.starts_with("| "));
        let documented: Vec<_> = rows.skip(1).collect();
        let rows = |(path, label): &(&str, &str)| declared(path, label);
        let declared: Vec<_> = labels.iter().flat_map(rows).collect();
        assert!(
            declared == documented,
            "it should be:\n{}",
            declared.join("\n")
        );
    }
}
