//! A server on a Redis of the test's choice, and a client that meets a 503.
//!
//! For the tests of faults and of replicas.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::api::{Session, UNSTABLE, at, body};
use crate::http::{Reply, Request};
use crate::server::{Server, ServerBinary};
use crate::{PATIENCE, until};

/// A request that takes longer than this hangs, on a loaded machine too. If the store fails, a
/// request ends within a second (`store.redis.command_timeout`, and no second wait after it).
pub const HANG: Duration = Duration::from_secs(3);

impl ServerBinary {
    /// Starts a server on this Redis, and waits until it is ready.
    #[track_caller]
    pub fn ready_on(self, url: &str, settings: &[(&str, &str)]) -> Server {
        let server = self.launch_on(url, settings);
        until("the server is ready", || server.is_ready());
        server
    }

    /// Starts a server on this Redis, ready or not.
    #[track_caller]
    pub fn launch_on(self, url: &str, settings: &[(&str, &str)]) -> Server {
        let mut all = vec![
            ("mode", "open"),
            ("limits.enabled", "false"),
            ("store.backend", "redis"),
            ("store.redis.url", url),
        ];
        all.extend(settings);
        self.launch(&all)
    }
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
    /// Sends the same request again while the reply is 503.
    #[track_caller]
    pub fn persist(&self, request: &Request) -> Reply {
        let start = Instant::now();
        loop {
            let reply = self.call(request);
            if reply.status != 503 {
                return reply;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "still 503 after {PATIENCE:?}: {reply}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends a request, which must be rejected with 503 within [`HANG`].
    #[track_caller]
    pub fn assert_refused(&self, request: &Request) {
        let start = Instant::now();
        self.call(request).expect_error(503, "M_UNKNOWN");
        assert!(
            start.elapsed() < HANG,
            "rejected only after {:?}",
            start.elapsed()
        );
    }

    /// Sends each kind of request; each must be rejected with 503. Status and errcode are checked
    /// here, CORS and Retry-After by [`Server::call`]. A rejected write may still take effect
    /// later, so the test must not need this session any more.
    #[track_caller]
    pub fn assert_all_refused(&self, spare: &Session) {
        let (id, token) = (&*spare.id, &*spare.token);
        self.assert_refused(&request::create("x"));
        self.assert_refused(&request::read(id));
        self.assert_refused(&request::write(id, None, token, "lost?"));
        self.assert_refused(&request::write(id, Some("t"), token, "lost?"));
        self.assert_refused(&request::delete(id));
    }
}
