//! SIGHUP applies what describes the way to this server: the base URLs, and the proxies that may name the
//! client of a request.

use super::{Running, write};
use crate::server::Server;
use tempfile::NamedTempFile;
use testkit::api::UNSTABLE;
use testkit::etag::{ETAG, creation};
use testkit::eventually;
use testkit::http::{Connection, Request};
use testkit::server::Store;

impl Running {
    /// The URL of a new session in the ETag dialect, up to the path.
    #[track_caller]
    fn base_url(&self, host: &str) -> String {
        let reply = self.server.call(&creation("x").host(host)).expect(201);
        let url = reply.text("url");
        let (base, _) = url.split_once(ETAG).expect("the path of a session");
        base.to_owned()
    }

    /// The status of a request with this header.
    #[track_caller]
    fn status_with(&self, name: &str, value: &str) -> u16 {
        let request = Request::get(UNSTABLE).header(name, value);
        self.server.call(&request).status
    }

    #[track_caller]
    fn assert_names(&self, keys: &str) {
        eventually("the log names the keys", || {
            let log = self.server.log();
            let last = log.lines().rfind(|line| line.contains("need a restart"))?;
            last.contains(&format!("keys=\"{keys}\"")).then_some(())
        });
    }

    fn says_restart(&self) -> bool {
        self.server.log().contains("need a restart")
    }
}

#[test]
fn reload_applies_the_base_url() {
    let running = Running::start(Store::Memory, "http.public_base_url = \"https://one\"\n");
    assert_eq!(running.base_url("host"), "https://one");
    running.reload("http.public_base_url = \"https://two/\"\n", "applied");
    assert_eq!(running.base_url("host"), "https://two");
    running.reload("mode = \"open\"\n", "applied");
    assert_eq!(running.base_url("host"), "http://host");
    assert!(!running.says_restart(), "{}", running.server.log());
}

#[test]
fn reload_applies_the_base_url_of_each_homeserver() {
    let entry = |hosts: &str, url: &str| {
        format!("[[auth.homeserver]]\nhost = [{hosts}]\npublic_base_url = \"https://{url}\"\n")
    };
    let start = [
        entry("\"anna\", \"alias\"", "one"),
        entry("\"berta\"", "two"),
    ];
    let running = Running::start(Store::Memory, &start.concat());
    let later = [
        entry("\"anna\", \"alias\"", "three"),
        entry("\"berta\"", "four"),
    ];
    running.reload(&later.concat(), "applied");
    for (host, expected) in [("anna", "three"), ("alias", "three"), ("berta", "four")] {
        assert_eq!(running.base_url(host), format!("https://{expected}"));
    }
    assert!(!running.says_restart(), "{}", running.server.log());
    // The second is another homeserver now, and its key says so.
    let other = [
        entry("\"anna\", \"alias\"", "five"),
        entry("\"carla\"", "six"),
    ];
    running.reload(&other.concat(), "applied");
    assert_eq!(running.base_url("anna"), "https://five");
    assert_eq!(running.base_url("berta"), "https://four");
    running.assert_names("auth.homeserver.1.host, auth.homeserver.1.public_base_url");
}

const DENY: &str = "limits.deny.create = [\"198.51.100.7\"]\n";

#[test]
fn reload_applies_trusted_proxies_and_their_header() {
    let with = |keys: &str| format!("{DENY}{keys}");
    let running = Running::start(Store::Memory, &with("http.trusted_proxies = []\n"));
    let named = ["X-Forwarded-For", "X-Real-IP"];
    let statuses = || named.map(|name| running.status_with(name, "198.51.100.7"));
    assert_eq!(statuses(), [200, 200]);
    let mut opened_before = Connection::open(running.server.http);
    let untrusted = || {
        running
            .server
            .metrics()
            .sum("rendezvous_proxy_untrusted", &[])
    };
    assert_eq!(untrusted(), 1);
    let trusting = "http.trusted_proxies = [\"127.0.0.1\"]\n";
    running.reload(&with(trusting), "applied");
    assert_eq!((statuses(), untrusted()), ([403, 200], 0));
    let request = Request::get(UNSTABLE).header(named[0], "198.51.100.7");
    assert_eq!(opened_before.send(&request).status, 403);
    let other_header = format!("{trusting}http.forwarded_header = \"X-Real-IP\"\n");
    running.reload(&with(&other_header), "applied");
    assert_eq!(statuses(), [200, 403]);
    // A proxy that is not trusted any more is reported again.
    running.reload(&with("http.trusted_proxies = []\n"), "applied");
    assert_eq!((statuses(), untrusted()), ([200, 200], 1));
    assert_eq!(opened_before.send(&request).status, 200);
    assert!(!running.says_restart(), "{}", running.server.log());
}

