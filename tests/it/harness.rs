//! What the tests stand on: the server as a real process, a client of bytes, a real Redis, and patience.
//!
//! For every module of this binary. It knows the service only from outside: its command line, its
//! environment, its ports and what it prints.

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

/// Makes two tests of each named function `fn(&Server)`: one against a server on the embedded store, one
/// against a server on Redis. Settings of the configuration, if any, come first.
macro_rules! on_both_stores {
    ($($name:ident),+ $(,)?) => {
        $crate::harness::on_both_stores! { with []; $($name),+ }
    };
    (with $settings:tt; $($name:ident),+ $(,)?) => {
        $($crate::harness::on_both_stores! { @one $settings $name })+
    };
    (@one [$($key:literal = $value:literal),* $(,)?] $name:ident) => {
        mod $name {
            use $crate::harness::server::{Server, Store};

            const SETTINGS: &[(&str, &str)] = &[$(($key, $value)),*];

            #[test]
            fn memory() {
                super::$name(&Server::start(Store::Memory, SETTINGS));
            }

            #[test]
            fn redis() {
                super::$name(&Server::start(Store::Redis, SETTINGS));
            }
        }
    };
}
pub(crate) use on_both_stores;
