//! Parses the header that names the client of a request, from right to left.
//!
//! The rightmost entry was written by the nearest proxy, and entries further left by whatever sent
//! the request to it. Each entry is therefore cut off and parsed alone, so that no quote or comma
//! that a stranger wrote to the left changes its meaning.

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

/// The header with a grammar of its own (RFC 7239). All others are lists of addresses.
const FORWARDED: &str = "forwarded";

/// Finds the last separator of a list.
type FindSeparator = fn(&[u8]) -> Option<usize>;

/// Parses the address of a list entry.
type ParseEntry = fn(&str) -> Option<IpAddr>;

/// A header that names the client, and its grammar.
#[derive(Debug, Clone)]
pub struct ForwardedHeader {
    pub(super) name: HeaderName,
    /// Whether the grammar is RFC 7239's, not a list of addresses.
    has_parameters: bool,
}

impl ForwardedHeader {
    /// Creates a parser for the header `name`. Returns `None` if that is not a valid header name.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let name: HeaderName = name.parse().ok()?;
        let has_parameters = name == FORWARDED;
        Some(Self {
            name,
            has_parameters,
        })
    }

    /// Returns the addresses of a request, nearest hop first, with `None` for each entry that is
    /// not an address.
    pub fn addresses<'a>(
        &self,
        headers: &'a HeaderMap,
    ) -> impl Iterator<Item = Option<IpAddr>> + 'a {
        let (find_separator, parse_entry): (FindSeparator, ParseEntry) = if self.has_parameters {
            (last_unquoted_comma, parse_element)
        } else {
            (
                |list| list.iter().rposition(|byte| *byte == b','),
                parse_address,
            )
        };
        // Repeated headers form one list, in their order (RFC 9110 §5.3).
        let lines = headers.get_all(&self.name).iter().rev();
        lines.flat_map(move |line| {
            // Empty elements are ignored (RFC 9110 §5.6.1). An entry that is not text is invalid
            // like any other: a stranger can write either, and the proxy's entry beside it still
            // counts.
            let entries = split_from_right(line, find_separator).map(<[u8]>::trim_ascii);
            entries
                .filter(|entry| !entry.is_empty())
                .map(move |entry| parse_entry(std::str::from_utf8(entry).ok()?))
        })
    }
}

/// Returns the entries of one header line, last first.
fn split_from_right(
    line: &HeaderValue,
    find_separator: FindSeparator,
) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line.as_bytes());
    std::iter::from_fn(move || {
        let list = rest?;
        let (left, entry) = match find_separator(list) {
            Some(comma) => (Some(&list[..comma]), &list[comma + 1..]),
            None => (None, list),
        };
        rest = left;
        Some(entry)
    })
}

/// Parses an address, optionally in brackets or with a port (some load balancers add one).
fn parse_address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let with_port = || Some(text.parse::<SocketAddr>().ok()?.ip());
    bare.parse().ok().or_else(with_port)
}

/// Finds the last comma outside quotes, as seen from the right: a quote that a stranger left open
/// further left hides nothing.
fn last_unquoted_comma(list: &[u8]) -> Option<usize> {
    let mut quoted = false;
    for (index, byte) in list.iter().enumerate().rev() {
        match byte {
            b'"' if !is_escaped(list, index) => quoted = !quoted,
            b',' if !quoted => return Some(index),
            _ => {}
        }
    }
    None
}

/// Whether an odd number of backslashes precedes the byte at `index`.
fn is_escaped(text: &[u8], index: usize) -> bool {
    let before = text[..index].iter().rev();
    before.take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// Parses the address in `for=` of an element (RFC 7239 §4). An obfuscated identifier, `unknown`,
/// and an element with two `for=` are not addresses.
fn parse_element(text: &str) -> Option<IpAddr> {
    let mut found = None;
    let mut rest = text;
    while !rest.is_empty() {
        let end = pair_end(rest);
        let (pair, after) = (&rest[..end], rest.get(end + 1..).unwrap_or(""));
        let (name, value) = pair.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("for")
            && found
                .replace(parse_node(&unquote(value.trim())?)?)
                .is_some()
        {
            return None;
        }
        rest = after;
    }
    found
}

/// Returns the index of the next semicolon outside quotes, or the length.
fn pair_end(text: &str) -> usize {
    let mut quoted = false;
    let ends = |(index, byte): &(usize, u8)| {
        if *byte == b'"' && !(quoted && is_escaped(text.as_bytes(), *index)) {
            quoted = !quoted;
        }
        *byte == b';' && !quoted
    };
    text.bytes()
        .enumerate()
        .find(ends)
        .map_or(text.len(), |(index, _)| index)
}

/// Returns a token unchanged, or the content of a quoted string.
fn unquote(value: &str) -> Option<Cow<'_, str>> {
    let Some(rest) = value.strip_prefix('"') else {
        return (!value.contains('"')).then_some(Cow::Borrowed(value));
    };
    let inner = rest.strip_suffix('"')?;
    if !inner.contains(['\\', '"']) {
        return Some(Cow::Borrowed(inner));
    }
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.push(characters.next()?),
            '"' => return None,
            other => text.push(other),
        }
    }
    Some(Cow::Owned(text))
}

