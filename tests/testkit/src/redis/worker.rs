//! A worker on a Redis of the test's choice, and what a client does that meets a 503.
//!
//! For the tests of faults and of replicas. The worker is [`Server`]; here are only the ways that need
//! a Redis which is not the shared one.

use std::time::{Duration, Instant};

use serde_json::json;

use super::until;
use crate::PATIENCE;
use crate::api::{Session, UNSTABLE, at, body};
use crate::http::{Reply, Request};
use crate::server::{Server, ServerBinary};

/// A request to a store in trouble ends within a second (`store.redis.command_timeout`, and no second
/// wait behind it); past this many it hangs, on a loaded machine too.
pub const HANG: Duration = Duration::from_secs(3);

impl ServerBinary {
    /// A worker on this Redis, ready.
    #[track_caller]
    pub fn ready_on(self, url: &str, settings: &[(&str, &str)]) -> Server {
        let server = self.launch_on(url, settings);
        until("the worker is ready", || server.is_ready());
        server
    }

    /// A worker on this Redis, ready or not.
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

/// The four requests on a session, whole: what one client sends again after a 503.
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

    /// A write, in the form with txnId where there is one.
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
    /// Whether a load balancer would send requests here.
    pub fn is_ready(&self) -> bool {
        self.admin_get("/readyz").status == 200
    }

    /// Sends the identical request again for as long as the answer is 503.
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

    /// Sends a request that must be refused as an outage, within a bound: no hang.
    #[track_caller]
    pub fn assert_refused(&self, request: &Request) {
        let start = Instant::now();
        self.call(request).expect_error(503, "M_UNKNOWN");
        assert!(
            start.elapsed() < HANG,
            "refused only after {:?}",
            start.elapsed()
        );
    }

    /// Every kind of request is refused as an outage: status, errcode, and what `call` holds every
    /// reply to, CORS and Retry-After among it. What is refused so may still land later, so the
    /// session is one that the test can spare.
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
