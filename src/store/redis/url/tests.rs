//! Redis URLs that are valid, and those with a password that is not percent-encoded.

use super::{Layout, RedisUrlError, parse_url};
use crate::store::redis::address::Address;

#[test]
fn layout_is_displayed_without_credentials() {
    for (url, servers) in [
        ("redis://me:secret@a:1/3", "a:1"),
        ("rediss://a", "a:6379"),
        ("unix://me:secret@/run/redis.sock", "/run/redis.sock"),
        ("redis-cluster://a:1?node=b:2", "Cluster b:2, a:1"),
        (
            "redis-sentinel://me:secret@a:1?node=b:2&sentinelServiceName=main",
            "main of the sentinels b:2, a:1",
        ),
    ] {
        let (_, layout, _) = parse_url(url).expect("a URL");
        assert_eq!(layout.to_string(), servers, "{url}");
    }
}

#[test]
fn password_that_is_not_encoded_is_an_error_that_says_so() {
    for (url, is_delimiter) in [
        ("redis://:pa/ss@host:6379/0", true),
        ("redis://user:pa/ss@host:6379/0", true),
        ("redis://user:12/ss@host:6379/0", true),
        ("redis://user:pa?ss@host:6379/0", true),
        ("redis://user:pa#ss@host:6379/0", true),
        ("redis://user:12#ss@host:6379/0", true),
        ("redis://user:12?ss@host:6379/0", true),
        ("rediss-cluster://user:pa/ss@host:6379", true),
        ("unix://me:pa/ss@/run/redis.sock", true),
        ("redis://user:pa%FFss@host", false),
        ("unix://me:pa%FFss@/run/redis.sock", false),
    ] {
        let error = parse_url(url).expect_err(url);
        let is_expected = match error {
            RedisUrlError::Delimiter => is_delimiter,
            RedisUrlError::Escape => !is_delimiter,
            _ => false,
        };
        assert!(is_expected, "{url}: {error}");
        let text = error.to_string();
        assert!(
            text.contains("percent-encode") && text.contains("password_file"),
            "{text}"
        );
    }
    // Other errors have their own text.
    for url in [
        "redis://host:port/0",
        "redis://user:pass@host:port/0",
        "redis://host/a@b",
    ] {
        let error = parse_url(url).expect_err(url);
        assert!(
            !error.to_string().contains("percent-encode"),
            "{url}: {error}"
        );
    }
    assert!(parse_url("redis://user:pa%2Fss@host:6379/0").is_ok());
}

#[test]
fn urls_of_unix_sockets_are_parsed() {
    let (config, layout, tls) =
        parse_url("unix://me:se%40cret@/run/a%20b.sock?db=3").expect("a URL");
    assert_eq!(
        layout,
        Layout::Standalone {
            address: Address::Unix("/run/a b.sock".into()),
            database: 3
        }
    );
    assert_eq!(config.username.as_deref(), Some("me"));
    assert_eq!(config.password.as_deref(), Some("se@cret"));
    assert_eq!((config.database, tls), (Some(3), false));
    assert!(parse_url("unix:///run/redis.sock").is_ok());
    for invalid in [
        "unix://",
        "unix:///",
        "unix://host/run/redis.sock",
        "unix:///run/redis.sock?db=x",
        "unix:///run/redis.sock?path=x",
    ] {
        assert!(parse_url(invalid).is_err(), "{invalid}");
    }
}
