//! Unit tests of the addresses to listen on.

use super::{ListenAddress, ListenAddressError, ListenAddresses, MAX_ADDRESSES};

fn parse(text: &str) -> ListenAddress {
    text.parse().expect("an address")
}

#[test]
fn each_form_is_parsed_and_displayed() {
    for (text, shown) in [
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("[::1]:0", "[::1]:0"),
        ("[fe80::1%2]:80", "[fe80::1%2]:80"),
        (":8080", ":8080"),
        (":0", ":0"),
        ("localhost:8080", "localhost:8080"),
        ("node-1.example.:65535", "node-1.example.:65535"),
        ("my_host:80", "my_host:80"),
        ("unix:/run/x.sock", "unix:/run/x.sock?mode=0660"),
        ("unix:/run/x.sock?mode=666", "unix:/run/x.sock?mode=0666"),
        ("unix:/run/a:80?mode=0600", "unix:/run/a:80?mode=0600"),
    ] {
        let address = parse(text);
        assert_eq!(address.to_string(), shown, "{text}");
        assert_eq!(parse(shown), address, "{text}");
        assert_eq!(address.is_unix(), text.starts_with("unix:"), "{text}");
    }
}

#[test]
fn invalid_address_is_rejected_with_an_example() {
    let long = format!("unix:/{}", "x".repeat(107));
    let long_name = format!("{}a:80", "a.".repeat(127));
    for (text, reason) in [
        ("", ListenAddressError::Form),
        ("8080", ListenAddressError::Form),
        ("127.0.0.1", ListenAddressError::Form),
        ("127.0.0:80", ListenAddressError::Form),
        ("127.0.0.256:80", ListenAddressError::Form),
        ("::1:80", ListenAddressError::Form),
        ("*:80", ListenAddressError::Form),
        ("localhost", ListenAddressError::Form),
        ("localhost:", ListenAddressError::Form),
        ("localhost:port", ListenAddressError::Form),
        ("localhost:+80", ListenAddressError::Form),
        (":65536", ListenAddressError::Form),
        ("-a:80", ListenAddressError::Form),
        ("a..b:80", ListenAddressError::Form),
        ("http://localhost:80", ListenAddressError::Form),
        ("/run/x.sock", ListenAddressError::Form),
        (&long_name, ListenAddressError::Form),
        ("unix:", ListenAddressError::UnixPath),
        ("unix:run/x.sock", ListenAddressError::UnixPath),
        ("unix:/run/", ListenAddressError::UnixPath),
        ("unix:/a\0b", ListenAddressError::UnixPath),
        (&long, ListenAddressError::UnixPath),
        ("unix:/x?mode=", ListenAddressError::UnixMode),
        ("unix:/x?mode=66", ListenAddressError::UnixMode),
        ("unix:/x?mode=1660", ListenAddressError::UnixMode),
        ("unix:/x?mode=0668", ListenAddressError::UnixMode),
        ("unix:/x?mode=+66", ListenAddressError::UnixMode),
        ("unix:/x?owner=www", ListenAddressError::UnixMode),
    ] {
        assert_eq!(text.parse::<ListenAddress>(), Err(reason), "{text:?}");
        assert!(reason.to_string().contains("such as "), "{reason}");
    }
    assert!(long[..long.len() - 1].parse::<ListenAddress>().is_ok());
}

#[test]
fn overlapping_addresses_are_found() {
    for (one, other, overlap) in [
        ("127.0.0.1:80", "127.0.0.1:80", true),
        ("127.0.0.1:80", "127.0.0.1:81", false),
        ("127.0.0.1:80", "127.0.0.2:80", false),
        ("127.0.0.1:0", "127.0.0.1:0", false),
        ("0.0.0.0:80", "127.0.0.1:80", true),
        ("0.0.0.0:80", "[::1]:80", false),
        ("0.0.0.0:80", "[::]:80", true),
        ("[::]:80", "[::1]:80", true),
        ("[::]:80", "127.0.0.1:80", true),
        (":80", "127.0.0.1:80", true),
        (":80", "[::]:80", true),
        (":80", ":80", true),
        (":0", ":0", false),
        (":80", ":81", false),
        (":80", "localhost:80", true),
        ("[::1]:80", "127.0.0.1:80", false),
        ("localhost:80", "LOCALHOST:80", true),
        ("localhost:80", "127.0.0.1:80", false),
        ("unix:/x", "unix:/x?mode=0600", true),
        ("unix:/x", "unix:/y", false),
        ("unix:/x", ":80", false),
    ] {
        let [first, second] = [one, other].map(parse);
        assert_eq!(first.overlaps(&second), overlap, "{one} {other}");
        assert_eq!(second.overlaps(&first), overlap, "{other} {one}");
    }
}

#[test]
fn list_has_one_to_sixteen_distinct_addresses() {
    let list = |count: usize| {
        let address = |number: usize| parse(&format!(":{}", 80 + number));
        ListenAddresses::new((0..count).map(address).collect())
    };
    assert!(
        list(0)
            .expect_err("an error")
            .contains("such as 127.0.0.1:8080")
    );
    assert!(list(1).is_ok() && list(MAX_ADDRESSES).is_ok());
    assert!(list(MAX_ADDRESSES + 1).is_err());
    let overlapping = ["[::1]:80", "127.0.0.1:80", ":80"].map(parse);
    let refused = ListenAddresses::new(overlapping.into()).expect_err("an error");
    assert!(refused.starts_with("[::1]:80 and :80 overlap"), "{refused}");
}

#[test]
fn local_addresses_replace_all_addresses_by_loopback() {
    for (text, expected) in [
        ("192.0.2.1:80", &["192.0.2.1:80"][..]),
        ("0.0.0.0:80", &["127.0.0.1:80"]),
        ("[::]:80", &["[::1]:80"]),
        (":80", &["127.0.0.1:80", "[::1]:80"]),
        ("localhost:80", &[]),
        ("unix:/x", &[]),
    ] {
        let local = parse(text).local_addresses();
        let shown: Vec<String> = local.iter().map(ToString::to_string).collect();
        assert_eq!(shown, expected, "{text}");
    }
}
