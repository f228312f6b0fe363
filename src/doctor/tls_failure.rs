//! What is wrong with a TLS connection, in words: the texts of rustls have names of its Rust types.

use httpdate::fmt_http_date;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error};
use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

/// Upper bound of the names of a certificate that are printed.
const MAX_NAMES: usize = 5;

const UNTRUSTED: &str = "let the proxy send the certificate with every intermediate one (the full chain), \
                         because apps fetch none; if a private authority signed it, --ca-file trusts \
                         that one";
const EXPIRED: &str = "renew the certificate, and let the proxy load the new one";
const NOT_YET_VALID: &str =
    "set the clock of this machine, or install a certificate that is valid now";
const OTHER_NAME: &str = "install a certificate for this name, or correct the name";
const INVALID: &str = "install a valid certificate for this name";
const NO_HANDSHAKE: &str = "look at the log of the proxy: often it has no certificate for this name, or no TLS \
                            version of 1.2 or 1.3";
const NO_TLS: &str = "let the proxy speak TLS 1.2 or 1.3 and HTTP/1.1 at this port";

/// Why a TLS connection could not be opened, and what to do about it.
#[derive(Debug)]
pub(super) struct TlsFailure {
    text: String,
    action: &'static str,
}

impl TlsFailure {
    /// Describes the error of a handshake.
    pub(super) fn new(error: &io::Error) -> Self {
        let inner = error.get_ref();
        match inner.and_then(|error| error.downcast_ref::<Error>()) {
            Some(Error::InvalidCertificate(error)) => of_certificate(error),
            Some(error @ Error::AlertReceived(AlertDescription::UnrecognisedName)) => {
                failure(handshake_text(error), OTHER_NAME)
            }
            Some(error @ Error::AlertReceived(_)) => failure(handshake_text(error), NO_HANDSHAKE),
            Some(error) => failure(handshake_text(error), NO_TLS),
            None if error.kind() == io::ErrorKind::UnexpectedEof => failure(
                "the server closed the connection during the TLS handshake",
                NO_HANDSHAKE,
            ),
            None => failure(error.to_string(), NO_TLS),
        }
    }

    /// What the operator should do.
    pub(super) fn action(&self) -> &'static str {
        self.action
    }
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

fn failure(text: impl Into<String>, action: &'static str) -> TlsFailure {
    let text = text.into();
    TlsFailure { text, action }
}

fn of_certificate(error: &CertificateError) -> TlsFailure {
    match error {
        // An authority with the name of a known one, and another key, makes a bad signature.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            let text = "the certificate is not signed by an authority that this machine trusts";
            failure(text, UNTRUSTED)
        }
        CertificateError::Expired => failure("the certificate has expired", EXPIRED),
        CertificateError::ExpiredContext { not_after, .. } => {
            let text = format!("the certificate expired on {}", date(*not_after));
            failure(text, EXPIRED)
        }
        CertificateError::NotValidYet => failure("the certificate is not valid yet", NOT_YET_VALID),
        CertificateError::NotValidYetContext { not_before, .. } => {
            let text = format!("the certificate is not valid before {}", date(*not_before));
            failure(text, NOT_YET_VALID)
        }
        CertificateError::NotValidForName => {
            failure("the certificate is for another name", OTHER_NAME)
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            failure(names_text(presented), OTHER_NAME)
        }
        CertificateError::Other(error) => invalid(&error.to_string()),
        error => invalid(&format!("{error:?}")),
    }
}

/// Returns the failure of an error that has only the name of a Rust type.
fn invalid(name: &str) -> TlsFailure {
    // A certificate of `openssl req -x509` without further options.
    if name == "CaUsedAsEndEntity" {
        let text = "the certificate is that of an authority, often a self-signed one, and not that of a \
                    server";
        return failure(text, INVALID);
    }
    let text = format!("the certificate is invalid: {}", words(name));
    failure(text, INVALID)
}

