//! No import cycle: neither between two files nor between two top-level modules.
//!
//! A parent module that names its own children is no cycle: that is how Rust builds a module tree.

use super::{module, sources, without_tests};
use std::collections::{BTreeMap, BTreeSet};

/// From each node to the nodes that it imports.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// The module path of a file: `store/redis.rs` is `store::redis`.
fn module_path(file: &str) -> String {
    file.trim_end_matches(".rs").replace('/', "::")
}

/// The code of a file, without comments, unit tests and line breaks.
fn code(text: &str) -> String {
    let lines = without_tests(text).lines().map(str::trim);
    lines
        .filter(|line| !line.starts_with("//"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The paths that `text`, which begins behind `crate::`, names: one, or one for each of a group.
fn paths(text: &str) -> Vec<String> {
    let name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let end = text.find(|c| !name(c)).unwrap_or(text.len());
    let (head, rest) = text.split_at(end);
    let Some(group) = rest.strip_prefix('{') else {
        return vec![head.trim_end_matches("::").to_owned()];
    };
    let (mut found, mut depth, mut item) = (Vec::new(), 0, String::new());
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => found.extend(paths(std::mem::take(&mut item).trim())),
            _ => {
                depth += i32::from(c == '{') - i32::from(c == '}');
                item.push(c);
            }
        }
    }
    found.extend(paths(item.trim()));
    found.iter().map(|path| format!("{head}{path}")).collect()
}

/// The absolute paths that a file names by `crate::` and by `super::`.
fn imported_paths(file: &str, text: &str) -> Vec<String> {
    let code = code(text);
    let mut found: Vec<_> = code.split("crate::").skip(1).flat_map(paths).collect();
    let path = module_path(file);
    let parent = path.rsplit_once("::").map_or("", |(parent, _)| parent);
    for below in code.split("super::").skip(1).flat_map(paths) {
        if !parent.is_empty() {
            found.push(format!("{parent}::{below}"));
        }
    }
    found
}

/// The file whose module holds a path: the longest prefix that is a module.
fn resolve<'m>(path: &str, modules: &'m BTreeSet<String>) -> Option<&'m String> {
    let mut path = path;
    loop {
        if let Some(module) = modules.get(path) {
            return Some(module);
        }
        path = path.rsplit_once("::")?.0;
    }
}

fn file_graph(files: &[(String, String)]) -> Graph {
    let modules: BTreeSet<_> = files.iter().map(|(file, _)| module_path(file)).collect();
    let imports = |(file, text): &(String, String)| {
        let from = module_path(file);
        let is_child = |to: &&String| to.starts_with(&format!("{from}::"));
        let to = imported_paths(file, text)
            .iter()
            .filter_map(|path| resolve(path, &modules))
            .filter(|to| **to != from && !is_child(to))
            .cloned()
            .collect();
        (from, to)
    };
    files.iter().map(imports).collect()
}

fn module_graph(files: &Graph) -> Graph {
    let top = |path: &str| module(&path.replace("::", "/")).to_owned();
    let mut graph = Graph::new();
    for (from, imported) in files {
        let others = imported
            .iter()
            .map(|to| top(to))
            .filter(|to| *to != top(from));
        graph.entry(top(from)).or_default().extend(others);
    }
    graph
}

/// A path that ends where it begins, if there is one.
fn find_cycle(graph: &Graph) -> Option<Vec<String>> {
    fn visit(
        node: &str,
        graph: &Graph,
        walk: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> bool {
        if let Some(start) = walk.iter().position(|visited| visited == node) {
            walk.drain(..start);
            walk.push(node.to_owned());
            return true;
        }
        if done.contains(node) {
            return false;
        }
        walk.push(node.to_owned());
        for next in graph.get(node).into_iter().flatten() {
            if visit(next, graph, walk, done) {
                return true;
            }
        }
        walk.pop();
        done.insert(node.to_owned());
        false
    }
    let (mut walk, mut done) = (Vec::new(), BTreeSet::new());
    let found = graph
        .keys()
        .any(|node| visit(node, graph, &mut walk, &mut done));
    found.then_some(walk)
}

#[test]
fn files_and_modules_import_without_cycles() {
    let files = file_graph(&sources());
    let edges: usize = files.values().map(BTreeSet::len).sum();
    assert!(edges > 200, "only {edges} imports were found");
    let cycle = find_cycle(&files);
    assert!(
        cycle.is_none(),
        "files import each other: {}",
        cycle.unwrap().join(" → ")
    );
    let cycle = find_cycle(&module_graph(&files));
    assert!(
        cycle.is_none(),
        "modules import each other: {}",
        cycle.unwrap().join(" → ")
    );
}

#[test]
fn cycle_rule_can_fail() {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let cycle_of = |files: &[(String, String)]| find_cycle(&file_graph(files));
    let mut files = vec![
        file(
            "a.rs",
            "use crate::b::{X, c::Y};\nmod inner;\nuse crate::a::inner::Z;",
        ),
        file(
            "a/inner.rs",
            "use super::Parent;\n// use crate::d::Comment;",
        ),
        file("b.rs", "use crate::d::X;"),
        file("b/c.rs", "fn f() { crate::d::f() }"),
        file("d.rs", "#[cfg(test)]\nuse crate::a::X;"),
    ];
    assert_eq!(cycle_of(&files), None);
    files[4].1 = "use crate::{e::X, b::c::Y};".to_owned();
    assert_eq!(cycle_of(&files).expect("a cycle").join(" "), "d b::c d");
    files[4].1.clear();
    files[2].1 = "use super::X; use crate::a::inner::Z;".to_owned();
    files[1].1 = "use crate::b::Y;".to_owned();
    assert!(cycle_of(&files).is_some());
    // No file imports in a circle here, and the modules `a` and `b` do.
    let files = [
        file("a/one.rs", "use crate::b::one::X;"),
        file("b/one.rs", ""),
        file("b/two.rs", "use crate::a::two::X;"),
        file("a/two.rs", ""),
    ];
    let graph = file_graph(&files);
    assert_eq!(find_cycle(&graph), None);
    assert!(find_cycle(&module_graph(&graph)).is_some());
}
