//! Why the sockets of a service manager cannot be used, and what the operator can do.

use std::io;

/// What to write into the unit of a socket, for each listener.
const NAME_ADVICE: &str = "write FileDescriptorName=http (clients) or FileDescriptorName=admin (operators) into the \
                           section [Socket] of its unit";

/// Why the sockets that were passed to this process cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PassedSocketError {
    /// The number of sockets is no number, or too high.
    #[error(
        "LISTEN_FDS: expected a number, and at most 16 sockets for each listener; remove a ListenStream= from a socket unit"
    )]
    Count,
    /// The sockets have no names, or not one each.
    #[error(
        "LISTEN_FDNAMES: expected one name for each socket, {count} in all, separated by colons; {NAME_ADVICE}"
    )]
    Names {
        /// The number of sockets.
        count: usize,
    },
    /// A socket cannot be used.
    #[error("the socket {name:?} of the service manager cannot be used: {failure}")]
    Socket {
        /// Its name, `FileDescriptorName=`.
        name: String,
        /// The reason, and what to do.
        #[source]
        failure: PassedSocketFailure,
    },
}

impl PassedSocketError {
    /// Creates the error of the socket with this name.
    #[must_use]
    pub fn new(name: &str, failure: PassedSocketFailure) -> Self {
        let name = name.to_owned();
        Self::Socket { name, failure }
    }
}

/// Why one socket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PassedSocketFailure {
    /// No listener has this name. The name of a socket without `FileDescriptorName=` is that of its unit.
    #[error("no listener has this name; {NAME_ADVICE}, and do not set Accept=yes")]
    UnknownName,
    /// It is neither a TCP nor a Unix stream socket.
    #[error(
        "it is not a TCP or Unix stream socket; write ListenStream=127.0.0.1:8082 or \
         ListenStream=/run/matrix-rendezvous.sock into the section [Socket] of its unit"
    )]
    Kind,
    /// It accepts no connections.
    #[error(
        "it does not listen; write ListenStream= and Accept=no into the section [Socket] of its unit"
    )]
    NotListening,
    /// A Unix socket without a file, which any process of this host may connect to.
    #[error(
        "a Unix socket without a file has no permissions, so any process could connect; write an absolute path \
         such as ListenStream=/run/matrix-rendezvous.sock into the section [Socket] of its unit"
    )]
    NoPath,
    /// Every connection to it would be refused: no peer may send the PROXY header.
    #[error(
        "http.proxy_protocol requires http.trusted_proxies for a TCP socket, or any peer could spoof its address"
    )]
    UntrustedPeers,
    /// The operating system rejects it.
    #[error(transparent)]
    Io(#[from] io::Error),
}
