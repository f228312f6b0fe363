//! What the attackers did, and what came of it.

use crate::http::Reply;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts, shared by all attackers of a battle.
#[derive(Debug, Default)]
pub struct Tally {
    asked: AtomicU64,
    refused: AtomicU64,
}

impl Tally {
    /// Counts a request, or a connection where a connection is what the attacker wants, and how it ended: with a
    /// refusal, an answer, or without either, which is as good as a refusal.
    pub fn count(&self, ended: &std::io::Result<Reply>) {
        let refused = match ended {
            Ok(reply) => matches!(reply.status, 401 | 403 | 429 | 503),
            Err(_) => true,
        };
        self.asked.fetch_add(1, Relaxed);
        self.refused.fetch_add(u64::from(refused), Relaxed);
    }

    /// Counts a connection, or a request that nobody waits for.
    pub fn ask(&self) {
        self.asked.fetch_add(1, Relaxed);
    }

    /// Counts that the last one was refused after all.
    pub fn refuse(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// How many there were.
    pub fn asked(&self) -> u64 {
        self.asked.load(Relaxed)
    }

    /// How many of them were refused.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}
