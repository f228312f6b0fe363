//! The server of this package under test: the kit's starter, with the binary that Cargo has built.

use std::ops::Deref;
use std::process::Command;

use testkit::server::{OpenFiles, ServerBinary, Store};

/// The binary that Cargo has built.
pub const BINARY: ServerBinary = ServerBinary(env!("CARGO_BIN_EXE_matrix-rendezvous"));

/// Reads and writes do not wait for Redis (R0.3): for tests of what a single call does, and of the
/// responses while Redis is down. `store_wait` tests the wait.
pub const NO_WAIT: (&str, &str) = ("store.redis.retry_timeout", "0s");

/// A running server of this package.
#[derive(Debug)]
pub struct Server(testkit::server::Server);

impl Server {
    /// Starts a server and waits until it is ready: [`ServerBinary::start`].
    #[track_caller]
    pub fn start(store: Store, settings: &[(&str, &str)]) -> Self {
        Self(BINARY.start(store, settings))
    }

    /// Starts a server, ready or not: [`ServerBinary::launch`].
    #[track_caller]
    pub fn launch(settings: &[(&str, &str)]) -> Self {
        Self(BINARY.launch(settings))
    }

    /// Starts a server with these arguments, ready or not: [`ServerBinary::launch_with_arguments`].
    #[track_caller]
    pub fn launch_with_arguments(arguments: &[&str]) -> Self {
        Self(BINARY.launch_with_arguments(arguments, &[]))
    }

    /// Starts this command of a server, ready or not: [`ServerBinary::launch_command`].
    #[track_caller]
    pub fn launch_command(command: &mut Command, settings: &[(&str, &str)]) -> Self {
        Self(ServerBinary::launch_command(command, settings))
    }

    /// Starts a server whose file has `http.listen`, ready or not:
    /// [`ServerBinary::launch_listening_by_file`].
    #[track_caller]
    pub fn launch_listening_by_file(settings: &[(&str, &str)]) -> Self {
        Self(BINARY.launch_listening_by_file(settings))
    }

    /// Starts a server with these limits of open files, ready or not.
    #[track_caller]
    pub fn launch_with_open_files(limits: OpenFiles, settings: &[(&str, &str)]) -> Self {
        Self(BINARY.launch_with_open_files(limits, settings))
    }
}

impl Deref for Server {
    type Target = testkit::server::Server;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// Settings of a worker under load: its access log would hide the other lines.
pub const NO_ACCESS_LOG: &[(&str, &str)] = &[("telemetry.log_level", "info,access=warn")];

/// The command of the binary, without the caller's configuration and without input.
pub fn command() -> Command {
    BINARY.command()
}

/// Starts a server on this Redis, and waits until it is ready.
#[track_caller]
pub fn ready_on(url: &str, settings: &[(&str, &str)]) -> Server {
    Server(BINARY.ready_on(url, settings))
}

/// Starts a server on this Redis, ready or not.
#[track_caller]
pub fn launch_on(url: &str, settings: &[(&str, &str)]) -> Server {
    Server(BINARY.launch_on(url, settings))
}

/// Creates two tests of each named function `fn(&Server)`: one with the memory store, one with
/// Redis. Configuration settings come first, if there are any.
macro_rules! on_both_stores {
    ($($name:ident),+ $(,)?) => {
        $crate::server::on_both_stores! { with []; $($name),+ }
    };
    (with $settings:tt; $($name:ident),+ $(,)?) => {
        $($crate::server::on_both_stores! { @one $settings $name })+
    };
    (@one [$($key:literal = $value:literal),* $(,)?] $name:ident) => {
        mod $name {
            use $crate::server::Server;
            use testkit::server::Store;

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
