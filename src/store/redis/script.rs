//! A Lua script and its digest.

use bytes_utils::Str;
use fred::util::sha1_hash;

/// A script and its SHA-1 digest, by which Redis finds it in its cache.
#[derive(Debug)]
pub(super) struct Script {
    sha: Str,
    body: &'static str,
    /// Whether a call ends if one of its tries may have run, since that try may run later.
    runs_once: bool,
    /// The status letters that acknowledge a change. Replicas must have it, if workers wait for them.
    acknowledging: &'static str,
}

impl Script {
    pub(super) fn new(body: &'static str) -> Self {
        // Leaked once per process: every call clones it, and clones of a counted string would share
        // one counter.
        let sha = Str::from_static(sha1_hash(body).leak());
        Self {
            sha,
            body,
            runs_once: false,
            acknowledging: "",
        }
    }

    /// A script whose calls end if one of their tries may have run.
    pub(super) fn run_once(body: &'static str) -> Self {
        Self {
            runs_once: true,
            ..Self::new(body)
        }
    }

    /// Sets the status letters that acknowledge a change.
    pub(super) fn acknowledging(self, acknowledging: &'static str) -> Self {
        Self {
            acknowledging,
            ..self
        }
    }

    /// Whether a reply with this status acknowledges a change.
    pub(super) fn acknowledges(&self, status: char) -> bool {
        self.acknowledging.contains(status)
    }

    pub(super) fn runs_once(&self) -> bool {
        self.runs_once
    }

    pub(super) fn sha(&self) -> Str {
        self.sha.clone()
    }

    pub(super) fn body(&self) -> &'static str {
        self.body
    }
}
