//! Why a connection could not be opened.

use crate::doctor::address_family::AddressFamily;
use crate::doctor::tls_failure::TlsFailure;
use std::io;
use std::net::SocketAddr;

/// Why a connection could not be opened. The text names the host or the address that was tried.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProbeConnectError {
    #[error("the name {host} cannot be resolved: {error}")]
    Resolve { host: String, error: io::Error },
    #[error("the name {host} has no {family} address")]
    NoAddress { host: String, family: AddressFamily },
    #[error("no connection to {address} ({host}): {error}")]
    Tcp {
        host: String,
        address: SocketAddr,
        error: io::Error,
    },
    #[error("no TLS connection to {address} ({host}): {failure}")]
    Tls {
        host: String,
        address: SocketAddr,
        failure: TlsFailure,
    },
}

impl ProbeConnectError {
    /// The host that was to be reached.
    pub(super) fn host(&self) -> &str {
        match self {
            Self::Resolve { host, .. }
            | Self::NoAddress { host, .. }
            | Self::Tcp { host, .. }
            | Self::Tls { host, .. } => host,
        }
    }

    /// Whether this machine has no way to such an address: often it has no IPv6.
    pub(super) fn is_unroutable(&self) -> bool {
        use io::ErrorKind::{AddrNotAvailable, NetworkUnreachable};
        match self {
            Self::Tcp { error, .. } => {
                [AddrNotAvailable, NetworkUnreachable].contains(&error.kind())
            }
            Self::Resolve { .. } | Self::NoAddress { .. } | Self::Tls { .. } => false,
        }
    }
}
