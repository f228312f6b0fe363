//! What `/version` says: the build, the configuration and the store of this replica.
//!
//! Replicas of one deployment say the same. If the stores differ, each has its own sessions, and
//! sign-ins fail whenever the two devices meet different replicas.

use crate::store::StoreIdentity;
use crate::telemetry::version::{REVISION, VERSION};
use arc_swap::ArcSwap;
use serde::Serialize;
use std::sync::Arc;

/// What this replica is.
#[derive(Debug)]
pub struct ReplicaIdentity {
    /// The digest of the configuration that is in force.
    configuration: ArcSwap<String>,
    store: Arc<StoreIdentity>,
}

/// The JSON of `/version`. Members may be added.
#[derive(Serialize)]
struct Json<'a> {
    version: &'static str,
    revision: &'static str,
    configuration: &'a str,
    store: Option<&'a str>,
}

impl ReplicaIdentity {
    /// Creates it with the digest of the configuration at the start.
    #[must_use]
    pub fn new(configuration: String, store: Arc<StoreIdentity>) -> Self {
        Self {
            configuration: ArcSwap::from_pointee(configuration),
            store,
        }
    }

    /// Replaces the digest of the configuration.
    pub fn set_configuration(&self, digest: String) {
        self.configuration.store(Arc::new(digest));
    }

    /// Returns the page, with a newline at its end.
    ///
    /// # Panics
    /// Never: the page is a struct of strings.
    pub(super) fn to_json(&self) -> String {
        let (configuration, store) = (self.configuration.load(), self.store.get());
        let json = Json {
            version: VERSION,
            revision: REVISION,
            configuration: &configuration,
            store: store.as_deref().map(String::as_str),
        };
        let mut text = serde_json::to_string(&json).expect("strings");
        text.push('\n');
        text
    }
}
