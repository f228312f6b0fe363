//! Entity tags of `If-Match` and `If-None-Match` (R2.9, R2.21, R2.22). The input is 24 bytes that
//! select a token, and the lines of a header.

use crate::input::Input;
use hyper::HeaderMap;
use hyper::header::{HeaderValue, IF_MATCH};
use matrix_rendezvous::http::etag::{EtagList, format_etag};
use matrix_rendezvous::model::{SequenceToken, TOKEN_LEN};
use matrix_rendezvous::telemetry::labels::EtagForm;

const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The number of entries that are read from one header (R2.22).
const MAX_TAGS: usize = 8;

/// Checks what is found in any header, and that each form of a token is found.
///
/// # Panics
/// If a property is violated.
pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let token = input
        .bytes::<TOKEN_LEN>()
        .map(|byte| BASE64URL[usize::from(byte % 64)]);
    check_forms(SequenceToken::parse(&token).expect("24 characters of base64url"));
    check_header(input.0);
}

/// A token is found in every form that a proxy or a client gives it, and nothing else is.
fn check_forms(token: SequenceToken) {
    let text = token.as_str();
    let quoted = format!("\"{text}\"");
    assert_eq!(format_etag(token), quoted);
    for (header, mangled) in [
        (quoted.clone(), None),
        (format!(" {quoted}\t"), None),
        (text.to_owned(), Some(EtagForm::Unquoted)),
        (format!("W/{quoted}"), Some(EtagForm::Weak)),
        (format!("\"{text}-gzip\""), Some(EtagForm::Gzip)),
        (format!("{quoted}-gzip"), Some(EtagForm::Gzip)),
        (format!("\"{text}--gzip\""), Some(EtagForm::Gzip)),
        (format!("\"{text};gzip\""), Some(EtagForm::Gzip)),
        (format!("\"{text}-br\""), Some(EtagForm::Br)),
        (format!("W/\"{text}-zstd\""), Some(EtagForm::Zstd)),
        (format!("\"{text}-deflate\""), Some(EtagForm::Deflate)),
    ] {
        let found = parse(&[header.as_bytes()]).expect("a header");
        let expected = EtagList {
            has_wildcard: false,
            tokens: vec![token],
            mangled,
        };
        assert_eq!(found, expected, "{header}");
    }
}

fn check_header(lines: &[u8]) {
    let lines: Vec<_> = lines.split(|byte| *byte == b'\n').collect();
    let Some(found) = parse(&lines) else {
        return;
    };
    let entries = lines
        .iter()
        .flat_map(|line| line.split(|byte| *byte == b','));
    let entries: Vec<_> = entries.take(MAX_TAGS).collect();
    let is_wildcard = |entry: &&[u8]| entry.trim_ascii() == b"*";
    assert_eq!(found.has_wildcard, entries.iter().any(is_wildcard));
    assert!(found.tokens.len() <= entries.len());
    assert!(found.mangled.is_none() || !found.tokens.is_empty());
    for (index, token) in found.tokens.iter().enumerate() {
        assert!(
            !found.tokens[..index].contains(token),
            "a token is listed twice"
        );
        let has_token = |entry: &&[u8]| {
            entry
                .windows(TOKEN_LEN)
                .any(|text| text == token.as_bytes())
        };
        assert!(entries.iter().any(has_token), "a token that no entry has");
    }
}

/// Returns `None` if a line cannot be a header.
fn parse(lines: &[&[u8]]) -> Option<EtagList> {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(IF_MATCH, HeaderValue::from_bytes(line).ok()?);
    }
    EtagList::parse(&headers, &IF_MATCH)
}
