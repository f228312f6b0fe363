//! What the log calls clients and sessions: keyed hashes, the same on all replicas for a day.
//!
//! So that lines about one of them can be told from lines about another, and followed from replica to replica,
//! by people who must not learn who it is, or get at the mailbox.

use crate::model::{ClientIp, SessionId, SharedPseudonymKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::Arc;

/// Bytes of a pseudonym, of which base64 makes 12 characters: enough to tell clients and sessions apart.
const BYTES: usize = 9;

/// What kind of name a pseudonym stands for: others than in the store, so that a log and a store that both leak
/// cannot be laid side by side.
const CLIENT: char = 'l';
const SESSION: char = 'm';

/// Makes pseudonyms.
#[derive(Debug, Clone)]
pub struct Pseudonyms(Arc<SharedPseudonymKey>);

impl Pseudonyms {
    /// With that key.
    #[must_use]
    pub fn new(secret: Arc<SharedPseudonymKey>) -> Self {
        Self(secret)
    }

    /// A client's.
    #[must_use]
    pub fn client(&self, client: ClientIp) -> String {
        self.of(CLIENT, &client.octets())
    }

    /// A session's.
    #[must_use]
    pub fn session(&self, session: SessionId) -> String {
        self.of(SESSION, session.as_bytes())
    }

    fn of(&self, kind: char, name: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(&self.0.get().hash(kind, name)[..BYTES])
    }
}
