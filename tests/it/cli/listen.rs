//! Listen addresses on the command line: what is accepted, what is rejected, and the health check.

use super::{check, file, print, run};
use crate::server::Server;
use std::fs;
use std::os::unix::net::UnixListener;
use testkit::process::free_port;
use testkit::server::Store;

const HTTP: &str = "RENDEZVOUS_HTTP__LISTEN";
const ADMIN: &str = "RENDEZVOUS_ADMIN__LISTEN";

#[test]
fn listen_is_an_address_or_a_list() {
    let texts = toml::Value::try_from(["127.0.0.1:1", "[::1]:1"]).expect("a list");
    let listen = |printed: &toml::Table| printed["http"]["listen"].clone();
    for arguments in [
        &["--listen", "127.0.0.1:1,[::1]:1"][..],
        &["--listen", "127.0.0.1:1", "--listen", "[::1]:1"],
        &["--set", "http.listen=127.0.0.1:1, [::1]:1"],
    ] {
        assert_eq!(listen(&print(arguments, &[])), texts, "{arguments:?}");
    }
    let variables = [(HTTP, "127.0.0.1:1,[::1]:1"), (ADMIN, ":2,unix:/run/x")];
    let printed = print(&[], &variables);
    assert_eq!(listen(&printed), texts);
    let admin = toml::Value::try_from([":2", "unix:/run/x?mode=0660"]).expect("a list");
    assert_eq!(printed["admin"]["listen"], admin);
    let file = file("http.listen = [\"127.0.0.1:1\", \"[::1]:1\"]\n");
    let path = file.path().to_str().expect("a path");
    assert_eq!(listen(&print(&["--config", path], &[])), texts);
    // A variable replaces the list of the file, and one address is text.
    let printed = print(&["--config", path], &[(HTTP, "localhost:1")]);
    assert_eq!(listen(&printed).as_str(), Some("localhost:1"));
}

#[test]
fn invalid_listen_address_is_rejected_with_an_example() {
    for (value, example) in [
        ("8080", "such as 127.0.0.1:8080"),
        ("", "such as 127.0.0.1:8080"),
        ("127.0.0.1", "such as 127.0.0.1:8080"),
        ("localhost:port", "such as 127.0.0.1:8080"),
        ("127.0.0.1:1,nonsense", "\"nonsense\": expected an address"),
        ("unix:x.sock", "such as unix:/run/"),
        ("unix:/x?mode=9", "three or four octal digits"),
    ] {
        for name in [HTTP, ADMIN] {
            check(&[(name, value)]).expect_refused(&[name, ".listen: ", example]);
        }
    }
    let number = file("[http]\nlisten = 8080\n");
    let path = number.path().to_str().expect("a path");
    let refused = run(&["config", "check", "--config", path], &[]);
    refused.expect_refused(&["http.listen", "\"8080\"", "such as 127.0.0.1:8080", path]);
}

#[test]
fn overlapping_listen_addresses_are_rejected() {
    let many: Vec<_> = (1..=17).map(|port| format!("127.0.0.1:{port}")).collect();
    check(&[(HTTP, &many.join(","))]).expect_refused(&["http.listen", "at most 16"]);
    let both = [(HTTP, "0.0.0.0:1,[::]:1")];
    check(&both).expect_refused(&["http.listen", "0.0.0.0:1 and [::]:1 overlap"]);
    for (http, admin) in [
        ("127.0.0.1:1,127.0.0.1:2", ":2"),
        ("unix:/run/x", "127.0.0.1:2,unix:/run/x?mode=0600"),
    ] {
        let refused = check(&[(HTTP, http), (ADMIN, admin)]);
        refused.expect_refused(&["admin.listen", "must differ from http.listen", "overlap"]);
    }
    check(&[(HTTP, "127.0.0.1:0,[::1]:0"), (ADMIN, ":0")]).expect(0);
}

#[test]
fn proxy_protocol_requires_proxies_unless_all_sockets_are_unix() {
    let on = ("RENDEZVOUS_HTTP__PROXY_PROTOCOL", "true");
    check(&[on, (HTTP, "unix:/run/a,unix:/run/b")]).expect(0);
    for listen in ["127.0.0.1:1", "unix:/run/a,127.0.0.1:1"] {
        let refused = check(&[on, (HTTP, listen)]);
        refused.expect_refused(&["http.proxy_protocol", "requires http.trusted_proxies"]);
    }
}

/// Key, address, reason, and what to do.
#[test]
fn unusable_address_is_an_error_with_advice() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let _live = UnixListener::bind(at("live")).expect("a listener");
    fs::write(at("text"), "kept").expect("a file");
    let unix = |name: &str| format!("unix:{}", at(name).display());
    let [live, text, missing] = ["live", "text", "missing/x"].map(unix);
    let server = Server::start(Store::Memory, &[]);
    let used = server.http.to_string();
    for (address, reason, advice) in [
        (&*used, "Address already in use", "set another port"),
        ("192.0.2.1:0", "Cannot assign", ":PORT for all of them"),
        ("no.invalid:1", "cannot be resolved", "correct the name"),
        (&live, "another process listens", "set another path"),
        (&text, "is not a socket", "remove the file"),
        (&missing, "No such file", "create the directory"),
    ] {
        for (own, other, key) in [(HTTP, ADMIN, "http.listen"), (ADMIN, HTTP, "admin.listen")] {
            let run = run(&["serve"], &[(own, address), (other, "127.0.0.1:0")]).expect(1);
            let error = format!("{key} = {address}");
            for part in [&error, reason, advice] {
                assert!(run.stderr.contains(part), "{part} is missing: {run:#?}");
            }
        }
    }
    assert_eq!(fs::read_to_string(at("text")).expect("a file"), "kept");
    assert!(at("live").exists());
}

/// A later address that cannot be used leaves no file of an earlier one.
#[test]
fn failed_start_removes_its_socket_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("http.sock");
    let listen = format!("unix:{},192.0.2.1:0", path.display());
    run(&["serve"], &[(HTTP, &listen), (ADMIN, "127.0.0.1:0")]).expect(1);
    assert!(!path.exists());
}

#[test]
fn healthcheck_uses_the_first_admin_address() {
    let folder = tempfile::tempdir().expect("a folder");
    let unix = format!("unix:{}/admin.sock", folder.path().display());
    let listen = format!("127.0.0.1:0,{unix}");
    let server = Server::start(Store::Memory, &[("admin.listen", &listen)]);
    let port = server.admin.port();
    let closed = format!("127.0.0.1:{}", free_port());
    for (first, code) in [
        (unix.clone(), 0),
        (server.admin.to_string(), 0),
        (format!(":{port}"), 0),
        (format!("localhost:{port}"), 0),
        (format!("{unix},{closed}"), 0),
        (format!("{closed},{unix}"), 1),
    ] {
        run(&["healthcheck", "--admin-listen", &first], &[]).expect(code);
    }
    drop(server);
    let stopped = run(&["healthcheck", "--admin-listen", &unix], &[]).expect(1);
    let reason = format!("{unix}?mode=0660 (admin.listen): Connection refused");
    assert!(stopped.stderr.contains(&reason), "{stopped:#?}");
}
