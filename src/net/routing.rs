//! Trusted proxies and base URLs, which a reload replaces together.

use crate::config::Config;
use crate::net::client_ip::TrustedProxies;
use crate::net::proxy_detector::UnconfiguredProxyDetector;
use crate::policy::BaseUrls;
use arc_swap::{ArcSwap, Guard};
use std::sync::Arc;

/// The keys about the way of a request, all of one configuration.
#[derive(Debug, Clone)]
pub struct RoutingSnapshot {
    /// `http.trusted_proxies` and `http.forwarded_header`.
    pub trusted_proxies: Arc<TrustedProxies>,
    /// `public_base_url` of each homeserver.
    pub base_urls: Arc<BaseUrls>,
}

/// The snapshot in force. A request loads it once, when its head was read, so that a reload during the
/// request changes none of its parts.
#[derive(Debug)]
pub struct CurrentRouting {
    snapshot: ArcSwap<RoutingSnapshot>,
    /// Detects proxies that the snapshot lacks.
    pub proxy_detector: UnconfiguredProxyDetector,
}

impl CurrentRouting {
    /// Reads the values of the start from the configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let snapshot = RoutingSnapshot {
            trusted_proxies: Arc::new(TrustedProxies::new(&config.http)),
            base_urls: Arc::new(BaseUrls::new(&config.homeservers)),
        };
        Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            proxy_detector: UnconfiguredProxyDetector::default(),
        }
    }

    /// Returns the snapshot in force. For use without an `await`.
    #[must_use]
    pub fn load(&self) -> Guard<Arc<RoutingSnapshot>> {
        self.snapshot.load()
    }

    /// Replaces the snapshot, also for the next requests of open connections.
    pub fn set(&self, snapshot: RoutingSnapshot) {
        let changes = snapshot.trusted_proxies.changes();
        if changes != self.load().trusted_proxies.changes() {
            // Before a request uses the list. Those with the old one are ignored from here on.
            self.proxy_detector.restart(changes);
        }
        self.snapshot.store(Arc::new(snapshot));
    }
}
