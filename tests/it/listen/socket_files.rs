//! The file of a Unix socket: its mode, its removal, and the replacement of one that was left behind.

use super::unix::open;
use crate::server::Server;
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use testkit::api::UNSTABLE;
use testkit::http::Request;
use testkit::server::Store;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("http.sock");
    (folder, path)
}

fn start(path: &Path, query: &str) -> Server {
    let listen = format!("unix:{}{query}", path.display());
    Server::start(Store::Memory, &[("http.listen", &listen)])
}

#[test]
fn socket_file_has_the_configured_mode() {
    for (query, expected) in [("", 0o660), ("?mode=0600", 0o600), ("?mode=666", 0o666)] {
        let (_folder, path) = folder();
        let server = start(&path, query);
        let mode = fs::metadata(&path).expect("a file").permissions().mode() & 0o7777;
        assert_eq!(mode, expected, "{query:?}: {mode:o}");
        let logged = format!("unix:{}?mode={expected:04o}", path.display());
        assert_eq!(server.addresses("http"), [logged]);
    }
}

#[test]
fn socket_file_is_removed_at_exit() {
    for signals in 1..=2 {
        let (_folder, path) = folder();
        let server = start(&path, "");
        assert!(path.exists());
        for _ in 0..signals {
            server.signal(Signal::SIGTERM);
        }
        server.ended();
        assert!(!path.exists(), "{signals} signals");
    }
}

#[test]
fn socket_file_of_another_process_is_kept_at_exit() {
    let (_folder, path) = folder();
    let server = start(&path, "");
    fs::remove_file(&path).expect("a file");
    let _other = UnixListener::bind(&path).expect("a listener");
    server.signal(Signal::SIGTERM);
    server.ended();
    assert!(path.exists());
}

#[test]
fn socket_file_of_a_dead_process_is_replaced() {
    let (_folder, path) = folder();
    // It is killed, so the file stays.
    drop(start(&path, ""));
    assert!(path.exists());
    let server = start(&path, "");
    open(&path).send(&Request::get(UNSTABLE)).expect(200);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.ended().code(), Some(0));
    assert!(!path.exists());
}
