//! Error texts of Redis 7.0, 7.2 and Valkey 9.1.

use super::{PHRASES, describe};
use fred::error::{Error, ErrorKind};
use std::io;

/// What an argument may hold: a session id, a payload, a pseudonym key, a key, a hash.
const ARGUMENTS: [&str; 5] = [
    "ssssssssssssssssssssss",
    "payload: unknown command 'FLUSHALL' @user_script:zz",
    "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk",
    "mrv:s:{ssssssssssssssssssssss}",
    "chhhhhhhhhhhhhhhh",
];

/// Errors of Redis 7.0, 7.2 and Valkey 9.1, and what the log has of them. `%` is an argument.
const REPLIES: &[(&str, &str)] = &[
    (
        "ERR unknown command 'EVALSHA', with args beginning with: '08be99' '1' '%' '7' '%' ",
        "ERR unknown command 'EVALSHA'",
    ),
    (
        "ERR unknown command `EVALSHA`, with args beginning with: `%`, ",
        "ERR unknown command 'EVALSHA'",
    ),
    // After a protocol error the first word may be a payload.
    (
        "ERR unknown command '%', with args beginning with: ",
        "ERR unknown command",
    ),
    (
        "ERR unknown subcommand 'setinfo'. Try CLIENT HELP.",
        "ERR unknown subcommand",
    ),
    (
        "ERR wrong number of arguments for 'evalsha' command",
        "ERR wrong number of arguments for 'EVALSHA'",
    ),
    (
        "NOPERM this user has no permissions to run the 'evalsha' command",
        "NOPERM has no permissions to run the 'EVALSHA'",
    ),
    (
        "NOPERM User % has no permissions to run the 'client|setinfo' command",
        "NOPERM has no permissions to run the 'CLIENT|SETINFO'",
    ),
    (
        "NOPERM this user has no permissions to access one of the keys used as arguments",
        "NOPERM has no permissions to access: one of the keys used as arguments",
    ),
    (
        "NOPERM No permissions to access a key",
        "NOPERM No permissions to access a key",
    ),
    (
        "NOPERM User u has no permissions to access the '%' key",
        "NOPERM has no permissions to access",
    ),
    (
        "ERR The user executing the script can't run this command or subcommand script: 1f8f4c, on \
         @user_script:14.",
        "ERR The user executing the script can't run this command or subcommand: in line 14 of the \
         script",
    ),
    (
        "ERR The user executing the script can't access at least one of the keys mentioned in the \
         command arguments script: 6b082536, on @user_script:3.",
        "ERR The user executing the script can't access at least one of the keys: in line 3 of the \
         script",
    ),
    (
        "ERR ACL failure in script: User % has no permissions to run the 'hset' command script: on \
         @user_script:1.",
        "ERR ACL failure in script: has no permissions to run the 'HSET': in line 1 of the script",
    ),
    (
        "ERR Unknown command called from script script: on @user_script:1.",
        "ERR Unknown command called from script: in line 1 of the script",
    ),
    (
        "WRONGTYPE Operation against a key holding the wrong kind of value script: 80d15f6, on \
         @user_script:9.",
        "WRONGTYPE Operation against a key holding the wrong kind of value: in line 9 of the script",
    ),
    (
        "ERR user_script:1: attempt to index local 'x' (a nil value) script: on @user_script:1.",
        "ERR attempt to index: in line 1 of the script",
    ),
    (
        "MISCONF Errors writing to the AOF file: No space left on device",
        "MISCONF Errors writing to the AOF file: No space left on device",
    ),
    (
        "OOM command not allowed when used memory > 'maxmemory'.",
        "OOM command not allowed when used memory > 'maxmemory'.",
    ),
    (
        "NOREPLICAS Not enough good replicas to write.",
        "NOREPLICAS Not enough good replicas to write",
    ),
    (
        "LOADING Valkey is loading the dataset in memory",
        "LOADING is loading the dataset in memory",
    ),
    ("MOVED 3999 127.0.0.1:6381", "MOVED 3999 127.0.0.1:6381"),
    ("ASK 3999 node-2.redis:6381", "ASK 3999 node-2.redis:6381"),
    (
        "MOVED 3999 %",
        "MOVED (the text may quote keys and is left out)",
    ),
    (
        "ERR no such key %",
        "ERR (the text may quote keys and is left out)",
    ),
    (
        "% is not allowed",
        "Unknown Error: (the text may quote keys and is left out)",
    ),
    ("BUSY", "BUSY"),
];

/// The error as fred makes it from a reply.
fn reply(text: &str) -> Error {
    Error::new(ErrorKind::Unknown, text.to_owned())
}

#[test]
fn reply_keeps_its_code_and_known_phrases() {
    for (text, expected) in REPLIES {
        let text = text.replace('%', ARGUMENTS[0]);
        assert_eq!(describe(&reply(&text)), *expected, "of {text:?}");
    }
}

#[test]
fn no_argument_is_repeated() {
    for (text, _) in REPLIES {
        for argument in ARGUMENTS {
            let described = describe(&reply(&text.replace('%', argument)));
            for word in argument
                .split([' ', '{', '}', '\''])
                .filter(|word| word.len() > 9)
            {
                assert!(!described.contains(word), "{described:?} repeats {word:?}");
            }
            assert!(!described.contains("FLUSHALL"), "{described:?}");
        }
    }
}

#[test]
fn errors_of_the_system_stay_whole() {
    let text = "Os { code: 111, kind: ConnectionRefused, message: \"Connection refused\" }";
    let refused = Error::new(ErrorKind::IO, text);
    assert_eq!(describe(&refused), "Connection refused");
}

#[test]
fn client_errors_keep_their_kind() {
    let timeout = Error::new(ErrorKind::Timeout, "Request timed out.");
    assert_eq!(describe(&timeout), "Timeout Error: Request timed out");
    let other = Error::new(ErrorKind::Protocol, "mrv:s:{ssss}");
    assert!(describe(&other).starts_with("Protocol Error: (the text"));
}

/// Otherwise a text would be described twice.
#[test]
fn no_phrase_contains_another() {
    for phrase in PHRASES {
        let contained = PHRASES.iter().filter(|other| other.contains(phrase));
        assert_eq!(contained.count(), 1, "{phrase:?}");
    }
}

/// fred prints an error of the operating system or of rustls in the form of a Rust value.
#[test]
fn errors_of_system_and_tls_are_no_rust_values() {
    let custom = |text: &str| io::Error::other(text.to_owned());
    for (error, expected) in [
        (io::Error::from_raw_os_error(111), "Connection refused"),
        (io::ErrorKind::TimedOut.into(), "timed out"),
        (custom("tls handshake eof"), "tls handshake eof"),
        (
            custom("peer closed: https://docs.rs/rustls/latest/#eof"),
            "peer closed",
        ),
        (
            io::Error::other(rustls::Error::InvalidCertificate(
                rustls::CertificateError::NotValidForName,
            )),
            "invalid certificate: not valid for name",
        ),
        (
            io::Error::other(rustls::Error::InvalidCertificate(
                rustls::CertificateError::UnknownIssuer,
            )),
            "invalid certificate: not signed by a trusted certificate authority (set ca_file to trust \
             another one)",
        ),
        (
            io::Error::other(rustls::Error::AlertReceived(
                rustls::AlertDescription::CertificateRequired,
            )),
            "alert received: certificate required",
        ),
    ] {
        assert_eq!(describe(&Error::from(error)), expected);
    }
}