fn handshake_text(error: &Error) -> String {
    match error {
        Error::InvalidMessage(_) => "the port does not speak TLS".to_owned(),
        Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            "the server has no certificate for this name".to_owned()
        }
        Error::AlertReceived(AlertDescription::ProtocolVersion) | Error::PeerIncompatible(_) => {
            "the server and clients have no TLS version or cipher in common".to_owned()
        }
        Error::AlertReceived(alert) => {
            let number = u8::from(*alert);
            format!("the server rejects the handshake (TLS alert {number})")
        }
        Error::PeerMisbehaved(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. } => {
            "the server violates the TLS protocol".to_owned()
        }
        error => error.to_string(),
    }
}

/// Returns which names the certificate has. `presented` is a list such as `DnsName("example.org")`.
fn names_text(presented: &[String]) -> String {
    if presented.is_empty() {
        return "the certificate has no subjectAltName, so it is for no name".to_owned();
    }
    let names = presented.iter().map(|name| {
        let name = name.split_once('(').map_or(name.as_str(), |(_, rest)| rest);
        name.trim_end_matches(')').trim_matches('"')
    });
    let names: Vec<_> = names.take(MAX_NAMES).collect();
    let more = presented.len().saturating_sub(MAX_NAMES);
    let more = match more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "the certificate is for another name: {}{more}",
        names.join(", ")
    )
}

fn date(time: UnixTime) -> String {
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(time.as_secs()));
    time.map_or_else(String::new, fmt_http_date)
}

/// Returns the words of the name of a type, without its fields: `BadEncoding` is `bad encoding`.
fn words(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars().take_while(char::is_ascii_alphanumeric) {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::TlsFailure;
    use rustls::pki_types::{ServerName, UnixTime};
    use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, OtherError};
    use std::io;
    use std::sync::Arc;
    use std::time::Duration;

    fn failure(error: Error) -> TlsFailure {
        TlsFailure::new(&io::Error::new(io::ErrorKind::InvalidData, error))
    }

    fn time(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    fn for_names(presented: &[&str]) -> CertificateError {
        CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("matrix.example.org").expect("a name"),
            presented: presented.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    #[test]
    fn certificate_error_is_described_in_words() {
        let (day, later) = (time(1_700_000_000), time(1_800_000_000));
        let self_signed = OtherError(Arc::new(io::Error::other("CaUsedAsEndEntity")));
        for (error, text) in [
            (
                CertificateError::UnknownIssuer,
                "is not signed by an authority",
            ),
            (
                CertificateError::BadSignature,
                "is not signed by an authority",
            ),
            (CertificateError::Expired, "has expired"),
            (
                CertificateError::ExpiredContext {
                    time: later,
                    not_after: day,
                },
                "expired on Tue, 14 Nov 2023 22:13:20 GMT",
            ),
            (
                CertificateError::NotValidYetContext {
                    time: day,
                    not_before: later,
                },
                "is not valid before Fri, 15 Jan 2027 08:00:00 GMT",
            ),
            (
                for_names(&["DnsName(\"a.example\")", "IpAddress(192.0.2.7)"]),
                "is for another name: a.example, 192.0.2.7",
            ),
            (for_names(&[]), "has no subjectAltName"),
            (
                for_names(&["DnsName(\"*.example\")"; 7]),
                "*.example, *.example and 2 more",
            ),
            (CertificateError::BadEncoding, "is invalid: bad encoding"),
            (
                CertificateError::Other(self_signed),
                "is that of an authority",
            ),
        ] {
            let described = failure(Error::InvalidCertificate(error)).to_string();
            assert!(described.contains(text), "{described}");
            assert!(!described.contains(['{', '(', '"']), "{described}");
        }
    }

    #[test]
    fn handshake_error_is_described_in_words() {
        for (error, text) in [
            (
                Error::InvalidMessage(InvalidMessage::InvalidContentType),
                "the port does not speak TLS",
            ),
            (
                Error::AlertReceived(AlertDescription::UnrecognisedName),
                "the server has no certificate for this name",
            ),
            (
                Error::AlertReceived(AlertDescription::HandshakeFailure),
                "the server rejects the handshake (TLS alert 40)",
            ),
        ] {
            assert_eq!(failure(error).to_string(), text);
        }
        let closed = io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof");
        let text = TlsFailure::new(&closed).to_string();
        assert_eq!(
            text,
            "the server closed the connection during the TLS handshake"
        );
    }
}
