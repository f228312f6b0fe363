//! Pseudonyms of clients and sessions in logs and traces: keyed hashes, the same on all replicas
//! for a day.
//!
//! An operator can correlate the lines of one client or session across replicas, but learns neither
//! the client's address nor the session's id, which would give access to the session.

use crate::model::{ClientIp, SessionId, SharedPseudonymKey};
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
        self.compute(CLIENT_DOMAIN, &client.octets())
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
