//! SIGHUP: reloadable keys change, an invalid configuration is rejected, and sign-ins are not
//! affected. Also `maintenance`, the key that is reloaded most: no new sessions for now.

mod routing;

use crate::server::{Server, on_both_stores};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::json;
use std::path::Path;
use tempfile::NamedTempFile;
use testkit::api::{UNSTABLE, at};
use testkit::etag::creation as mailbox;
use testkit::eventually;
use testkit::http::Request;
use testkit::server::Store;

/// A server with a configuration file that the test can rewrite.
struct Running {
    file: NamedTempFile,
    server: Server,
}

impl Running {
    fn start(store: Store, text: &str) -> Self {
        let file = NamedTempFile::new().expect("a file");
        write(file.path(), text);
        let path = file.path().to_str().expect("a path").to_owned();
        // The tests' default setting would override the file.
        let settings = [
            ("config", &*path),
            ("limits.enabled", "true"),
            ("msc4108.enabled", "true"),
        ];
        let server = Server::start(store, &settings);
        Self { file, server }
    }

    /// Rewrites the file, sends the signal, and waits until the server has reloaded.
    #[track_caller]
    fn reload(&self, text: &str, outcome: &str) {
        let looked = |outcome| {
            let labels = [("outcome", outcome)];
            self.server
                .metrics()
                .sum("rendezvous_config_reloads_total", &labels)
        };
        let before = looked(outcome);
        write(self.file.path(), text);
        self.server.signal(Signal::SIGHUP);
        eventually("the configuration was looked at", || {
            (looked(outcome) == before + 1).then_some(())
        });
    }

