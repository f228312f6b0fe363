//! What a client sees while the store is unavailable: 503, and success after a retry.

use std::time::{Duration, Instant};

use crate::PATIENCE;
use crate::api::{Session, request};
use crate::http::{Reply, Request};
use crate::server::Server;

/// A request that takes longer than this hangs, on a loaded machine too. If the store fails, a
/// request ends within a second (`store.redis.command_timeout`, and no second wait after it).
pub const HANG: Duration = Duration::from_secs(3);

impl Server {
    /// Sends the same request again while the reply is 503.
    #[track_caller]
    pub fn retry_while_503(&self, request: &Request) -> Reply {
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
