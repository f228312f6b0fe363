//! `http.tls_cert_file` and `http.tls_key_file`: the certificate of the client listener.

use crate::config::ConfigProblem;
use crate::config::de::Scalar;
use crate::tls::server::{CertificateFiles, ServerCertificateError};
use std::path::PathBuf;

const TLS_CERT_FILE: &str = "http.tls_cert_file";
const TLS_KEY_FILE: &str = "http.tls_key_file";

/// Returns the key that names the file that an error is about.
#[must_use]
pub fn key_of(error: &ServerCertificateError) -> &'static str {
    if error.is_about_key_file() {
        TLS_KEY_FILE
    } else {
        TLS_CERT_FILE
    }
}

/// Returns the files, or `None` without TLS. Reports a file without the other one.
pub(super) fn validate(
    cert_file: Option<&Scalar<PathBuf>>,
    key_file: Option<&Scalar<PathBuf>>,
    problems: &mut Vec<ConfigProblem>,
) -> Option<CertificateFiles> {
    let missing = match (cert_file, key_file) {
        (Some(Scalar(cert_file)), Some(Scalar(key_file))) => {
            return Some(CertificateFiles {
                cert_file: cert_file.clone(),
                key_file: key_file.clone(),
            });
        }
        (Some(_), None) => TLS_KEY_FILE,
        (None, Some(_)) => TLS_CERT_FILE,
        (None, None) => return None,
    };
    let reason = "is required: TLS needs a certificate and its key, such as \
                  http.tls_cert_file = \"/etc/matrix-rendezvous/tls.crt\" and \
                  http.tls_key_file = \"/etc/matrix-rendezvous/tls.key\"";
    problems.push(ConfigProblem::new(missing, reason));
    None
}
