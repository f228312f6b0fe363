//! Reads the access token of a request: `Authorization: Bearer …` (RFC 6750 §2.1).
//!
//! The query parameter `access_token`, which the client-server API deprecates, is ignored: it would
//! appear in the log of every server on the path.

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

/// The longest token that is checked, in bytes. Homeservers issue tokens of about a hundred bytes;
/// a JWT has a few thousand.
const MAX_TOKEN: usize = 8192;

/// The request has an `Authorization` header without a valid bearer token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) struct Malformed;

/// Returns the token, or `None` if the request has no `Authorization` header.
///
/// # Errors
/// [`Malformed`] if there are several headers, or the header is not a valid bearer token.
pub(in crate::policy) fn token(headers: &HeaderMap) -> Result<Option<&str>, Malformed> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let Some(line) = lines.next() else {
        return Ok(None);
    };
    if lines.next().is_some() {
        return Err(Malformed);
    }
    let line = line.to_str().map_err(|_| Malformed)?;
    let (scheme, token) = line.split_once(' ').ok_or(Malformed)?;
    let token = token.trim_start_matches(' ');
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if scheme.eq_ignore_ascii_case("Bearer")
        && (1..=MAX_TOKEN).contains(&token.len())
        && token.bytes().all(is_token)
    {
        Ok(Some(token))
    } else {
        Err(Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_TOKEN, Malformed, token};
    use hyper::HeaderMap;
    use hyper::header::{AUTHORIZATION, HeaderValue};

    fn headers(lines: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            let line = HeaderValue::from_bytes(line).expect("a header");
            headers.append(AUTHORIZATION, line);
        }
        headers
    }

    #[test]
    fn valid_token_is_read_and_other_headers_are_malformed() {
        assert_eq!(token(&headers(&[])), Ok(None));
        for (line, expected) in [
            ("Bearer syt_YQ_x~y.z-09", "syt_YQ_x~y.z-09"),
            ("bearer a", "a"),
            ("BEARER  ab+/==", "ab+/=="),
        ] {
            assert_eq!(token(&headers(&[line.as_bytes()])), Ok(Some(expected)));
        }
        let longest = format!("Bearer {}", "x".repeat(MAX_TOKEN));
        assert!(token(&headers(&[longest.as_bytes()])).is_ok());
        let longer = format!("{longest}x");
        for lines in [
            &[&b""[..]][..],
            &[b"Bearer"],
            &[b"Bearer "],
            &[b"Basic YTpi"],
            &[b"syt_YQ"],
            &[b"Bearer a b"],
            &[b"Bearer a,b"],
            &[b"Bearer \xff"],
            &[b"Bearer a", b"Bearer a"],
            &[longer.as_bytes()],
        ] {
            assert_eq!(token(&headers(lines)), Err(Malformed), "{lines:?}");
        }
    }
}
