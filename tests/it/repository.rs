//! The files of this repository, for tests that read them.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that are not searched: the output of builds, installed packages, and git's own files.
const SKIPPED: [&str; 5] = ["target", "node_modules", "book", "__pycache__", ".git"];

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the files at or below `path`. Linked folders are not followed.
pub fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    if path.is_symlink() {
        return Vec::new();
    }
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| !SKIPPED.iter().any(|name| path.ends_with(name)))
        .flat_map(|path| files(&path))
        .collect()
}

/// Returns the files below `path` with this extension: the path below `path`, and the text.
pub fn texts(path: &Path, extension: &str) -> Vec<(PathBuf, String)> {
    let found = files(path).into_iter();
    found
        .filter(|file| file.extension().is_some_and(|of| of == extension))
        .map(|file| {
            let text = fs::read_to_string(&file).expect("text");
            (file.strip_prefix(path).expect("below").to_owned(), text)
        })
        .collect()
}
