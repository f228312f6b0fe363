//! The ETag dialect as a client speaks it, for the protocol tests.

use super::http::{Reply, Request};
use super::server::Server;

/// The path of the dialect.
pub const ETAG: &str = "/_matrix/client/unstable/org.matrix.msc4108/rendezvous";

/// A session of the dialect, as its creator knows it.
#[derive(Clone, Debug)]
pub struct Mailbox {
    /// The path of its URL.
    pub path: String,
    /// Its ETag after the creation, with the quotes.
    pub etag: String,
}

impl Mailbox {
    /// The session id.
    pub fn id(&self) -> &str {
        self.path.rsplit('/').next().expect("a segment")
    }

    /// A read.
    pub fn get(&self) -> Request {
        Request::get(&self.path)
    }

    /// A poll of a client that has this ETag.
    pub fn poll(&self, etag: &str) -> Request {
        self.get().header("If-None-Match", etag)
    }

    /// A write over this ETag.
    pub fn put(&self, etag: &str, data: &str) -> Request {
        Request::put(&self.path)
            .header("If-Match", etag)
            .header("Content-Type", "text/plain")
            .body(data)
    }
}

/// A creation.
pub fn creation(data: impl Into<Vec<u8>>) -> Request {
    Request::post(ETAG)
        .header("Content-Type", "text/plain")
        .body(data)
}

impl Server {
    /// Creates a session.
    #[track_caller]
    pub fn open_mailbox(&self, data: &str) -> Mailbox {
        let reply = self.call(&creation(data)).expect(201);
        let url = reply.text("url");
        let at = url.find(ETAG).unwrap_or_else(|| panic!("{url}"));
        Mailbox {
            path: url[at..].to_owned(),
            etag: reply.etag(),
        }
    }

    /// Asserts that the session has this payload and this ETag.
    #[track_caller]
    pub fn assert_mailbox_holds(&self, mailbox: &Mailbox, data: &str, etag: &str) {
        let reply = self.call(&mailbox.get()).expect(200);
        assert_eq!(String::from_utf8_lossy(&reply.body), data);
        assert_eq!(reply.etag(), etag);
    }
}

impl Reply {
    /// The ETag, which must appear once.
    #[track_caller]
    pub fn etag(&self) -> String {
        let tag = self.header("etag");
        tag.unwrap_or_else(|| panic!("no ETag: {self}")).to_owned()
    }

    /// Asserts the headers beside the ETag of a live session: dates, and directives for proxies.
    #[track_caller]
    pub fn assert_dated(&self) {
        let date = |name: &str| {
            let text = self
                .header(name)
                .unwrap_or_else(|| panic!("no {name}: {self}"));
            httpdate::parse_http_date(text).unwrap_or_else(|_| panic!("{name}: {text}"))
        };
        assert!(date("last-modified") < date("expires"), "{self}");
        assert_eq!(
            self.all("cache-control"),
            ["no-store, no-transform"],
            "{self}"
        );
        assert_eq!(self.all("pragma"), ["no-cache"], "{self}");
    }
}
