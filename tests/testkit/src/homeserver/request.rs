//! The requests that a homeserver stand-in receives.

use std::io::BufRead;

/// A request about a token, as it was received.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// The request line.
    pub line: String,
    /// The value of `Authorization`.
    pub authorization: String,
    /// The body, of an introspection request.
    pub body: String,
}

impl TokenRequest {
    pub(super) fn is_about(&self, token: &str) -> bool {
        self.authorization == format!("Bearer {token}") || self.body.contains(token)
    }
}

/// Reads a request with its body. Returns `None` at the end of the connection.
pub(super) fn read_request(stream: &mut impl BufRead) -> std::io::Result<Option<TokenRequest>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Ok(None);
        }
    }
    let header = |name: &str| {
        head.lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
    };
    let length = header("content-length").map_or(0, |length| length.parse().expect("a length"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Some(TokenRequest {
        line: head.lines().next().unwrap_or_default().to_owned(),
        authorization: header("authorization").unwrap_or_default(),
        body: String::from_utf8_lossy(&body).into_owned(),
    }))
}
