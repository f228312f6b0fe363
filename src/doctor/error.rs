//! Why the doctor has no report.

use crate::config::{ConfigError, ConfigProblem};
use crate::net::bind::error::BindError;
use crate::tls::CaBundleError;
use std::io;
use std::path::PathBuf;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// SERVER is neither a server name nor a base URL.
    #[error("{0}")]
    Target(String),
    /// The configuration is invalid.
    #[error("the configuration cannot be used:\n{0}")]
    Config(#[from] ConfigError),
    /// There is neither SERVER nor a configuration.
    #[error(
        "no SERVER was given, and no configuration: expected matrix-rendezvous doctor example.org, or \
         --config FILE"
    )]
    NoTarget,
    /// `--conformance` needs the homeserver's base URL.
    #[error("the base URL is not found: {0}")]
    NoBase(String),
    /// The file of `--ca-file` cannot be used.
    #[error("--ca-file {path}: {error}", path = path.display())]
    CaFile {
        /// The path of the file.
        path: PathBuf,
        /// The reason.
        error: CaBundleError,
    },
    /// The file of `--token-file` cannot be used.
    #[error("{0}")]
    TokenFile(ConfigProblem),
    /// A token is that of a user of one homeserver: no other one may see it.
    #[error("--token-file: give SERVER, since the configuration has several homeservers")]
    TokenOfOne,
    /// `--via` replaces the host of a base URL, and SERVER is a server name.
    #[error(
        "--via {via}: {server} is a server name; give the base URL of the homeserver as SERVER, as {well_known} \
         names it, for example: matrix-rendezvous doctor --via {via} https://matrix.example.org"
    )]
    ViaWithServerName {
        /// The URL of `--via`, as it is written.
        via: String,
        /// SERVER.
        server: String,
        /// The file that names the base URL.
        well_known: String,
    },
    /// `--via` replaces the host of a base URL, and the configuration has none, or several homeservers.
    #[error(
        "--via {via}: give the base URL of the homeserver as SERVER, since the configuration has none or several, \
         for example: matrix-rendezvous doctor --via {via} https://matrix.example.org"
    )]
    ViaWithoutBase {
        /// The URL of `--via`, as it is written.
        via: String,
    },
    /// rustls rejected the TLS settings.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The address of the metrics of `--watch` cannot be used.
    #[error("--metrics-listen {0}")]
    Listen(#[source] BindError),
    /// The operating system rejects a signal handler.
    #[error("a signal handler cannot be installed: {0}")]
    Signals(#[source] io::Error),
    /// The report cannot be written.
    #[error("the report cannot be written: {0}")]
    Output(#[from] io::Error),
}

impl DoctorError {
    /// Whether the user has to change the arguments or the configuration.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Target(_)
            | Self::Config(_)
            | Self::NoTarget
            | Self::TokenOfOne
            | Self::ViaWithServerName { .. }
            | Self::ViaWithoutBase { .. } => true,
            Self::NoBase(_)
            | Self::CaFile { .. }
            | Self::TokenFile(_)
            | Self::Tls(_)
            | Self::Listen(_)
            | Self::Signals(_)
            | Self::Output(_) => false,
        }
    }
}
