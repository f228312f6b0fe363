//! When a session was last written and when it expires, and the result of a call that may have both.

use std::time::{Duration, SystemTime};

/// When a session was last written and when it expires, in wall-clock time by the store's clock.
/// That clock is the same for all replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamps {
    /// The last write, or the creation if there was none.
    pub modified: SystemTime,
    /// The expiry, which is fixed at creation.
    pub expires: SystemTime,
}

impl Timestamps {
    /// Returns the time since the last write, or since the creation if there was none, of a session
    /// that expires in `expires_in`. It is the store's own measure: no clock of this machine takes
    /// part.
    #[must_use]
    pub fn since_write(&self, expires_in: Duration) -> Duration {
        let lifetime = self.expires.duration_since(self.modified);
        lifetime.unwrap_or_default().saturating_sub(expires_in)
    }
}

/// The result of a call, with the session's timestamps if they were requested and the session
/// lives.
///
/// They are optional because most calls do not need them, and they are a tenth of Redis' work for a
/// call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WithTimestamps<T> {
    /// The result.
    pub result: T,
    /// The timestamps.
    pub timestamps: Option<Timestamps>,
}

impl<T> WithTimestamps<T> {
    /// Wraps a result without timestamps.
    pub fn without_timestamps(result: T) -> Self {
        Self {
            result,
            timestamps: None,
        }
    }
}
