//! Detects that all requests come from a few private addresses, as they do behind proxies that are
//! not in `http.trusted_proxies`.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// Requests from at most `MAX_ADDRESSES` private addresses, and from no other, that justify the
/// warning. A sign-in is some hundred polls, so this is more than one person's.
const MIN_REQUESTS: u32 = 1000;

/// Proxies in front of one deployment: an ingress has two or three pods, and few have more than
/// this.
const MAX_ADDRESSES: usize = 8;

/// The decision is made. Concurrent requests may still increment the counter, which does no harm.
const DECIDED: u32 = 1 << 31;

/// Examines the clients of the first requests of a process.
#[derive(Debug, Default)]
pub struct UnconfiguredProxyDetector {
    /// Requests so far, all from `seen`. From `DECIDED` on, requests are ignored.
    requests: AtomicU32,
    seen: Mutex<Vec<IpAddr>>,
}

impl UnconfiguredProxyDetector {
    /// Records a request. Returns the client's address once, when the first `MIN_REQUESTS`
    /// requests all came from at most `MAX_ADDRESSES` private addresses.
    ///
    /// After the decision it costs a request one relaxed load.
    pub fn observe(&self, client: IpAddr) -> Option<IpAddr> {
        if self.requests.load(Ordering::Relaxed) >= DECIDED {
            return None;
        }
        if !is_private(client) || !self.is_within_max_addresses(client) {
            self.requests.store(DECIDED, Ordering::Relaxed);
            return None;
        }
        // Each number belongs to one request, so only one request reports.
        let is_due = self.requests.fetch_add(1, Ordering::Relaxed) + 1 == MIN_REQUESTS;
        is_due.then(|| {
            self.requests.store(DECIDED, Ordering::Relaxed);
            client
        })
    }

    fn is_within_max_addresses(&self, client: IpAddr) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.contains(&client) {
            return true;
        }
        seen.push(client);
        seen.len() <= MAX_ADDRESSES
    }
}

/// Whether the address is private, so that no client on the internet has it: RFC 1918, RFC 6598
/// (`100.64.0.0/10`), RFC 4193 (`fc00::/7`), loopback, link-local.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let is_shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            v4.is_private() || is_shared || v4.is_loopback() || v4.is_link_local()
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_loopback() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_ADDRESSES, MIN_REQUESTS, UnconfiguredProxyDetector, is_private};
    use std::net::IpAddr;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// Returns how many of the requests report.
    fn count_reports(detector: &UnconfiguredProxyDetector, client: &str, requests: u32) -> usize {
        let client = ip(client);
        (0..requests)
            .filter_map(|_| detector.observe(client))
            .count()
    }

    #[test]
    fn thousandth_request_reports_once() {
        let detector = UnconfiguredProxyDetector::default();
        assert_eq!(count_reports(&detector, "10.0.0.1", MIN_REQUESTS - 1), 0);
        assert_eq!(detector.observe(ip("10.0.0.1")), Some(ip("10.0.0.1")));
        assert_eq!(count_reports(&detector, "10.0.0.1", 3 * MIN_REQUESTS), 0);
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
            let observe = |number| detector.observe(ip(&format!("10.0.0.{}", number % addresses)));
            (0..MIN_REQUESTS as usize).filter_map(observe).count()
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
            "172.32.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "2001:db8::1",
            "::ffff:203.0.113.1",
        ] {
            assert!(!is_private(ip(public)), "{public}");
        }
    }
}