    fn available(&self) -> serde_json::Value {
        let reply = self.server.call(&Request::get(UNSTABLE)).expect(200);
        reply.json()["create_available"].clone()
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a file");
}

const WIDE: &str = "[limits.create.client]\nburst = 1000\n";

// R0.33, R0.34
#[test]
fn maintenance_rejects_creation_and_keeps_sessions() {
    for store in [Store::Memory, Store::Redis] {
        let running = Running::start(store, WIDE);
        let server = &running.server;
        let gauge = || server.metrics().sum("rendezvous_maintenance", &[]);
        assert_eq!((running.available(), gauge()), (json!(true), 0));
        let session = server.create("one");
        let letters = server.open_mailbox("one");
        running.reload(&format!("maintenance = true\n{WIDE}"), "applied");
        assert_eq!((running.available(), gauge()), (json!(false), 1));
        server.try_create("x").expect_error(403, "M_FORBIDDEN");
        let refused = server.call(&mailbox("x")).expect(503);
        assert_eq!(refused.text("errcode"), "M_UNKNOWN", "{refused}");
        assert_eq!(refused.header("retry-after"), Some("60"), "{refused}");
        let reason = [("reason", "maintenance")];
        let counted = server.metrics().sum("rendezvous_rejections_total", &reason);
        assert_eq!(counted, 2);
        let next = server.write(&session.id, &session.token, "two");
        server.assert_holds(&session.id, "two", &next);
        let written = server.call(&letters.put(&letters.etag, "two")).expect(202);
        server.assert_mailbox_holds(&letters, "two", &written.etag());
        server.call(&Request::delete(&at(&session.id))).expect(200);
        running.reload(WIDE, "applied");
        assert_eq!((running.available(), gauge()), (json!(true), 0));
        server.create("x");
        server.open_mailbox("x");
    }
}

on_both_stores! {
    with ["maintenance" = "true"];
    server_can_start_in_maintenance,
}

fn server_can_start_in_maintenance(server: &Server) {
    server.try_create("x").expect_error(403, "M_FORBIDDEN");
    assert_eq!(server.metrics().sum("rendezvous_maintenance", &[]), 1);
    let page = server.admin_get("/readyz?verbose").expect(200);
    let page = String::from_utf8(page.body).expect("text");
    assert!(page.contains("[!] maintenance: on"), "{page}");
}

#[test]
fn reload_applies_limits_and_deny_lists() {
    for store in [Store::Memory, Store::Redis] {
        let of = |burst: u8, live: u8, deny: &str| {
            format!(
                "[limits.create.client]\nburst = {burst}\nper_second = 0.001\n\
                 [limits.live]\nclient = {live}\n[limits.deny]\ncreate = [{deny}]\n"
            )
        };
        let running = Running::start(store, &of(2, 50, ""));
        let server = &running.server;
        server.create("one");
        server.create("two");
        server.try_create("three").expect(429);
        // A changed deny list does not reset the rates.
        running.reload(&of(2, 50, "\"192.0.2.0/24\""), "applied");
        server.try_create("three").expect(429);
        running.reload(&of(2, 50, "\"127.0.0.1\""), "applied");
        server.try_create("three").expect_error(403, "M_FORBIDDEN");
        // Two of three sessions are live. On Redis the store counts the rate as well, and must use
        // the new one.
        running.reload(&of(50, 3, ""), "applied");
        server.create("three");
        let refused = server.try_create("four").expect(429);
        assert!(
            refused.text("error").contains("rendezvous sessions"),
            "{refused}"
        );
    }
}

#[test]
fn reload_applies_the_log_level() {
    let quiet = "telemetry.log_level = \"info,access=off\"\n";
    let running = Running::start(Store::Memory, quiet);
    let server = &running.server;
    server.create("unseen");
    assert!(!server.log().contains("access"), "{}", server.log());
    running.reload("telemetry.log_level = \"info\"\n", "applied");
    server.create("seen");
    eventually("a line of the request", || {
        server.log().contains("access").then_some(())
    });
}

#[test]
fn invalid_reload_keeps_the_old_configuration() {
    let running = Running::start(Store::Memory, WIDE);
    let server = &running.server;
    let session = server.create("one");
    for wrong in [
        "maintenance = true\nnonsense = 1\n",
        "maintenance = true\n[limits.create.client]\nburst = 0\n",
        "maintenance = true\n[session]\nttl = \"1s\"\n",
        "maintenance = tru",
        // An editor has truncated the file, and not written it yet.
        "",
        "\n",
        "# maintenance = true\n",
    ] {
        running.reload(wrong, "refused");
        assert_eq!(running.available(), json!(true), "{wrong}");
    }
    eventually("the log says what is wrong", || {
        let log = server.log();
        let messages = [
            "nonsense: unknown key",
            "limits.create.client.burst",
            "session.ttl",
            "contains no key",
        ];
        messages.iter().all(|text| log.contains(text)).then_some(())
    });
    server.write(&session.id, &session.token, "two");
    std::fs::remove_file(running.file.path()).expect("a file");
    server.signal(Signal::SIGHUP);
    eventually("the missing file is refused", || {
        let labels = [("outcome", "refused")];
        let refused = server
            .metrics()
            .sum("rendezvous_config_reloads_total", &labels);
        (refused == 8).then_some(())
    });
    server.create("x");
}

/// Otherwise the deny lists would be gone until the next SIGHUP.
#[test]
fn empty_file_at_sighup_keeps_the_deny_lists() {
    let text = "[limits.deny]\ncreate = [\"127.0.0.1\"]\n";
    let running = Running::start(Store::Memory, text);
    let discovery = || running.server.call(&Request::get(UNSTABLE)).status;
    assert_eq!(discovery(), 403);
    running.reload("", "refused");
    assert_eq!(discovery(), 403);
    running.reload("maintenance = false\n", "applied");
    assert_eq!(discovery(), 200);
}

#[test]
fn reload_names_keys_that_need_a_restart() {
    let running = Running::start(Store::Memory, WIDE);
    let changed = "maintenance = true\n[session]\nmax_live = 7\n[http]\nmax_connections = 77\n";
    running.reload(changed, "applied");
    assert_eq!(running.available(), json!(false));
    eventually("the log names the keys", || {
        let log = running.server.log();
        let line = log.lines().find(|line| line.contains("need a restart"))?;
        assert!(
            line.contains("\"http.max_connections, session.max_live\""),
            "{line}"
        );
        Some(())
    });
    assert_eq!(
        running
            .server
            .metrics()
            .sum("rendezvous_sessions_limit", &[]),
        10_000
    );
}

/// Replicas are compared by it: what needs a restart does not change it.
#[test]
fn reload_changes_the_digest_by_what_it_applies() {
    let running = Running::start(Store::Memory, WIDE);
    let digest = || {
        let version = running.server.admin_get("/version").expect(200);
        version.text("configuration").clone()
    };
    let start = digest();
    running.reload(&format!("session.max_live = 7\n{WIDE}"), "applied");
    assert_eq!(digest(), start);
    running.reload(&format!("maintenance = true\n{WIDE}"), "applied");
    assert_ne!(digest(), start);
    running.reload(WIDE, "applied");
    assert_eq!(digest(), start);
}

/// By default the signal ends a process.
#[test]
fn reload_without_a_file_changes_nothing() {
    let server = Server::start(Store::Memory, &[]);
    let session = server.create("one");
    server.signal(Signal::SIGHUP);
    eventually("it was looked at", || {
        let labels = [("outcome", "applied")];
        let looked = server
            .metrics()
            .sum("rendezvous_config_reloads_total", &labels);
        (looked == 1).then_some(())
    });
    server.write(&session.id, &session.token, "two");
}

/// An operator who turns limits off must not believe that connections are no longer limited.
#[test]
fn reload_names_keys_read_only_at_start() {
    let file = NamedTempFile::new().expect("a file");
    write(file.path(), "limits.enabled = true\n");
    // No settings except the file, because they would override it.
    let server = Server::launch(&[("config", file.path().to_str().expect("a path"))]);
    write(file.path(), "limits.enabled = false\n");
    server.signal(Signal::SIGHUP);
    eventually("the key is named", || {
        let log = server.log();
        let line = log.lines().find(|line| line.contains("need a restart"))?;
        assert!(line.contains("\"limits.enabled\""), "{line}");
        Some(())
    });
}

/// The log masks passwords, and must name the key all the same.
#[test]
fn reload_names_the_redis_url_if_only_its_password_changed() {
    let of =
        |password: &str| format!("[store.redis]\nurl = \"redis://:{password}@redis.example\"\n");
    let running = Running::start(Store::Memory, &of("one"));
    running.reload(&of("two"), "applied");
    eventually("the key is named", || {
        let log = running.server.log();
        let line = log.lines().find(|line| line.contains("need a restart"))?;
        assert!(line.contains("\"store.redis.url\""), "{line}");
        assert!(!log.contains("two"), "{log}");
        Some(())
    });
}

/// Opening a FIFO waits for its writer, which may never come.
#[test]
fn fifo_is_refused_at_sighup() {
    let running = Running::start(Store::Memory, "shutdown.grace = \"1ms\"\n");
    std::fs::remove_file(running.file.path()).expect("it is ours");
    mkfifo(running.file.path(), Mode::S_IRWXU).expect("a FIFO without a writer");
    running.server.signal(Signal::SIGHUP);
    eventually("the FIFO is refused", || {
        let log = running.server.log();
        log.contains("is not a regular file").then_some(())
    });
    running.available();
    running.server.signal(Signal::SIGTERM);
    assert!(running.server.ended().success());
}