/// Without them, the PROXY protocol that still applies would reject every connection.
#[test]
fn proxies_stay_if_the_proxy_protocol_changes() {
    let trusting = "http.trusted_proxies = [\"127.0.0.1\"]\n";
    let running = Running::start(Store::Memory, &format!("{DENY}{trusting}"));
    let keys = "http.trusted_proxies = [\"10.0.0.1\"]\nhttp.proxy_protocol = true\n";
    running.reload(&format!("{DENY}{keys}"), "applied");
    assert_eq!(running.status_with("X-Forwarded-For", "198.51.100.7"), 403);
    running.assert_names("http.proxy_protocol, http.trusted_proxies");
}

/// The new list may belong to the proxies in front of the new listener.
#[test]
fn proxies_stay_if_the_listener_changes() {
    let of = |listen: &str, proxy: &str| {
        format!(
            "{DENY}mode = \"open\"\nhttp.listen = \"{listen}\"\nhttp.trusted_proxies = [\"{proxy}\"]\n"
        )
    };
    let [at_start, other] = ["127.0.0.1:0", "127.0.0.1:1"];
    let file = NamedTempFile::new().expect("a file");
    write(file.path(), &of(at_start, "127.0.0.1"));
    let path = file.path().to_str().expect("a path").to_owned();
    let server = Server::launch_listening_by_file(&[("config", &path)]);
    let running = Running { file, server };
    let status = || running.status_with("X-Forwarded-For", "198.51.100.7");
    assert_eq!(status(), 403);
    running.reload(&of(other, "10.0.0.1"), "applied");
    assert_eq!(status(), 403);
    running.assert_names("http.listen, http.trusted_proxies");
    // With the listener of the start, the list applies.
    running.reload(&of(at_start, "10.0.0.1"), "applied");
    assert_eq!(status(), 200);
}

/// A list without any is valid with Unix sockets alone. But the service manager may have passed a TCP socket, and
/// the PROXY protocol would reject each of its connections.
#[test]
fn last_proxy_of_the_proxy_protocol_stays() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("http.sock");
    let with = |proxies: &str| {
        let listen = format!("http.listen = \"unix:{}\"\n", socket.display());
        format!(
            "mode = \"open\"\nhttp.proxy_protocol = true\n{listen}http.trusted_proxies = [{proxies}]\n"
        )
    };
    let file = NamedTempFile::new().expect("a file");
    write(file.path(), &with("\"127.0.0.1\""));
    let path = file.path().to_str().expect("a path").to_owned();
    let server = Server::launch_listening_by_file(&[("config", &path)]);
    let running = Running { file, server };
    running.reload(&with("\"10.0.0.1\""), "applied");
    assert!(!running.says_restart(), "{}", running.server.log());
    running.reload(&with(""), "applied");
    running.assert_names("http.trusted_proxies");
}

/// A request whose head came before the reload uses what was configured then, and nothing of both: with
/// the URL of now and the proxies of then, this session would have an `http` URL.
#[test]
fn request_during_a_reload_uses_one_configuration() {
    let before = "http.public_base_url = \"https://one\"\nhttp.trusted_proxies = []\n";
    let after = "http.trusted_proxies = [\"127.0.0.1\"]\n";
    let running = Running::start(Store::Memory, before);
    let create = Request::new("POST", ETAG)
        .host("host")
        .header("Content-Type", "text/plain")
        .header("Content-Length", "1")
        .header("Expect", "100-continue")
        .header("X-Forwarded-Proto", "https");
    let mut connection = Connection::open(running.server.http);
    let mut url = |reload: &dyn Fn()| {
        connection.write(&create.bytes());
        assert_eq!(connection.reply().status, 100);
        reload();
        connection.write(b"x");
        connection.reply().expect(201).text("url")
    };
    let during = url(&|| running.reload(after, "applied"));
    assert!(during.starts_with("https://one/"), "{during}");
    let later = url(&|| {});
    assert!(later.starts_with("https://host/"), "{later}");
}
