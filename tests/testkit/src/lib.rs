//! Starts the server, Redis and the server's neighbours as real processes, and speaks to them as clients do.
//!
//! For tests, simulations and the benchmark. It knows the server only from outside: its command line, its
//! environment, its ports and what it prints. The path of its binary is the caller's argument.

#![expect(
    clippy::disallowed_methods,
    reason = "it waits in real time, bounded, and clears the environment of what it starts"
)]

pub mod api;
pub mod certificates;
pub mod etag;
pub mod http;
pub mod issuer;
pub mod metrics;
pub mod proxy;
pub mod redis;
pub mod server;

use std::time::{Duration, Instant};

/// The bound of every wait. It ends a hang and decides no outcome: far longer than anything takes here,
/// on a loaded machine too, and shorter than the deadlines of the server that no test sets.
pub const PATIENCE: Duration = Duration::from_secs(25);

/// Asks again and again until there is an answer; the test fails when none comes within [`PATIENCE`].
#[track_caller]
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
