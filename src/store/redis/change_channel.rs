//! The channel on which the scripts publish which session they changed.

use crate::store::redis::argument::Argument;
use std::sync::atomic::{AtomicBool, Ordering};

/// The channel of all workers that share a prefix.
#[derive(Debug)]
pub(super) struct ChangeChannel {
    name: String,
    is_silent: AtomicBool,
}

impl ChangeChannel {
    /// `<prefix>changes`.
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            name: format!("{prefix}changes"),
            is_silent: AtomicBool::new(false),
        }
    }

    /// The channel's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The argument of a script that publishes: the name, or nothing while the channel is silent.
    /// A denied PUBLISH fails no script, but it is an entry in Redis' ACL LOG.
    pub(super) fn argument(&self) -> Argument<'_> {
        if self.is_silent.load(Ordering::Relaxed) {
            Argument::Bytes(b"")
        } else {
            Argument::Bytes(self.name.as_bytes())
        }
    }

    /// Sets whether the scripts publish nothing: no read is held, or Redis denies this user the channel.
    pub(super) fn set_silent(&self, is_silent: bool) {
        self.is_silent.store(is_silent, Ordering::Relaxed);
    }
}
