//! Which peers and clients are reported as proxies, and when.

use super::{DECIDED, MAX_ADDRESSES, MIN_REQUESTS, UnconfiguredProxyDetector, is_private};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::Ordering;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Returns how many of the requests report.
fn count_reports(detector: &UnconfiguredProxyDetector, client: &str, requests: u32) -> usize {
    let client = ip(client);
    (0..requests).filter(|_| detector.is_due(0, client)).count()
}

#[test]
fn thousandth_request_reports_once() {
    let detector = UnconfiguredProxyDetector::default();
    assert_eq!(count_reports(&detector, "10.0.0.1", MIN_REQUESTS - 1), 0);
    assert!(detector.is_due(0, ip("10.0.0.1")));
    assert_eq!(count_reports(&detector, "10.0.0.1", 3 * MIN_REQUESTS), 0);
    assert_eq!(detector.requests.load(Ordering::Relaxed), DECIDED);
}

/// A proxy can forward any number of private addresses.
#[test]
fn decision_ends_the_list_of_addresses() {
    let detector = UnconfiguredProxyDetector::default();
    for number in 0..2 * MIN_REQUESTS {
        let client = Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + number);
        assert!(!detector.is_due(0, client.into()));
    }
    let clients = &detector.lock().clients;
    assert_eq!(clients.len(), MAX_ADDRESSES + 1);
}

#[test]
fn public_client_ends_detection() {
    let detector = UnconfiguredProxyDetector::default();
    assert_eq!(count_reports(&detector, "10.0.0.1", MIN_REQUESTS - 1), 0);
    assert_eq!(count_reports(&detector, "203.0.113.1", 1), 0);
    assert_eq!(count_reports(&detector, "10.0.0.1", 3 * MIN_REQUESTS), 0);
}

#[test]
fn at_most_eight_private_addresses_are_proxies() {
    let reports = |addresses: usize| {
        let detector = UnconfiguredProxyDetector::default();
        let is_due =
            |number: usize| detector.is_due(0, ip(&format!("10.0.0.{}", number % addresses)));
        (0..MIN_REQUESTS as usize)
            .filter(|number| is_due(*number))
            .count()
    };
    assert_eq!(
        [2, MAX_ADDRESSES, MAX_ADDRESSES + 1].map(reports),
        [1, 1, 0]
    );
}

#[test]
fn single_public_client_is_not_reported() {
    assert_eq!(
        count_reports(
            &UnconfiguredProxyDetector::default(),
            "203.0.113.1",
            3 * MIN_REQUESTS
        ),
        0
    );
}

#[test]
fn concurrent_requests_report_once() {
    let detector = UnconfiguredProxyDetector::default();
    let reports: usize = std::thread::scope(|scope| {
        let observe = || count_reports(&detector, "10.0.0.1", MIN_REQUESTS);
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(observe)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a count"))
            .sum()
    });
    assert_eq!(reports, 1);
}

#[test]
fn commonest_unlisted_proxy_comes_first() {
    let detector = UnconfiguredProxyDetector::default();
    let text = || detector.unlisted().map(|unlisted| unlisted.to_string());
    assert_eq!(text(), None);
    for (address, expected) in [
        ("10.0.0.1", "10.0.0.1 (1 request)"),
        ("10.0.0.2", "10.0.0.1 (1 request) and one other address"),
        ("10.0.0.2", "10.0.0.2 (2 requests) and one other address"),
        ("203.0.113.1", "10.0.0.2 (2 requests) and one other address"),
        ("10.0.0.3", "10.0.0.2 (2 requests) and 2 other addresses"),
    ] {
        detector.is_new_sender(0, ip(address));
        assert_eq!(text().as_deref(), Some(expected));
    }
    assert!(detector.has_warned());
    detector.restart(1);
    assert_eq!((text(), detector.has_warned()), (None, false));
    // A request with the list before the change, whose peer may be in the new one.
    assert!(!detector.is_new_sender(0, ip("10.0.0.1")));
    assert_eq!((text(), detector.has_warned()), (None, false));
    assert!(detector.is_new_sender(1, ip("10.0.0.1")));
}

#[test]
fn private_ranges_are_recognised() {
    for private in [
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "127.0.0.1",
        "169.254.1.1",
        "100.64.0.1",
        "100.127.255.255",
        "::1",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "::ffff:10.0.0.1",
    ] {
        assert!(is_private(ip(private)), "{private}");
    }
    for public in [
        "203.0.113.1",
        "203.64.0.1",
        "172.32.0.1",
        "100.63.255.255",
        "100.128.0.1",
        "2001:db8::1",
        "::ffff:203.0.113.1",
    ] {
        assert!(!is_private(ip(public)), "{public}");
    }
}
