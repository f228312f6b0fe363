//! `Forwarded` and `X-Forwarded-For`: what a client writes stands to the left of the proxy's entry,
//! and changes nothing (docs/threat-model.md). The input is a byte that selects the form of the
//! proxy's entry, the client's address, and the lines of the header that the client sent.

use crate::input::Input;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use matrix_rendezvous::config::Sources;
use matrix_rendezvous::net::client_ip::TrustedProxies;
use matrix_rendezvous::net::forwarded::ForwardedHeader;
use matrix_rendezvous::startup;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

const FORWARDED: &str = "forwarded";
const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The proxies of both headers: the network 10.0.0.0/8.
static PROXIES: LazyLock<[TrustedProxies; 2]> = LazyLock::new(|| {
    [FORWARDED, X_FORWARDED_FOR].map(|header| {
        let set = |key: &str, value: &str| ("--set".to_owned(), key.to_owned(), value.to_owned());
        let sources = Sources {
            flags: vec![
                set("http.trusted_proxies", "10.0.0.0/8"),
                set("http.forwarded_header", header),
                set("store.backend", "memory"),
            ],
            ..Sources::default()
        };
        let startup = startup::load(&sources).expect("a valid configuration");
        TrustedProxies::new(&startup.config.http)
    })
});

/// Checks that the client is the one that the proxy names, whatever is to the left.
///
/// # Panics
/// If it is another.
pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let form = input.byte();
    let client = input.address();
    let lines = input.0.split(|byte| *byte == b'\n');
    let Ok(lines) = lines
        .map(HeaderValue::from_bytes)
        .collect::<Result<Vec<_>, _>>()
    else {
        return;
    };
    let (name, entry) = entry(form, client);
    let proxies = &PROXIES[usize::from(name == X_FORWARDED_FOR)];
    let name = HeaderName::from_static(name);
    let proxy = proxies.peer(Ipv4Addr::new(10, 0, 0, 1).into());
    assert!(proxy.is_trusted);

    let stranger = headers(&name, &lines);
    // Nothing that a peer other than a proxy sends is read.
    if !proxies.peer(client.into()).is_trusted {
        assert_eq!(
            proxies.client_ip(proxies.peer(client), &stranger),
            client.to_canonical()
        );
    }
    let found = addresses(&name, &stranger);
    let commas = lines
        .iter()
        .flat_map(HeaderValue::as_bytes)
        .filter(|byte| **byte == b',');
    assert!(
        found.len() <= lines.len() + commas.count(),
        "more entries than commas allow"
    );

    // The proxy appends its entry to the last line, or adds a line. Both have one meaning.
    let mut appended = lines.clone();
    let last = appended
        .last_mut()
        .expect("splitting returns at least one line");
    let joined = [last.as_bytes(), b", ", entry.as_bytes()].concat();
    *last = HeaderValue::from_bytes(&joined).expect("text after a valid header");
    let mut added = lines;
    added.push(HeaderValue::from_str(&entry).expect("text"));
    for lines in [appended, added] {
        let headers = headers(&name, &lines);
        let read = addresses(&name, &headers);
        assert_eq!(read[0], Some(client), "{lines:?}");
        assert_eq!(
            &read[1..],
            found,
            "{lines:?}: the proxy's entry changed those to its left"
        );
        if !proxies.peer(client.into()).is_trusted {
            assert_eq!(
                proxies.client_ip(proxy, &headers),
                client.to_canonical(),
                "{lines:?}"
            );
        }
    }
}

/// The forms of an entry (RFC 7239 §6, and what load balancers write into `X-Forwarded-For`).
fn entry(form: u8, client: IpAddr) -> (&'static str, String) {
    let (bare, bracketed) = match client {
        IpAddr::V4(v4) => (v4.to_string(), v4.to_string()),
        IpAddr::V6(v6) => (v6.to_string(), format!("[{v6}]")),
    };
    match form % 8 {
        0 => (X_FORWARDED_FOR, bare),
        1 => (X_FORWARDED_FOR, bracketed),
        2 => (X_FORWARDED_FOR, format!("{bracketed}:4711")),
        3 => (FORWARDED, format!("for=\"{bracketed}\"")),
        4 => (FORWARDED, format!("For=\"{bracketed}:4711\";proto=https")),
        5 => (FORWARDED, format!("by=_proxy;for=\"{bracketed}:_port\"")),
        6 => (
            FORWARDED,
            format!("host=\"a,b;for=\\\"\";for=\"{bracketed}\""),
        ),
        _ => (
            FORWARDED,
            format!("proto=http; FOR = \"{bracketed}\" ; x=\",\""),
        ),
    }
}

fn headers(name: &HeaderName, lines: &[HeaderValue]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(name, line.clone());
    }
    headers
}

fn addresses(name: &HeaderName, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let header = ForwardedHeader::new(name.as_str()).expect("a name");
    header.addresses(headers).collect()
}
