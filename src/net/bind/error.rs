//! Why an address cannot be listened on, and what the operator can do.

use crate::config::listen::ListenAddress;
use crate::net::socket_file::SocketFileError;
use std::fmt;
use std::io::{self, ErrorKind};

/// An address that cannot be listened on: address, reason, advice.
#[derive(Debug, thiserror::Error)]
#[error("{address}: {failure}{}", advice(.failure))]
pub struct BindError {
    /// The address as it is written in the configuration.
    address: Box<ListenAddress>,
    #[source]
    failure: BindFailure,
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindFailure {
    /// The operating system rejects the address.
    #[error(transparent)]
    Address(#[from] io::Error),
    /// The host name has no address.
    #[error("the name cannot be resolved: {0}")]
    Resolve(#[source] io::Error),
    /// The resolver returned nothing in time.
    #[error("the name was not resolved within 10 s")]
    ResolveTimeout,
    /// The file of a Unix socket cannot be created.
    #[error(transparent)]
    SocketFile(#[from] SocketFileError),
}

impl BindError {
    pub(super) fn new(address: &ListenAddress, failure: BindFailure) -> Self {
        let address = Box::new(address.clone());
        Self { address, failure }
    }
}

/// The advice for an operator, after a colon. Empty if there is none.
struct Advice(&'static str);

impl fmt::Display for Advice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(out, "; {}", self.0)
    }
}

fn advice(failure: &BindFailure) -> Advice {
    Advice(match failure {
        BindFailure::Address(error) => match error.kind() {
            ErrorKind::AddrInUse => "stop the process that listens there, or set another port",
            ErrorKind::AddrNotAvailable => {
                "set an address of this host (ip address), or :PORT for all of them"
            }
            ErrorKind::PermissionDenied => "set a port from 1024 on, or grant CAP_NET_BIND_SERVICE",
            _ => "",
        },
        BindFailure::Resolve(_) | BindFailure::ResolveTimeout => {
            "correct the name, or set an IP address"
        }
        BindFailure::SocketFile(SocketFileError::Io(_)) => {
            "create the directory, and let the user of this process write to it"
        }
        BindFailure::SocketFile(SocketFileError::InUse) => "stop that process, or set another path",
        BindFailure::SocketFile(SocketFileError::NotASocket) => {
            "remove the file, or set another path"
        }
    })
}
