//! Detects proxies that are not in `http.trusted_proxies`: by the header that they send, or because
//! all requests come from a few private addresses.

use crate::net::client_ip::{Peer, TrustedProxies};
use hyper::HeaderMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Requests from at most `MAX_ADDRESSES` private addresses, and from no other, that justify the
/// warning about clients. A sign-in is some hundred polls, so this is more than one person's.
const MIN_REQUESTS: u32 = 1000;

/// Proxies in front of one deployment: an ingress has two or three pods, and few have more than
/// this. Also the number of peers that are reported because of their header.
const MAX_ADDRESSES: usize = 8;

/// The name of this component on `/readyz?verbose`, for the doctor.
pub const COMPONENT: &str = "trusted proxies";

/// The beginning of the component's text, before [`UnlistedProxies`].
pub const NOT_LISTED: &str = "not listed: ";

/// The decision is made.
const DECIDED: u32 = 1 << 31;

/// Examines the requests of a process.
#[derive(Debug, Default)]
pub struct UnconfiguredProxyDetector {
    observed: Mutex<Observed>,
    /// Requests so far, all from `Observed::clients`. From `DECIDED` on, clients are ignored.
    requests: AtomicU32,
    /// A copy of `Observed::changes`, for requests that need no lock.
    changes: AtomicU64,
}

/// What was seen since the last change of the list of proxies.
#[derive(Debug, Default)]
struct Observed {
    /// The number of that change.
    changes: u64,
    /// Peers that sent the header although they are not trusted. Each is reported once.
    senders: Vec<UnlistedProxy>,
    /// The clients of the first requests.
    clients: Vec<IpAddr>,
    /// Whether there was a warning.
    has_warned: bool,
}

/// A peer that sends the header and is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnlistedProxy {
    /// The address.
    pub ip: IpAddr,
    /// Number of its requests with the header.
    pub requests: u64,
}

/// The peers that send the header and are not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnlistedProxies {
    /// The one with the most requests; of several, the first that was seen.
    pub commonest: UnlistedProxy,
    /// Number of the others, at most `MAX_ADDRESSES - 1`.
    pub others: usize,
}

impl fmt::Display for UnlistedProxies {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UnlistedProxy { ip, requests } = self.commonest;
        match requests {
            1 => write!(out, "{ip} (1 request)")?,
            _ => write!(out, "{ip} ({requests} requests)")?,
        }
        match self.others {
            0 => Ok(()),
            1 => out.write_str(" and one other address"),
            others => write!(out, " and {others} other addresses"),
        }
    }
}

impl UnconfiguredProxyDetector {
    /// Returns the private peers that send the header and are not trusted, since the last change of the
    /// list. `None` if there are none.
    #[must_use]
    pub fn unlisted(&self) -> Option<UnlistedProxies> {
        let senders = &self.lock().senders;
        // The last of the largest is the first that was seen.
        let commonest = senders.iter().rev().max_by_key(|sender| sender.requests)?;
        Some(UnlistedProxies {
            commonest: *commonest,
            others: senders.len() - 1,
        })
    }

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
        let changes = trusted_proxies.changes();
        if changes != self.changes.load(Ordering::Relaxed) {
            // A request that began before the reload.
            return None;
        }
        // A proxy that the PROXY protocol left unnamed is listed, and its header is the client's.
        if !peer.is_proxy && trusted_proxies.has_header(headers) {
            let proxy = peer.ip.to_canonical();
            if self.is_new_sender(changes, proxy) {
                return Some(sender_warning(trusted_proxies, proxy));
            }
        }
        self.is_due(changes, client).then(|| {
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

    /// Begins anew, with the list of proxies after this many changes. Call it before requests use that list.
    pub fn restart(&self, changes: u64) {
        let mut observed = self.lock();
        *observed = Observed {
            changes,
            ..Observed::default()
        };
        self.requests.store(0, Ordering::Relaxed);
        self.changes.store(changes, Ordering::Relaxed);
    }

    /// Whether [`observe`](Self::observe) has returned a warning since the last change of the list.
    #[must_use]
    pub fn has_warned(&self) -> bool {
        self.lock().has_warned
    }

    fn lock(&self) -> MutexGuard<'_, Observed> {
        self.observed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request of this peer, which sent the header. Returns whether the peer must be reported.
    fn is_new_sender(&self, changes: u64, proxy: IpAddr) -> bool {
        if !is_private(proxy) {
            return false;
        }
        let mut observed = self.lock();
        if observed.changes != changes {
            return false;
        }
        let known = observed
            .senders
            .iter_mut()
            .find(|sender| sender.ip == proxy);
        if let Some(sender) = known {
            sender.requests += 1;
            return false;
        }
        if observed.senders.len() == MAX_ADDRESSES {
            return false;
        }
        observed.senders.push(UnlistedProxy {
            ip: proxy,
            requests: 1,
        });
        observed.has_warned = true;
        // The other warning would repeat this one.
        self.requests.store(DECIDED, Ordering::Relaxed);
        true
    }

    /// Records a request. Returns `true` once, for request number `MIN_REQUESTS`, if all so far came
    /// from few private clients.
    fn is_due(&self, changes: u64, client: IpAddr) -> bool {
        if self.requests.load(Ordering::Relaxed) >= DECIDED {
            return false;
        }
        let mut observed = self.lock();
        if observed.changes != changes || self.requests.load(Ordering::Relaxed) >= DECIDED {
            return false;
        }
        if !is_private(client) || !observed.is_one_of_few(client) {
            self.requests.store(DECIDED, Ordering::Relaxed);
            return false;
        }
        let is_due = self.requests.fetch_add(1, Ordering::Relaxed) + 1 == MIN_REQUESTS;
        if is_due {
            observed.has_warned = true;
            self.requests.store(DECIDED, Ordering::Relaxed);
        }
        is_due
    }
}

impl Observed {
    /// Records a client. Returns whether there were at most `MAX_ADDRESSES`.
    fn is_one_of_few(&mut self, client: IpAddr) -> bool {
        if self.clients.contains(&client) {
            return true;
        }
        self.clients.push(client);
        self.clients.len() <= MAX_ADDRESSES
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
mod tests;
