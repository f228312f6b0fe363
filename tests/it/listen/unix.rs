//! Clients behind a proxy on the same host, which connects to a Unix socket: it is a trusted proxy.

use crate::server::Server;
use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use testkit::api::{UNSTABLE, request};
use testkit::etag::creation;
use testkit::http::{Connection, Request};
use testkit::server::Store;
use testkit::until;

/// One creation for each client.
const ONE_CREATION: [(&str, &str); 3] = [
    ("limits.enabled", "true"),
    ("limits.create.client.burst", "1"),
    ("limits.create.client.per_second", "0.001"),
];

/// A server whose clients' listener is a Unix socket, in a folder of its own.
struct UnixServer {
    server: Server,
    path: PathBuf,
    _folder: TempDir,
}

fn start(settings: &[(&str, &str)]) -> UnixServer {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("http.sock");
    let listen = format!("unix:{}", path.display());
    let listen = [("http.listen", &*listen)];
    UnixServer {
        server: Server::start(Store::Memory, &[settings, &listen].concat()),
        path,
        _folder: folder,
    }
}

#[track_caller]
pub fn open(path: &Path) -> Connection {
    Connection::try_open_unix(path).expect("a connection")
}

/// The status of a creation, whose proxy sends this `X-Forwarded-For`.
#[track_caller]
fn create(unix: &UnixServer, client: Option<&str>) -> u16 {
    let mut create = request::create("hello");
    if let Some(client) = client {
        create = create.header("X-Forwarded-For", client);
    }
    open(&unix.path).send(&create).status
}

#[test]
fn forwarded_header_of_a_unix_peer_names_the_client() {
    let unix = start(&ONE_CREATION);
    for (client, status) in [
        ("203.0.113.1", 200),
        ("203.0.113.1", 429),
        ("203.0.113.2", 200),
        // A client wrote the left entry.
        ("203.0.113.3, 203.0.113.2", 429),
        ("2001:db8:1::1", 200),
    ] {
        assert_eq!(create(&unix, Some(client)), status, "{client}");
    }
}

#[test]
fn unix_peer_without_header_is_one_local_client() {
    let unix = start(&ONE_CREATION);
    let headers = [None, Some("unknown"), Some("127.0.0.1")];
    let statuses = headers.map(|client| create(&unix, client));
    assert_eq!(statuses, [200, 429, 429]);
    assert_eq!(create(&unix, Some("203.0.113.1")), 200);
}

#[test]
fn header_of_a_tcp_peer_beside_a_unix_socket_is_ignored() {
    let folder = tempfile::tempdir().expect("a folder");
    let listen = format!("127.0.0.1:0,unix:{}/http.sock", folder.path().display());
    let settings = [&ONE_CREATION[..], &[("http.listen", &*listen)]].concat();
    let server = Server::start(Store::Memory, &settings);
    let statuses = ["203.0.113.1", "203.0.113.2"].map(|client| {
        let create = request::create("hello").header("X-Forwarded-For", client);
        server.call(&create).status
    });
    assert_eq!(statuses, [200, 429]);
}

#[test]
fn forwarded_scheme_of_a_unix_peer_is_used() {
    let unix = start(&[("msc4108.enabled", "true")]);
    let create = creation("hello").header("X-Forwarded-Proto", "https");
    let url = open(&unix.path).send(&create).expect(201).text("url");
    assert!(url.starts_with("https://"), "{url}");
}

/// Its connections carry many clients.
#[test]
fn unix_peer_has_no_connection_limit_per_client() {
    let limits = [
        ("limits.enabled", "true"),
        ("http.max_connections_per_client", "2"),
    ];
    let unix = start(&limits);
    let mut all: Vec<_> = (0..8).map(|_| open(&unix.path)).collect();
    for connection in &mut all {
        connection.send(&Request::get(UNSTABLE)).expect(200);
    }
}

