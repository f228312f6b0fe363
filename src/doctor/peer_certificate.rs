//! What a server showed of itself when a TLS connection was opened.

use rustls::ClientConnection;
use rustls::ProtocolVersion;
use std::time::{Duration, SystemTime};
use x509_parser::parse_x509_certificate;

/// A server's certificate and the protocol.
#[derive(Debug, Clone)]
pub(super) struct PeerCertificate {
    /// When the certificate ends. `None` if it cannot be parsed, although rustls accepted it.
    pub(super) not_after: Option<SystemTime>,
    /// The protocol, such as `TLS 1.3`.
    pub(super) protocol: &'static str,
}

impl PeerCertificate {
    /// Reads both from an open connection.
    pub(super) fn of(connection: &ClientConnection) -> Self {
        let chain = connection.peer_certificates().unwrap_or_default();
        let not_after = chain.first().and_then(|leaf| {
            let (_, certificate) = parse_x509_certificate(leaf).ok()?;
            let seconds = certificate.validity().not_after.timestamp();
            let seconds = u64::try_from(seconds).ok()?;
            SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
        });
        Self {
            not_after,
            protocol: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
                Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
                _ => "TLS",
            },
        }
    }
}
