//! Starts the server, Redis and the server's neighbours as real processes, and speaks to them as
//! clients do.
//!
//! For tests, simulations and the benchmark. It knows the server only from outside: its command
//! line, its environment, its ports and what it prints. The path of its binary is the caller's
//! argument.

#![expect(
    clippy::disallowed_methods,
    reason = "it waits in real time, bounded, and clears the environment of what it starts"
)]

pub mod api;
pub mod background;
pub mod certificates;
pub mod counter;
pub mod device;
pub mod dialect;
pub mod etag;
pub mod haproxy;
pub mod history;
pub mod homeserver;
pub mod http;
pub mod http2;
pub mod keep_alive;
pub mod metrics;
pub mod outage;
pub mod process;
pub mod proxy;
pub mod random;
pub mod redis;
pub mod relay;
pub mod server;
pub mod sign_in;
pub mod silent;
pub mod verdict;

use std::time::{Duration, Instant};

/// Upper bound of every wait. It ends a hang and decides no result: it is far longer than any step
/// takes, on a loaded machine too, and shorter than the server's deadlines that no test sets.
pub const PATIENCE: Duration = Duration::from_secs(25);

/// Calls `attempt` until it returns a value. Panics after [`PATIENCE`].
#[track_caller]
pub fn eventually<T>(what: &str, attempt: impl FnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, attempt)
}

/// [`eventually`] with another bound, for what a real server may do late.
#[track_caller]
pub fn eventually_within<T>(
    patience: Duration,
    what: &str,
    mut attempt: impl FnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(Instant::now() < deadline, "not within {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until the condition holds. Panics after [`PATIENCE`].
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    eventually(what, || condition().then_some(()));
}
