//! Paths (R0.7, R0.8, R0.11, R0.12, R0.20). The input is a path.

use matrix_rendezvous::http::route::{
    CORS_METHODS, MSC4108_PREFIX, MSC4388_STABLE_PREFIX, MSC4388_UNSTABLE_PREFIX, Route, Target,
};
use matrix_rendezvous::model::{Api, SessionId, TxnKey};
use std::fmt::Write as _;

const PREFIXES: [(Api, &str); 3] = [
    (Api::Msc4388, MSC4388_UNSTABLE_PREFIX),
    (Api::V1, MSC4388_STABLE_PREFIX),
    (Api::Msc4108, MSC4108_PREFIX),
];

/// Compares the parser with a plain one, and the path with its fully encoded form.
///
/// # Panics
/// If they differ.
pub fn check(data: &[u8]) {
    let Ok(path) = std::str::from_utf8(data) else {
        return;
    };
    let route = Route::parse(path);
    assert_eq!(route, plain_route(path), "{path:?}");
    assert_eq!(Route::parse(&encoded(path)), route, "{path:?} encoded");
    if let Some(id) = route.target.session() {
        // An id has one spelling, so the segment is this text.
        let text = id.to_string();
        let mut segments = path.split('/').map(decoded);
        assert!(segments.any(|segment| segment == text.as_bytes()));
    }
    let methods: Vec<_> = route.allow().split(", ").collect();
    assert!(methods.contains(&"OPTIONS"), "a preflight is answered");
    let cors: Vec<_> = CORS_METHODS.split(", ").collect();
    assert!(methods.iter().all(|method| cors.contains(method)));
}

/// Parses a path without shortcuts: splits, decodes, and compares segment by segment.
fn plain_route(path: &str) -> Route {
    let path = path.trim_start_matches('/');
    let segments: Vec<_> = path.split('/').map(decoded).collect();
    for (api, prefix) in PREFIXES {
        let prefix: Vec<_> = prefix[1..].split('/').map(str::as_bytes).collect();
        if segments.len() < prefix.len() || segments[..prefix.len()] != prefix {
            continue;
        }
        let target = match &segments[prefix.len()..] {
            [] => Target::Rendezvous,
            [empty] if empty.is_empty() => Target::Rendezvous,
            [id] => Target::Session(plain_id(id)),
            [id, txn] if api != Api::Msc4108 => {
                let key = TxnKey::parse(txn);
                assert_eq!(key.is_ok(), is_opaque_identifier(txn), "{txn:?}");
                Target::Txn(plain_id(id), key)
            }
            _ => Target::Other,
        };
        return Route { api, target };
    }
    Route {
        api: Api::None,
        target: Target::Other,
    }
}

/// R0.20 and R0.21: an id is an opaque identifier, and this server generates only 32 lowercase
/// hexadecimal digits.
fn plain_id(segment: &[u8]) -> Option<SessionId> {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_id = segment.len() == SessionId::LEN && segment.iter().all(is_digit);
    let id = SessionId::parse(segment);
    assert_eq!(id.is_some(), is_id, "{segment:?}");
    assert!(!is_id || is_opaque_identifier(segment));
    id
}

fn is_opaque_identifier(segment: &[u8]) -> bool {
    let is_valid = |byte: &u8| byte.is_ascii_alphanumeric() || b"._~-".contains(byte);
    (1..=255).contains(&segment.len()) && segment.iter().all(is_valid)
}

/// Decodes every `%` with two hexadecimal digits (RFC 3986 §2.1).
fn decoded(segment: &str) -> Vec<u8> {
    let mut rest = segment.as_bytes();
    let mut bytes = Vec::new();
    while let [first, after @ ..] = rest {
        let digit = |at: usize| char::from(*after.get(at)?).to_digit(16);
        if *first == b'%'
            && let (Some(high), Some(low)) = (digit(0), digit(1))
        {
            bytes.push(u8::try_from(16 * high + low).expect("two digits"));
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    bytes
}

/// Encodes every byte of every segment.
fn encoded(path: &str) -> String {
    let mut text = String::new();
    for (index, segment) in path.split('/').enumerate() {
        if index > 0 {
            text.push('/');
        }
        for byte in decoded(segment) {
            write!(text, "%{byte:02X}").expect("a string accepts every text");
        }
    }
    text
}
