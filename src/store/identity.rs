//! Which store a process uses.

use arc_swap::ArcSwapOption;
use std::sync::Arc;

/// Which store a process uses, in a text of a few words. Two processes with the same text share their
/// sessions.
#[derive(Debug, Default)]
pub struct StoreIdentity(ArcSwapOption<String>);

impl StoreIdentity {
    /// Creates it with this text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(ArcSwapOption::from_pointee(text))
    }

    /// Replaces the text: the store is another one since a failover, for example.
    pub fn set(&self, text: String) {
        self.0.store(Some(Arc::new(text)));
    }

    /// Returns the text. `None` if the store was not reached yet, or does not say which one it is.
    #[must_use]
    pub fn get(&self) -> Option<Arc<String>> {
        self.0.load_full()
    }
}
