//! Entity tags: how clients of the ETag dialect name a session's state (RFC 9110, 8.8.3 and 13.1).
//!
//! An entity tag is the sequence token in quotes. Compressing proxies change it on the way
//! (`W/"…"`, `"…-gzip"`), and some clients drop the quotes, which breaks sign-ins. So a received
//! tag is reduced to its token (R2.21).

use crate::model::{SequenceToken, TOKEN_LEN};
use crate::telemetry::labels::EtagForm;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

/// The number of entity tags that are read from one header. A client sends one; a proxy that joins
/// lists might send two.
const MAX_TAGS: usize = 8;

/// Suffixes that compressing proxies append to a tag: Apache's modules, and others that copied
/// them. (nginx makes the tag weak.)
const SUFFIXES: [(&str, EtagForm); 6] = [
    ("--gzip", EtagForm::Gzip),
    ("-gzip", EtagForm::Gzip),
    (";gzip", EtagForm::Gzip),
    ("-br", EtagForm::Br),
    ("-zstd", EtagForm::Zstd),
    ("-deflate", EtagForm::Deflate),
];

/// The entity tags of one `If-Match` or `If-None-Match`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EtagList {
    /// Whether the header contains `*`.
    pub has_wildcard: bool,
    /// The distinct tokens of the tags. A tag that cannot contain one of our tokens is left out,
    /// because it matches nothing.
    pub tokens: Vec<SequenceToken>,
    /// The change that was found on one of the tags, which was understood nevertheless.
    pub mangled: Option<EtagForm>,
}

impl EtagList {
    /// Parses a header. Returns `None` if the request does not have it.
    #[must_use]
    pub fn parse(headers: &HeaderMap, name: &HeaderName) -> Option<Self> {
        let mut lines = headers.get_all(name).iter().peekable();
        lines.peek()?;
        let mut tags = Self::default();
        let entries = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        for tag in entries.take(MAX_TAGS) {
            let tag = tag.trim_ascii();
            tags.has_wildcard |= tag == b"*";
            let Some((token, form)) = parse_tag(tag) else {
                continue;
            };
            tags.mangled = form.or(tags.mangled);
            if !tags.tokens.contains(&token) {
                tags.tokens.push(token);
            }
        }
        Some(tags)
    }
}

/// Returns the token of a tag, and the change that was found. All tokens have the same length, so
/// none is mistaken for a shorter one with a suffix.
fn parse_tag(tag: &[u8]) -> Option<(SequenceToken, Option<EtagForm>)> {
    let weak_inner = tag.strip_prefix(b"W/");
    let inner = unquote(weak_inner.unwrap_or(tag));
    if let Some(token) = SequenceToken::parse(inner) {
        let is_quoted = tag.ends_with(b"\"");
        let form = match (weak_inner, is_quoted) {
            (Some(_), _) => Some(EtagForm::Weak),
            (None, false) => Some(EtagForm::Unquoted),
            (None, true) => None,
        };
        return Some((token, form));
    }
    // Apache puts its suffix inside the quotes, others put it after them.
    SUFFIXES.into_iter().find_map(|(suffix, form)| {
        let inner = unquote(inner.strip_suffix(suffix.as_bytes())?);
        Some((SequenceToken::parse(inner)?, Some(form)))
    })
}

fn unquote(tag: &[u8]) -> &[u8] {
    let tag = tag.strip_prefix(b"\"").unwrap_or(tag);
    tag.strip_suffix(b"\"").unwrap_or(tag)
}

/// Formats a token as an entity tag.
///
/// # Panics
/// Never: a token is ASCII.
#[must_use]
pub fn format_etag(token: SequenceToken) -> HeaderValue {
    let mut quoted = Vec::with_capacity(TOKEN_LEN + 2);
    quoted.push(b'"');
    quoted.extend_from_slice(token.as_bytes());
    quoted.push(b'"');
    HeaderValue::try_from(quoted).expect("ASCII")
}

#[cfg(test)]
mod tests {
    use super::{EtagList, format_etag};
    use crate::model::{Payload, SequenceToken, SessionId};
    use crate::telemetry::labels::EtagForm;
    use hyper::HeaderMap;
    use hyper::header::{HeaderValue, IF_MATCH};

    fn parse(lines: &[&str]) -> Option<EtagList> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(IF_MATCH, HeaderValue::from_str(line).expect("visible"));
        }
        EtagList::parse(&headers, &IF_MATCH)
    }

    // R2.9, R2.21
    #[test]
    fn etag_changed_by_a_proxy_is_parsed() {
        use EtagForm::{Br, Deflate, Gzip, Unquoted, Weak, Zstd};
        let payload = Payload::new("x").expect("short");
        let token = SequenceToken::first(SessionId::random(), &payload);
        let text = token.as_str();
        assert_eq!(format_etag(token), format!("\"{text}\""));
        for (header, mangled) in [
            (format!("\"{text}\""), None),
            (text.to_owned(), Some(Unquoted)),
            (format!("W/\"{text}\""), Some(Weak)),
            (format!("\"{text}-gzip\""), Some(Gzip)),
            (format!("\"{text}\"-gzip"), Some(Gzip)),
            (format!("W/\"{text}--gzip\""), Some(Gzip)),
            (format!("\"{text};gzip\""), Some(Gzip)),
            (format!("\"{text}-br\""), Some(Br)),
            (format!("\"{text}-zstd\""), Some(Zstd)),
            (format!("\"{text}-deflate\""), Some(Deflate)),
            (
                format!("  \"{text}\" , \"{text}-gzip\", \"other\""),
                Some(Gzip),
            ),
        ] {
            let read = parse(&[&header]).expect("a header");
            assert_eq!(
                (&*read.tokens, read.mangled),
                (&[token][..], mangled),
                "{header}"
            );
            assert!(!read.has_wildcard, "{header}");
        }
    }

    // R2.21
    #[test]
    fn token_that_ends_like_a_suffix_is_kept_whole() {
        for end in ["-gzip", "-br", "-zstd", "-deflate"] {
            let text = format!("{}{end}", "A".repeat(24 - end.len()));
            let token = SequenceToken::parse(text.as_bytes()).expect("24 characters");
            for header in [format!("\"{text}\""), format!("\"{text}{end}\"")] {
                assert_eq!(
                    parse(&[&header]).expect("a header").tokens,
                    [token],
                    "{header}"
                );
            }
        }
    }

    // R2.22
    #[test]
    fn at_most_eight_entries_over_all_lines_are_read() {
        let token = |letter: char| letter.to_string().repeat(24);
        let [one, two] = ['A', 'B'].map(token);
        let read = parse(&[&format!("\"{one}\""), &format!("*, \"{two}\"")]).expect("a header");
        let texts: Vec<_> = read.tokens.iter().map(SequenceToken::as_str).collect();
        assert_eq!(texts, [&one, &two]);
        assert!(read.has_wildcard);
        let many: Vec<_> = ('A'..='Z')
            .map(|letter| format!("\"{}\"", token(letter)))
            .collect();
        let read = parse(&[&many.join(", ")]).expect("a header");
        assert_eq!(read.tokens.len(), 8);
    }

    #[test]
    fn missing_header_differs_from_an_empty_one() {
        assert_eq!(parse(&[]), None);
        assert_eq!(parse(&[""]), Some(EtagList::default()));
        assert_eq!(parse(&["\"-gzip\", W/, \"\""]), Some(EtagList::default()));
    }
}