#[test]
fn proxy_protocol_names_the_client_of_a_unix_socket() {
    // No address of `http.trusted_proxies` is needed.
    let unix = start(&[&ONE_CREATION[..], &[("http.proxy_protocol", "true")]].concat());
    let mut calls = 0;
    let mut create = |header: &str| {
        let mut connection = open(&unix.path);
        // The client wrote the header: it counts only if a trusted proxy is announced.
        calls += 1;
        let forged = format!("198.51.100.{calls}");
        let create = request::create("hello").header("X-Forwarded-For", &forged);
        connection.write(&[header.as_bytes(), &create.bytes()].concat());
        connection.reply_if_any().map(|reply| reply.status)
    };
    let [one, other] = ["203.0.113.1", "203.0.113.2"]
        .map(|client| format!("PROXY TCP4 {client} 192.0.2.80 4711 443\r\n"));
    // The proxy itself, whose headers are those of an unknown client.
    let unnamed = "PROXY UNKNOWN\r\n";
    for (header, status) in [
        (&*one, Some(200)),
        (&*one, Some(429)),
        (&*other, Some(200)),
        (unnamed, Some(200)),
        (unnamed, Some(429)),
        ("", None),
    ] {
        assert_eq!(create(header), status, "{header:?}");
    }
}

#[test]
fn announced_clients_of_a_unix_socket_have_a_connection_limit() {
    let unix = start(&[
        ("limits.enabled", "true"),
        ("http.max_connections_per_client", "2"),
        ("http.proxy_protocol", "true"),
    ]);
    let from = |header: &str| {
        let mut connection = open(&unix.path);
        connection.write(&[header.as_bytes(), &Request::get(UNSTABLE).bytes()].concat());
        connection.reply_if_any().map(|_| connection)
    };
    let client = "PROXY TCP4 203.0.113.1 192.0.2.80 4711 443\r\n";
    let open: Vec<_> = (0..3).map(|_| from(client)).collect();
    let is_open: Vec<_> = open.iter().map(Option::is_some).collect();
    assert_eq!(is_open, [true, true, false]);
    // Health checks of the proxy.
    let unnamed: Vec<_> = (0..4).map(|_| from("PROXY UNKNOWN\r\n")).collect();
    assert!(unnamed.iter().all(Option::is_some));
}

#[test]
fn half_closed_request_on_a_unix_socket_is_answered() {
    let unix = start(&[]);
    let mut connection = open(&unix.path);
    connection.write(&request::create("hello").bytes());
    connection.close_write();
    connection.reply().expect(200);
    assert_eq!(connection.read_to_close(), b"");
}

/// The end of the peer is seen without a read, as on TCP.
#[test]
fn closed_unix_connection_ends_the_held_read() {
    let unix = start(&[
        ("msc4108.enabled", "true"),
        ("msc4108.long_poll.window", "30s"),
        ("msc4108.long_poll.timeout", "10s"),
    ]);
    let mut writer = open(&unix.path);
    let created = writer.send(&creation("hello")).expect(201);
    let url = created.text("url");
    let at = url.find("/_matrix").expect("a path");
    let write = Request::put(&url[at..])
        .header("If-Match", &created.etag())
        .header("Content-Type", "text/plain")
        .body("next");
    let etag = writer.send(&write).expect(202).etag();
    let poll = Request::get(&url[at..]).header("If-None-Match", &etag);
    let held = || unix.server.metrics().sum("rendezvous_reads_held", &[]);
    for is_half_closed in [true, false] {
        let mut reader = open(&unix.path);
        reader.write(&poll.bytes());
        until("the read is held", || held() == 1);
        if is_half_closed {
            reader.close_write();
            reader.reply().expect(304);
        }
        drop(reader);
        until("no read is held", || held() == 0);
    }
    let ended = "rendezvous_hold_duration_seconds_count";
    let hung_up = unix.server.metrics().sum(ended, &[("end", "hung_up")]);
    assert_eq!(hung_up, 2);
}

#[test]
fn request_in_flight_on_a_unix_socket_finishes_in_the_drain() {
    let unix = start(&[("shutdown.grace", "0s"), ("shutdown.drain", "300s")]);
    let create = request::create("hello").bytes();
    let mut connection = open(&unix.path);
    let (head, rest) = create.split_at(create.len() - 3);
    connection.write(head);
    until("the request is in flight", || {
        let in_flight = "rendezvous_http_requests_in_flight";
        unix.server.metrics().sum(in_flight, &[]) == 1
    });
    unix.server.signal(Signal::SIGTERM);
    until("no new connection", || !unix.path.exists());
    connection.write(rest);
    let reply = connection.reply().expect(200);
    assert!(reply.says_close(), "{reply}");
    assert_eq!(unix.server.ended().code(), Some(0), "{}", unix.server.log());
}
