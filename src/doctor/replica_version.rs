//! The page `/version` of the admin listener of a replica.

use crate::json;
use url::Url;

/// The version of a replica: its build, its configuration and its store.
pub(super) struct ReplicaVersion {
    /// The URL of its admin listener.
    pub(super) url: Url,
    /// The version and the revision.
    pub(super) build: String,
    /// The digest of its configuration.
    pub(super) configuration: String,
    /// Which store it uses, if it was reached.
    pub(super) store: Option<String>,
}

impl ReplicaVersion {
    /// Parses the page. Returns `None` if it is not that of this service, or of an older one.
    pub(super) fn parse(url: &Url, page: &[u8]) -> Option<Self> {
        let value = json::parse_value(page).ok()?;
        let text = |member: &str| value[member].as_str().map(str::to_owned);
        Some(Self {
            url: url.clone(),
            build: format!("{} ({})", text("version")?, text("revision")?),
            configuration: text("configuration")?,
            store: text("store"),
        })
    }
}
