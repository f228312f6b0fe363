//! The certificate of `http.listen`: `config check` rejects what cannot be used.

use super::{Run, check, file};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use testkit::certificates::Certificates;
use testkit::server::variable;

const CERT: &str = "http.tls_cert_file";
const KEY: &str = "http.tls_key_file";

/// Checks a configuration with these two files. `None` leaves the key out.
fn check_files(cert: Option<&str>, key: Option<&str>) -> Run {
    let (cert_name, key_name) = (variable(CERT), variable(KEY));
    let cert = cert.map(|path| (&*cert_name, path));
    let key = key.map(|path| (&*key_name, path));
    check(&cert.into_iter().chain(key).collect::<Vec<_>>())
}

/// The files of a pair, as paths.
fn paths(certificates: &Certificates) -> [String; 2] {
    let text = |path: std::path::PathBuf| path.to_str().expect("UTF-8").to_owned();
    [certificates.cert_file(), certificates.key_file()].map(text)
}

#[test]
fn pair_is_accepted_and_empty_names_mean_plain_text() {
    let [cert, key] = paths(&Certificates::make());
    check_files(None, None).expect(0);
    check_files(Some(""), Some("")).expect(0);
    let certificates = Certificates::make();
    let [own_cert, own_key] = paths(&certificates);
    check_files(Some(&own_cert), Some(&own_key)).expect(0);
    // Both are gone: their directory was deleted.
    check_files(Some(&cert), Some(&key)).expect_refused(&[CERT, &cert]);
}

#[test]
fn file_without_the_other_is_rejected_with_an_example() {
    let certificates = Certificates::make();
    let [cert, key] = paths(&certificates);
    let example = "/etc/matrix-rendezvous/tls.crt";
    check_files(Some(&cert), None).expect_refused(&[&format!("{KEY}: is required"), example]);
    check_files(None, Some(&key)).expect_refused(&[&format!("{CERT}: is required"), example]);
}

#[test]
fn key_of_another_certificate_is_rejected() {
    let (one, other) = (Certificates::make(), Certificates::make());
    let ([cert, _], [_, key]) = (paths(&one), paths(&other));
    let reason = format!("{KEY}: {key} is not the key of the first certificate in {cert}");
    check_files(Some(&cert), Some(&key)).expect_refused(&[&reason]);
}

#[test]
fn file_with_the_wrong_content_is_rejected() {
    let certificates = Certificates::make();
    let [cert, key] = paths(&certificates);
    let malformed = file("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let encrypted =
        file("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    let broken = file("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    let [malformed, encrypted, broken] =
        [&malformed, &encrypted, &broken].map(|file| file.path().to_str().expect("UTF-8"));
    // The two files are swapped.
    check_files(Some(&key), Some(&cert)).expect_refused(&[CERT, "contains no certificate"]);
    check_files(Some(&cert), Some(&cert)).expect_refused(&[KEY, "contains no usable private key"]);
    let refused = check_files(Some(malformed), Some(&key));
    refused.expect_refused(&[CERT, "certificate 1 of the chain is malformed"]);
    for key in [encrypted, broken] {
        check_files(Some(&cert), Some(key)).expect_refused(&[KEY, "unencrypted"]);
    }
}

/// OpenSSL writes keys of elliptic curves in the form SEC1, which PKCS#8 contains.
#[test]
fn sec1_key_is_accepted() {
    let certificates = Certificates::make();
    let [cert, key] = paths(&certificates);
    let pkcs8 = PrivatePkcs8KeyDer::from_pem_file(&key).expect("a key");
    let pkcs8 = pkcs8.secret_pkcs8_der();
    // ECPrivateKey of RFC 5915: a SEQUENCE with the version 1 and the 32 bytes of a P-256 key.
    let begins_sec1 = |window: &[u8]| window[0] == 0x30 && window[2..] == [2, 1, 1, 4, 32];
    let start = pkcs8.windows(7).position(begins_sec1);
    let sec1 = STANDARD.encode(&pkcs8[start.expect("a P-256 key")..]);
    let sec1 = format!("-----BEGIN EC PRIVATE KEY-----\n{sec1}\n-----END EC PRIVATE KEY-----\n");
    let sec1 = file(&sec1);
    let sec1 = sec1.path().to_str().expect("UTF-8");
    check_files(Some(&cert), Some(sec1)).expect(0);
}
