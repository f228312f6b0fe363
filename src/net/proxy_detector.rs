//! Notices that every request seems to come from a few private addresses, as it does behind proxies that nobody told
//! us of.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// So many requests of so few private addresses, and of nobody else, are no coincidence: a sign-in is some hundred
/// polls, so this is more than one person's.
const MIN_REQUESTS: u32 = 1000;

/// Proxies before one deployment: an ingress has two or three pods, and few have more than this.
const MAX_ADDRESSES: usize = 8;

/// There is nothing to find out any more. What requests that came at the same time add to it does not matter.
const DECIDED: u32 = 1 << 31;

/// Looks at the clients of the first requests of a process.
#[derive(Debug, Default)]
pub struct UnconfiguredProxyDetector {
    /// Requests so far, all of `seen`; from `SETTLED` on, none is looked at.
    requests: AtomicU32,
    seen: Mutex<Vec<IpAddr>>,
}

impl UnconfiguredProxyDetector {
    /// A request of that client. One of those that all came from, once, when it is time to say that there are no
    /// others.
    ///
    /// It costs a request one relaxed load once other clients were seen, or it was said.
    pub fn observe(&self, client: IpAddr) -> Option<IpAddr> {
        if self.requests.load(Ordering::Relaxed) >= DECIDED {
            return None;
        }
        if !is_private(client) || !self.is_within_max_addresses(client) {
            self.requests.store(DECIDED, Ordering::Relaxed);
            return None;
        }
        // Each number is one request's, so only one is told.
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

/// Whether no client on the internet has such an address: RFC 1918, RFC 6598 (`100.64.0.0/10`), RFC 4193
/// (`fc00::/7`), loopback, link-local.
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

    /// How often it is said over so many requests.
    fn count_reports(detector: &UnconfiguredProxyDetector, client: &str, requests: u32) -> usize {
        let client = ip(client);
        (0..requests)
            .filter_map(|_| detector.observe(client))
            .count()
    }

    #[test]
    fn it_is_said_once_at_the_thousandth_request() {
        let detector = UnconfiguredProxyDetector::default();
        assert_eq!(count_reports(&detector, "10.0.0.1", MIN_REQUESTS - 1), 0);
        assert_eq!(detector.observe(ip("10.0.0.1")), Some(ip("10.0.0.1")));
        assert_eq!(count_reports(&detector, "10.0.0.1", 3 * MIN_REQUESTS), 0);
    }

    #[test]
    fn a_client_of_the_internet_settles_it() {
        let detector = UnconfiguredProxyDetector::default();
        assert_eq!(count_reports(&detector, "10.0.0.1", MIN_REQUESTS - 1), 0);
        assert_eq!(count_reports(&detector, "203.0.113.1", 1), 0);
        assert_eq!(count_reports(&detector, "10.0.0.1", 3 * MIN_REQUESTS), 0);
    }

    #[test]
    fn a_few_private_addresses_are_the_pods_of_a_proxy_and_more_are_people() {
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
    fn a_public_client_may_be_the_only_one() {
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
    fn of_requests_at_the_same_time_one_is_told() {
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
    fn private_is_what_no_client_on_the_internet_has() {
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
