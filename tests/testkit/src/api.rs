//! The JSON dialect as a client speaks it, and the headers that every reply must have.
//!
//! For the protocol tests. [`Server::call`] checks each reply, whatever its status, against the
//! contract's section about every response. A test that needs the bytes alone uses [`Server::raw`].

use serde_json::{Value, json};

use super::http::{Reply, Request};
use super::server::Server;

/// The path of the dialect, always enabled.
pub const UNSTABLE: &str = "/_matrix/client/unstable/io.element.msc4388/rendezvous";
/// The path of the dialect if `api.stable` is on.
pub const STABLE: &str = "/_matrix/client/v1/rendezvous";
/// The errcode of a conflict under [`UNSTABLE`].
pub const CONFLICT: &str = "IO_ELEMENT_MSC4388_CONCURRENT_WRITE";

/// A session as a client that reads it sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The session id.
    pub id: String,
    /// The payload.
    pub data: String,
    /// The sequence token.
    pub token: String,
    /// Time until the session expires, in milliseconds.
    pub expires_in_ms: u64,
}

/// The path of a session.
pub fn at(id: &str) -> String {
    format!("{UNSTABLE}/{id}")
}

/// The body of a write.
pub fn body(token: &str, data: &str) -> Value {
    json!({"sequence_token": token, "data": data})
}

/// The four requests on a session, which a client sends again after a 503.
pub mod request {
    use super::{Request, UNSTABLE, at, body, json};

    /// A create.
    pub fn create(data: &str) -> Request {
        Request::post(UNSTABLE).json(&json!({"data": data}))
    }

    /// A read.
    pub fn read(id: &str) -> Request {
        Request::get(&at(id))
    }

    /// A write, with a txnId if there is one.
    pub fn write(id: &str, txn: Option<&str>, token: &str, data: &str) -> Request {
        let path = txn.map_or(at(id), |txn| format!("{}/{txn}", at(id)));
        Request::put(&path).json(&body(token, data))
    }

    /// A delete.
    pub fn delete(id: &str) -> Request {
        Request::delete(&at(id))
    }
}

impl Server {
    /// Sends one request, and checks what every reply must have.
    #[track_caller]
    pub fn call(&self, request: &Request) -> Reply {
        let reply = self.raw(request);
        reply.assert_common_headers();
        reply
    }

    /// Sends a creation.
    #[track_caller]
    pub fn try_create(&self, data: &str) -> Reply {
        self.call(&Request::post(UNSTABLE).json(&json!({"data": data})))
    }

    /// Creates a session.
    #[track_caller]
    pub fn create(&self, data: &str) -> Session {
        let reply = self.try_create(data).expect(200);
        let [id, token] = ["id", "sequence_token"].map(|member| reply.text(member));
        Session {
            id,
            token,
            data: data.to_owned(),
            expires_in_ms: reply.number("expires_in_ms"),
        }
    }

    /// Reads a session, which must exist.
    #[track_caller]
    pub fn read(&self, id: &str) -> Session {
        let reply = self.call(&Request::get(&at(id))).expect(200);
        let [data, token] = ["data", "sequence_token"].map(|member| reply.text(member));
        Session {
            id: id.to_owned(),
            data,
            token,
            expires_in_ms: reply.number("expires_in_ms"),
        }
    }

    /// `PUT /rendezvous/{id}`.
    #[track_caller]
    pub fn put(&self, id: &str, token: &str, data: &str) -> Reply {
        self.call(&Request::put(&at(id)).json(&body(token, data)))
    }

    /// Writes to a session; the write must succeed. Returns the new token.
    #[track_caller]
    pub fn write(&self, id: &str, token: &str, data: &str) -> String {
        self.put(id, token, data).expect(200).text("sequence_token")
    }

    /// `PUT /rendezvous/{id}/{txnId}`.
    #[track_caller]
    pub fn put_txn(&self, id: &str, txn: &str, token: &str, data: &str) -> Reply {
        self.call(&Request::put(&format!("{}/{txn}", at(id))).json(&body(token, data)))
    }

    /// Asserts that the session has this payload and this token.
    #[track_caller]
    pub fn assert_holds(&self, id: &str, data: &str, token: &str) {
        let now = self.read(id);
        assert_eq!((now.data.as_str(), now.token.as_str()), (data, token));
    }

    /// Asserts that the session does not exist.
    #[track_caller]
    pub fn assert_gone(&self, id: &str) {
        self.call(&Request::get(&at(id)))
            .expect_error(404, "M_NOT_FOUND");
    }
}

impl Reply {
    /// Asserts what every reply of the public listener must have, errors included.
    #[track_caller]
    pub fn assert_common_headers(&self) {
        assert_eq!(self.all("access-control-allow-origin"), ["*"], "{self}");
        assert_eq!(
            self.header("x-content-type-options"),
            Some("nosniff"),
            "{self}"
        );
        assert_eq!(self.header("server"), None, "{self}");
        let names = self.all("x-request-id");
        assert!(names.len() == 1 && !names[0].is_empty(), "{self}");
        let cache = self.header("cache-control").unwrap_or_default();
        assert!(
            cache.split(',').any(|part| part.trim() == "no-store"),
            "{self}"
        );
        let policy = self.header("content-security-policy").unwrap_or_default();
        assert!(policy.contains("default-src 'none'"), "{self}");
        if !self.body.is_empty() {
            // A payload of the ETag dialect is the only body that is not JSON.
            let is_text = self.status == 200 && self.header("etag").is_some();
            let expected = if is_text {
                "text/plain"
            } else {
                "application/json"
            };
            assert_eq!(self.header("content-type"), Some(expected), "{self}");
        }
        // A reply to HEAD has the headers of an error and no body.
        if self.status >= 400 && !self.body.is_empty() {
            assert!(
                !self.text("errcode").is_empty() && !self.text("error").is_empty(),
                "{self}"
            );
            self.assert_retry_after();
        }
    }

    #[track_caller]
    fn assert_retry_after(&self) {
        let limited = self.text("errcode") == "M_LIMIT_EXCEEDED";
        assert_eq!(self.status == 429, limited, "{self}");
        let after = self
            .header("retry-after")
            .map(|value| value.parse::<u64>().expect("seconds"));
        if limited {
            assert_eq!(
                after,
                Some(self.number("retry_after_ms").div_ceil(1000)),
                "{self}"
            );
        }
        // If the store is unavailable, a client retries after a second. Other outages name their
        // own time.
        if self.status == 503 && self.text("error").contains("session store") {
            assert_eq!(after, Some(1), "{self}");
        }
        assert_eq!(after.is_some(), [429, 503].contains(&self.status), "{self}");
    }
}