/// Parses a node (RFC 7239 §6): an address and an optional port. The port may be obfuscated
/// although the address is not.
fn parse_node(text: &str) -> Option<IpAddr> {
    parse_address(text).or_else(|| {
        let (address, port) = text.rsplit_once(':')?;
        port.starts_with('_')
            .then(|| parse_address(address))
            .flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::ForwardedHeader;
    use hyper::HeaderMap;
    use hyper::header::{HeaderName, HeaderValue};

    /// Returns what one header names, nearest hop first.
    fn hops(name: &'static str, lines: &[&'static str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            let name = HeaderName::from_static(name);
            headers.append(name, HeaderValue::from_static(line));
        }
        let header = ForwardedHeader::new(name).expect("a name");
        let text = |hop: Option<std::net::IpAddr>| hop.map_or("?".to_owned(), |ip| ip.to_string());
        header.addresses(&headers).map(text).collect()
    }

    fn forwarded(line: &'static str) -> Vec<String> {
        hops("forwarded", &[line])
    }

    #[test]
    fn list_is_read_backwards_over_all_lines() {
        let lines = ["192.0.2.1 , , [2001:db8::1]", "", "192.0.2.2:4711,unknown,"];
        let expected = ["?", "192.0.2.2", "2001:db8::1", "192.0.2.1"];
        assert_eq!(hops("x-real-ip", &lines), expected);
    }

    #[test]
    fn forwarded_is_parsed_as_rfc_7239() {
        for (line, expected) in [
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            ("proto=http; FOR = 192.0.2.60", "192.0.2.60"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=\"[2001:db8::1]\"", "2001:db8::1"),
            ("for=\"192.0.2.43:47011\"", "192.0.2.43"),
            ("for=\"192.0.2.43:_port\"", "192.0.2.43"),
            ("for=\"\\192.0.2.43\"", "192.0.2.43"),
            ("for=192.0.2.1;host=\"a,\\\"b\"", "192.0.2.1"),
            ("for=\"192.0.2.43:port\"", "?"),
            ("host=\"a;for=192.0.2.9\";for=192.0.2.1", "192.0.2.1"),
            ("host=\"a\\\";for=192.0.2.9\";for=192.0.2.1", "192.0.2.1"),
            ("for=_hidden", "?"),
            ("for=unknown", "?"),
            ("for=\"_gazonk\"", "?"),
            ("for=\"192.0.2.1", "?"),
            ("for=192.0.2.1\"", "?"),
            ("for=\"192.0.2.1\\\"", "?"),
            ("for=\"192.0.2.\"\"1\"", "?"),
            ("for=192.0.2.1;for=192.0.2.2", "?"),
            ("proto=https", "?"),
            ("192.0.2.1", "?"),
        ] {
            assert_eq!(forwarded(line), [expected], "{line}");
        }
    }

    #[test]
    fn left_entries_do_not_change_right_entries() {
        for (line, expected) in [
            ("for=\"a, for=192.0.2.1", "192.0.2.1"),
            ("for=\"a, for=\"[2001:db8::1]\"", "2001:db8::1"),
            ("for=\"a\\, for=\"[2001:db8::1]:80\"", "2001:db8::1"),
            ("for=192.0.2.9;x=\", for=192.0.2.1;x=\",\"", "192.0.2.1"),
        ] {
            assert_eq!(forwarded(line)[0], expected, "{line}");
        }
    }

    /// A proxy passes any bytes on, and appends to them.
    #[test]
    fn entries_need_not_be_text() {
        for (name, line, expected) in [
            (
                "x-forwarded-for",
                &b"\xff, 192.0.2.1"[..],
                &["192.0.2.1", "?"][..],
            ),
            (
                "x-forwarded-for",
                b"192.0.2.9\xff, 192.0.2.1",
                &["192.0.2.1", "?"],
            ),
            // A no-break space is not white space of HTTP (RFC 9110 §5.6.3).
            (
                "x-forwarded-for",
                b"192.0.2.9\xc2\xa0, 192.0.2.1",
                &["192.0.2.1", "?"],
            ),
            ("forwarded", b"x=\xff, for=192.0.2.1", &["192.0.2.1", "?"]),
            (
                "forwarded",
                b"for=\"\xff, for=192.0.2.1",
                &["192.0.2.1", "?"],
            ),
        ] {
            let mut headers = HeaderMap::new();
            let value = HeaderValue::from_bytes(line).expect("a header may hold it");
            headers.append(HeaderName::from_static(name), value);
            let header = ForwardedHeader::new(name).expect("a name");
            let text =
                |hop: Option<std::net::IpAddr>| hop.map_or("?".to_owned(), |ip| ip.to_string());
            let read: Vec<_> = header.addresses(&headers).map(text).collect();
            assert_eq!(read, expected, "{line:?}");
        }
    }

    #[test]
    fn invalid_header_name_is_rejected() {
        for name in ["", "X ForwardedHeader", "x-forwarded-for:", "ä"] {
            assert!(ForwardedHeader::new(name).is_none(), "{name:?}");
        }
    }
}
