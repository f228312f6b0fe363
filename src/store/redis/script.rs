//! A Lua script and its digest.

use bytes_utils::Str;
use fred::util::sha1_hash;

/// A script and its SHA-1 digest, by which Redis finds it in its cache.
#[derive(Debug)]
pub(super) struct Script {
    sha: Str,
    body: &'static str,
}

impl Script {
    pub(super) fn new(body: &'static str) -> Self {
        // Leaked once per process: every call clones it, and clones of a counted string would share
        // one counter.
        let sha = Str::from_static(sha1_hash(body).leak());
        Self { sha, body }
    }

    pub(super) fn sha(&self) -> Str {
        self.sha.clone()
    }

    pub(super) fn body(&self) -> &'static str {
        self.body
    }
}
