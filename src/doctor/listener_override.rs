//! `--via URL`: to the service itself, past the proxy.

use crate::doctor::target::{has_same_host, parse_base_url};
use url::Url;

/// Where the requests to one host go instead: to an HTTP listener of matrix-rendezvous.
#[derive(Debug, Clone)]
pub(super) struct ListenerOverride {
    /// A URL of the public host.
    pub(super) public: Url,
    /// The URL of the listener.
    pub(super) via: Url,
}

impl ListenerOverride {
    /// Whether a request to `url` is sent to the listener: its host and its port are the public ones.
    pub(super) fn replaces(&self, url: &Url) -> bool {
        has_same_host(url, &self.public)
    }
}

/// Parses the URL of an HTTP listener.
pub(super) fn parse_listener(text: &str) -> Result<Url, &'static str> {
    let url = parse_base_url(text).filter(|url| url.path() == "/");
    url.ok_or("expected the URL of an HTTP listener, such as http://10.0.0.7:8080")
}
