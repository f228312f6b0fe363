//! Pseudonyms of clients and sessions in logs and traces: keyed hashes, the same on all replicas
//! for a day.
//!
//! An operator can correlate the lines of one client or session across replicas, but learns neither
//! the client's address nor the session's id, which would give access to the session.

use crate::model::{ClientIp, Principal, SessionId, SharedPseudonymKey, StoredPrincipal};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::Arc;

/// Length of a pseudonym in bytes, which are 12 characters of base64: long enough to be unique
/// among clients and sessions.
const BYTES: usize = 9;

/// Hash domain of clients. The domains differ from those of the store, so that the hashes of a
/// leaked log and of a leaked store cannot be matched.
const CLIENT_DOMAIN: char = 'l';

/// Hash domain of sessions.
const SESSION_DOMAIN: char = 'm';

/// Hash domain of users.
const USER_DOMAIN: char = 'k';

/// Computes pseudonyms.
#[derive(Debug, Clone)]
pub struct Pseudonyms(Arc<SharedPseudonymKey>);

impl Pseudonyms {
    /// Uses this key, which is replaced once a day.
    #[must_use]
    pub fn new(key: Arc<SharedPseudonymKey>) -> Self {
        Self(key)
    }

    /// Returns a client's pseudonym.
    #[must_use]
    pub fn client(&self, client: ClientIp) -> String {
        self.stored_client(&StoredPrincipal::Named(Principal::Client(client)))
    }

    /// Returns the pseudonym of a client that a store has with a session. It is the hash of a hash, so
    /// that one who has the key can compute it from the hash in Redis: the admin API finds the client of
    /// a log line (docs/adr/0019-admin-api.md). If the key was replaced since the session's creation, it
    /// is another one than that of the client's log lines.
    #[must_use]
    pub fn stored_client(&self, client: &StoredPrincipal) -> String {
        self.compute(CLIENT_DOMAIN, &self.0.get().principal_hash(client))
    }

    /// Returns a user's pseudonym, as [`Self::stored_client`] does.
    #[must_use]
    pub fn stored_user(&self, user: &StoredPrincipal) -> String {
        self.compute(USER_DOMAIN, &self.0.get().principal_hash(user))
    }

    /// Returns a session's pseudonym.
    #[must_use]
    pub fn session(&self, session: SessionId) -> String {
        self.compute(SESSION_DOMAIN, session.as_bytes())
    }

    fn compute(&self, domain: char, name: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(&self.0.get().hash(domain, name)[..BYTES])
    }
}
