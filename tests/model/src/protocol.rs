//! The rules that the model follows: ours, or rules with one known flaw.

use crate::token::TokenScheme;

/// Number of earlier tokens that a session remembers, as in `src/store.rs`.
pub const RECENT_TOKENS: usize = 4;

/// The rules of workers and scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// How tokens are computed.
    pub scheme: TokenScheme,
    /// Whether a worker sends the script of a creation again under the same id if its connection
    /// breaks. The server does not; the model shows what it would cost.
    pub resends_creation: bool,
    /// Whether a change is acknowledged only once the replica has it (`WAIT`).
    pub waits_for_replica: bool,
    /// The flaw, if these are known-bad rules.
    pub flaw: Option<Flaw>,
}

/// One way to get the protocol wrong. The checker must find each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The write script does not remember the tokens before the current one.
    NoTokenMemory,
    /// The write script recognises a retry by its token, although the token does not depend on the
    /// payload (for the counter).
    RetryMatchedByTokenOnly,
    /// The write script does not record the responses to txnIds.
    TxnNotRecorded,
    /// The write script does not compare tokens.
    BlindWrite,
    /// The write script compares in one step and sets in another.
    TwoStepWrite,
    /// The read script does not begin with a write.
    UnfencedRead,
    /// The write script returns a conflict or a retry without a write.
    UnfencedWriteReply,
    /// A worker that does not know the outcome returns 404 in place of 503.
    NotFoundIfUnknown,
    /// A worker that sent a DELETE twice returns 404 if the second one finds nothing.
    NotFoundIfDeleteWasResent,
    /// With `WAIT`: a worker waits only after a write that it applied itself, not after a retry.
    RetryDoesNotWait,
    /// A worker stays connected to the old primary after the new one was announced.
    StaysOnOldPrimary,
}

impl Protocol {
    /// Returns the rules of the server: a hash chain, and no flaw.
    pub const fn hash_chain() -> Self {
        Self {
            scheme: TokenScheme::HashChain,
            resends_creation: false,
            waits_for_replica: false,
            flaw: None,
        }
    }

    /// Returns the same rules with a counter. Beside each remembered token, the session keeps what
    /// was written, because the number alone does not identify a write.
    pub const fn counter() -> Self {
        Self {
            scheme: TokenScheme::Counter,
            ..Self::hash_chain()
        }
    }

    /// Returns these rules with a flaw.
    #[must_use]
    pub const fn with_flaw(self, flaw: Flaw) -> Self {
        Self {
            flaw: Some(flaw),
            ..self
        }
    }

    /// Returns these rules with one difference: a creation is sent again under the same id.
    #[must_use]
    pub const fn with_creation_resent(self) -> Self {
        Self {
            resends_creation: true,
            ..self
        }
    }

    /// Returns these rules with one difference: the replica has each change that is acknowledged.
    #[must_use]
    pub const fn with_wait_for_replica(self) -> Self {
        Self {
            waits_for_replica: true,
            ..self
        }
    }

    /// Whether these rules have the flaw.
    pub fn has(self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// Whether a retry is recognised by its token alone. The token of a counter does not depend on the
    /// payload, so the payload is compared too.
    pub fn matches_retry_by_token_only(self) -> bool {
        self.scheme != TokenScheme::Counter || self.has(Flaw::RetryMatchedByTokenOnly)
    }

    /// Number of earlier tokens by which a retry is recognised.
    pub fn remembered_tokens(self) -> usize {
        if self.has(Flaw::NoTokenMemory) {
            0
        } else {
            RECENT_TOKENS
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RECENT_TOKENS;

    #[test]
    fn memory_is_as_long_as_in_the_server() {
        let line = format!("pub const RECENT_TOKENS: usize = {RECENT_TOKENS};");
        assert!(include_str!("../../../src/store.rs").contains(&line));
    }
}
