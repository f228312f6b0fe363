//! Detects proxies that are not in `http.trusted_proxies`: by the header that they send, or because
//! all requests come from a few private addresses.

use crate::net::client_ip::{Peer, TrustedProxies};
use hyper::HeaderMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Requests from at most `MAX_ADDRESSES` private addresses, and from no other, that justify the
/// warning about clients. A sign-in is some hundred polls, so this is more than one person's.
const MIN_REQUESTS: u32 = 1000;

/// Proxies in front of one deployment: an ingress has two or three pods, and few have more than
/// this. Also the number of peers that are reported because of their header.
const MAX_ADDRESSES: usize = 8;

/// The decision is made. Concurrent requests may still increment the counter, which does no harm.
const DECIDED: u32 = 1 << 31;

/// Examines the requests of a process.
#[derive(Debug, Default)]
pub struct UnconfiguredProxyDetector {
    /// Peers that sent the header although they are not trusted. Each is reported once.
    senders: Mutex<Vec<IpAddr>>,
    /// Requests so far, all from `seen`. From `DECIDED` on, clients are ignored.
    requests: AtomicU32,
    seen: Mutex<Vec<IpAddr>>,
    /// The changes of the list of proxies that are taken into account: each begins the detection anew.
    changes: AtomicU64,
}

impl UnconfiguredProxyDetector {
    /// Examines a request. Returns a warning for the log:
    ///
    /// - at the first request of a private peer that sends `http.forwarded_header` and is not
    ///   trusted, for up to `MAX_ADDRESSES` peers. A public peer can be any client, so its header
    ///   proves nothing;
    /// - once, if no such peer was reported and the first `MIN_REQUESTS` requests all came from at
    ///   most `MAX_ADDRESSES` private clients.
    ///
    /// A request of a trusted peer costs one relaxed load after the decision about clients. A request
    /// of any other peer also costs the lookup of the header, and one of a private peer that sends it
    /// a lock.
    pub fn observe(
        &self,
        trusted_proxies: &TrustedProxies,
        peer: Peer,
        headers: &HeaderMap,
        client: IpAddr,
    ) -> Option<String> {
        let (changes, known) = (
            trusted_proxies.changes(),
            self.changes.load(Ordering::Relaxed),
        );
        if changes < known {
            // A request that began before the reload.
            return None;
        }
        if changes > known {
            self.changes.store(changes, Ordering::Relaxed);
            self.restart();
        }
        // A proxy that the PROXY protocol left unnamed is listed, and its header is the client's.
        if !peer.is_proxy && trusted_proxies.has_header(headers) {
            let proxy = peer.ip.to_canonical();
            if self.is_new_sender(proxy) {
                // The other warning would repeat this one.
                self.requests.store(DECIDED, Ordering::Relaxed);
                return Some(sender_warning(trusted_proxies, proxy));
            }
        }
        self.is_due(client).then(|| {
            let advice = if peer.is_trusted && client == peer.ip.to_canonical() {
                // Also of a Unix socket, whose peer no entry of `http.trusted_proxies` could be.
                "This is a trusted proxy: let it send http.forwarded_header with its client's address"
            } else {
                "If these are proxies, add them to http.trusted_proxies and let them send http.forwarded_header"
            };
            format!(
                "all requests so far came from this private address and a few others: {client}. {advice}"
            )
        })
    }

    fn restart(&self) {
        for addresses in [&self.senders, &self.seen] {
            let mut addresses = addresses.lock().unwrap_or_else(PoisonError::into_inner);
            addresses.clear();
        }
        self.requests.store(0, Ordering::Relaxed);
    }

    /// Whether this peer must be reported because it sent the header.
    fn is_new_sender(&self, proxy: IpAddr) -> bool {
        if !is_private(proxy) {
            return false;
        }
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        if senders.contains(&proxy) || senders.len() >= MAX_ADDRESSES {
            return false;
        }
        senders.push(proxy);
        true
    }

    /// Records a request. Returns `true` once, for request number `MIN_REQUESTS`, if all so far came
    /// from few private clients.
    fn is_due(&self, client: IpAddr) -> bool {
        if self.requests.load(Ordering::Relaxed) >= DECIDED {
            return false;
        }
        if !is_private(client) || !self.is_within_max_addresses(client) {
            self.requests.store(DECIDED, Ordering::Relaxed);
            return false;
        }
        // Each number belongs to one request, so only one request reports.
        let is_due = self.requests.fetch_add(1, Ordering::Relaxed) + 1 == MIN_REQUESTS;
        if is_due {
            self.requests.store(DECIDED, Ordering::Relaxed);
        }
        is_due
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

/// The warning about a peer that sends the header and is not trusted, with the value to set. It shows
/// no part of the header, which any client may have written.
fn sender_warning(trusted_proxies: &TrustedProxies, proxy: IpAddr) -> String {
    let header = trusted_proxies.header_name();
    let with_proxy = trusted_proxies.list_with(proxy);
    let (toml, variable) = (with_proxy.join("\", \""), with_proxy.join(","));
    format!(
        "{proxy} sends {header} but is not in http.trusted_proxies, so all clients behind it count as one. \
         If it is your proxy, set http.trusted_proxies = [\"{toml}\"] \
         (RENDEZVOUS_HTTP__TRUSTED_PROXIES={variable}), or the range of its addresses. Then send SIGHUP; a changed \
         environment variable needs a restart"
    )
}

/// Whether the address is private, so that no client on the internet has it: RFC 1918, RFC 6598
/// (`100.64.0.0/10`), RFC 4193 (`fc00::/7`), loopback, link-local.
pub(crate) fn is_private(address: IpAddr) -> bool {
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
    use super::{DECIDED, MAX_ADDRESSES, MIN_REQUESTS, UnconfiguredProxyDetector, is_private};
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::atomic::Ordering;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// Returns how many of the requests report.
    fn count_reports(detector: &UnconfiguredProxyDetector, client: &str, requests: u32) -> usize {
        let client = ip(client);
        (0..requests).filter(|_| detector.is_due(client)).count()
    }

    #[test]
    fn thousandth_request_reports_once() {
        let detector = UnconfiguredProxyDetector::default();
        assert_eq!(count_reports(&detector, "10.0.0.1", MIN_REQUESTS - 1), 0);
        assert!(detector.is_due(ip("10.0.0.1")));
        assert_eq!(count_reports(&detector, "10.0.0.1", 3 * MIN_REQUESTS), 0);
        assert_eq!(detector.requests.load(Ordering::Relaxed), DECIDED);
    }

    /// A proxy can forward any number of private addresses.
    #[test]
    fn decision_ends_the_list_of_addresses() {
        let detector = UnconfiguredProxyDetector::default();
        for number in 0..2 * MIN_REQUESTS {
            let client = Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + number);
            assert!(!detector.is_due(client.into()));
        }
        let seen = detector.seen.lock().expect("no panic");
        assert_eq!(seen.len(), MAX_ADDRESSES + 1);
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
                |number: usize| detector.is_due(ip(&format!("10.0.0.{}", number % addresses)));
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
}
