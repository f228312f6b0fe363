//! The way of a request to this server: the proxies that it may come through, and the URLs at which
//! clients reach the homeservers. A reload replaces both at once.

use crate::config::Config;
use crate::net::client_ip::TrustedProxies;
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
pub struct CurrentRouting(ArcSwap<RoutingSnapshot>);

impl CurrentRouting {
    /// Reads the values of the start from the configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self(ArcSwap::from_pointee(RoutingSnapshot {
            trusted_proxies: Arc::new(TrustedProxies::new(&config.http)),
            base_urls: Arc::new(BaseUrls::new(&config.homeservers)),
        }))
    }

    /// Returns the snapshot in force. For use without an `await`.
    #[must_use]
    pub fn load(&self) -> Guard<Arc<RoutingSnapshot>> {
        self.0.load()
    }

    /// Replaces the snapshot, also for the next requests of open connections.
    pub fn set(&self, snapshot: RoutingSnapshot) {
        self.0.store(Arc::new(snapshot));
    }
}
