//! The channel on which the scripts publish which session they changed.

use crate::store::redis::argument::Argument;
use std::sync::atomic::{AtomicBool, Ordering};

/// The channel of all workers that share a prefix.
#[derive(Debug)]
pub(super) struct ChangeChannel {
    name: String,
    is_denied: AtomicBool,
}

impl ChangeChannel {
    /// `<prefix>changes`.
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            name: format!("{prefix}changes"),
            is_denied: AtomicBool::new(false),
        }
    }

    /// The channel's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The argument of a script that publishes: the name, or nothing while Redis denies the channel.
    /// A denied PUBLISH fails no script, but it is an entry in Redis' ACL LOG.
    pub(super) fn argument(&self) -> Argument<'_> {
        if self.is_denied.load(Ordering::Relaxed) {
            Argument::Bytes(b"")
        } else {
            Argument::Bytes(self.name.as_bytes())
        }
    }

    /// Sets whether Redis denies this user the channel. Returns whether that is new.
    pub(super) fn set_denied(&self, is_denied: bool) -> bool {
        self.is_denied.swap(is_denied, Ordering::Relaxed) != is_denied
    }
}
