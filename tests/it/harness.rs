//! The test kit, with the binary of this package as the server that it starts.

use std::ops::Deref;

use testkit::server::ServerBinary;
pub use testkit::{PATIENCE, api, certificates, etag, eventually, http, metrics, proxy};

pub mod issuer {
    pub use testkit::homeserver::{HomeserverStub as Issuer, TokenReply as Answer};
}

const BINARY: ServerBinary = ServerBinary(env!("CARGO_BIN_EXE_matrix-rendezvous"));

pub mod server {
    use super::{BINARY, Deref};
    use std::process::Command;
    pub use testkit::server::{Store, shared_redis, variable};

    /// A running server of this package.
    #[derive(Debug)]
    pub struct Server(pub testkit::server::Server);

    impl Server {
        /// Starts a server that is ready: [`testkit::server::ServerBinary::start`].
        #[track_caller]
        pub fn start(store: Store, settings: &[(&str, &str)]) -> Self {
            Self(BINARY.start(store, settings))
        }

        /// Starts a server, ready or not: [`testkit::server::ServerBinary::launch`].
        #[track_caller]
        pub fn launch(settings: &[(&str, &str)]) -> Self {
            Self(BINARY.launch(settings))
        }

        /// Starts a server with these arguments, ready or not:
        /// [`testkit::server::ServerBinary::launch_with_arguments`].
        #[track_caller]
        pub fn launch_with_arguments(arguments: &[&str]) -> Self {
            Self(BINARY.launch_with_arguments(arguments, &[]))
        }
    }

    impl Deref for Server {
        type Target = testkit::server::Server;

        fn deref(&self) -> &Self::Target {
            &self.0
        }
    }

    /// The binary, with none of the caller's configuration and nothing on its input.
    pub fn command() -> Command {
        BINARY.command()
    }
}

pub mod redis {
    pub use testkit::{redis::*, until};

    pub mod worker {
        use crate::harness::{BINARY, server::Server};
        pub use testkit::redis::worker::{HANG, request};

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
