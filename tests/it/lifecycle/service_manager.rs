//! The messages to systemd (`sd_notify(3)`), read as systemd reads them: from a datagram socket.

use crate::server::command;
use nix::sys::signal::Signal;
use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;
use tempfile::{NamedTempFile, TempDir};
use testkit::process::free_port;
use testkit::server::{Server, ServerBinary};

/// A stand-in for the socket of systemd, and a server that was started with it.
struct Notified {
    socket: UnixDatagram,
    server: Server,
    /// Holds the socket's file.
    _directory: TempDir,
}

impl Notified {
    fn start(settings: &[(&str, &str)], prepare: impl FnOnce(&mut Command)) -> Self {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        let timeout = Some(Duration::from_secs(30));
        socket.set_read_timeout(timeout).expect("a timeout");
        let mut command = command();
        command.env("NOTIFY_SOCKET", &path);
        prepare(&mut command);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = ServerBinary::launch_command_at(&mut command, [any, any], settings);
        Self {
            socket,
            server,
            _directory: directory,
        }
    }

    /// Returns the next message that is not a sign of life for the watchdog.
    #[track_caller]
    fn next(&self) -> String {
        loop {
            let message = self.receive();
            if message != "WATCHDOG=1\n" {
                return message;
            }
        }
    }

    #[track_caller]
    fn receive(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).unwrap_or_else(|error| {
            panic!("no message ({error}); the log:\n{}", self.server.log());
        });
        String::from_utf8(buffer[..length].to_vec()).expect("text")
    }

    /// Receives messages until one contains `text`, and returns it.
    #[track_caller]
    fn until(&self, text: &str) -> String {
        loop {
            let message = self.next();
            if message.contains(text) {
                return message;
            }
        }
    }
}

#[test]
fn start_and_stop_are_reported() {
    let notified = Notified::start(&[], |_| {});
    assert_eq!(notified.receive(), "READY=1\nSTATUS=ready\n");
    notified.server.signal(Signal::SIGTERM);
    // Nothing for a watchdog, since there is none.
    assert_eq!(notified.receive(), "STOPPING=1\n");
    assert_eq!(notified.receive(), "STATUS=not ready: shutting down\n");
}

#[test]
fn reload_is_reported_with_its_outcome() {
    let file = NamedTempFile::new().expect("a file");
    let write = |text: &str| std::fs::write(file.path(), text).expect("the file");
    write("maintenance = false");
    let path = file.path().to_str().expect("text");
    let notified = Notified::start(&[("config", path)], |_| {});
    notified.until("READY=1");

    write("maintenance = true");
    notified.server.signal(Signal::SIGHUP);
    let reloading = notified.next();
    let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
    time.and_then(|time| time.trim_end().parse::<u64>().ok())
        .unwrap_or_else(|| panic!("{reloading}"));
    let reloaded = notified.until("READY=1");
    assert_eq!(
        reloaded,
        "READY=1\nSTATUS=ready; maintenance: no session is created\n"
    );

    write("maintenance = 7");
    notified.server.signal(Signal::SIGHUP);
    notified.until("RELOADING=1");
    let rejected = notified.until("READY=1");
    assert!(
        rejected.contains("the last reload was rejected: "),
        "{rejected}"
    );
    assert!(rejected.contains("maintenance: "), "{rejected}");
    // One line, and no other state.
    assert_eq!(rejected.lines().count(), 2, "{rejected}");

    write("maintenance = false");
    notified.server.signal(Signal::SIGHUP);
    notified.until("RELOADING=1");
    assert_eq!(notified.until("READY=1"), "READY=1\nSTATUS=ready\n");
}

#[test]
fn status_says_why_the_replica_is_not_ready() {
    let url = format!("redis://127.0.0.1:{}/0", free_port());
    let settings = [("store.backend", "redis"), ("store.redis.url", &*url)];
    let notified = Notified::start(&settings, |_| {});
    // systemd would kill a server that waits for Redis at boot, so it does not wait for this.
    notified.until("READY=1");
    let status = notified.until("STATUS=not ready: the store has not been reached yet: ");
    assert_eq!(status.lines().count(), 1, "{status}");
}

#[test]
fn watchdog_gets_signs_of_life() {
    let notified = Notified::start(&[], |command| {
        command.env("WATCHDOG_USEC", "100000");
    });
    assert_eq!(notified.receive(), "READY=1\nSTATUS=ready\n");
    for _ in 0..3 {
        assert_eq!(notified.receive(), "WATCHDOG=1\n");
    }
}

#[test]
fn server_works_without_the_socket_of_a_service_manager() {
    let notified = Notified::start(&[("shutdown.grace", "0s")], |command| {
        command.env("NOTIFY_SOCKET", "/nonexistent/notify");
    });
    testkit::until("the server listens", || {
        notified
            .server
            .log()
            .contains("listening listener=\"admin\"")
    });
    notified.server.signal(Signal::SIGTERM);

    assert!(notified.server.ended().success());
}
