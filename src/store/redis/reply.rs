//! What a script answers: one string that begins with the call's nonce and a status letter. What the
//! letter carries follows; a payload comes as a second string, and the session's time left as a number.
//!
//! A reply that is not of this form, or echoes another nonce, is some other call's: it is never
//! believed, and `scripts` drops the connection that it came by.

use crate::model::{Payload, SequenceToken};
use crate::store::StoreError;
use bytes_utils::Str;
use fred::types::Value;
use std::time::Duration;

/// A reply of the right form to the right call.
#[derive(Debug)]
pub(super) struct Reply {
    /// How it went; the scripts' heads say what each letter means.
    pub(super) letter: char,
    /// Whether the call was sent more than once, so that an earlier run may be what it found.
    pub(super) sent_again: bool,
    /// What follows the letter.
    rest: Str,
    /// A payload, and the milliseconds that its session has left.
    state: Option<(Str, u64)>,
}

impl Reply {
    /// Reads the reply to the call with that nonce.
    pub(super) fn parse(nonce: u64, sent_again: bool, value: Value) -> Option<Self> {
        let (head, state) = match value {
            Value::Array(values) => {
                let [head, payload, left] = <[Value; 3]>::try_from(values).ok()?;
                let Value::Integer(left) = left else {
                    return None;
                };
                let state = (text(payload)?, u64::try_from(left).ok()?);
                (text(head)?, Some(state))
            }
            head => (text(head)?, None),
        };
        let at = head.find(|part: char| !part.is_ascii_digit())?;
        let (echoed, rest) = head.split_at(at);
        let letter = rest.chars().next()?;
        if echoed.parse() != Ok(nonce) || !letter.is_ascii_uppercase() {
            return None;
        }
        Some(Self {
            letter,
            sent_again,
            rest: head.slice(at + 1..),
            state,
        })
    }

    /// A reply that carries no payload: what its letter carries.
    fn carried(&self) -> Result<&str, StoreError> {
        match self.state {
            None => Ok(&self.rest),
            Some(_) => Err(StoreError::BadReply),
        }
    }

    /// A reply that carries nothing means this.
    pub(super) fn bare<T>(&self, meaning: T) -> Result<T, StoreError> {
        match self.carried()? {
            "" => Ok(meaning),
            _ => Err(StoreError::BadReply),
        }
    }

    /// A reply that carries a token.
    pub(super) fn token(&self) -> Result<SequenceToken, StoreError> {
        SequenceToken::parse(self.carried()?.as_bytes()).ok_or(StoreError::BadReply)
    }

    /// A reply that carries a token, or nothing.
    pub(super) fn optional_token(&self) -> Result<Option<SequenceToken>, StoreError> {
        if self.carried()?.is_empty() {
            return Ok(None);
        }
        self.token().map(Some)
    }

    /// A reply that carries a number.
    pub(super) fn number(&self) -> Result<u64, StoreError> {
        self.carried()?.parse().map_err(|_| StoreError::BadReply)
    }

    /// A reply that carries a time in milliseconds.
    pub(super) fn millis(&self) -> Result<Duration, StoreError> {
        self.number().map(Duration::from_millis)
    }

    /// A reply that carries a token, a payload, and how long they live.
    pub(super) fn state(self) -> Result<(SequenceToken, Duration, Payload), StoreError> {
        let token = SequenceToken::parse(self.rest.as_bytes()).ok_or(StoreError::BadReply)?;
        let (payload, left) = self.state.ok_or(StoreError::BadReply)?;
        let payload = Payload::from_stored(payload).ok_or(StoreError::BadReply)?;
        Ok((token, Duration::from_millis(left), payload))
    }
}

/// A string, which fred takes for bytes where it is no UTF-8; nothing of ours is that.
fn text(value: Value) -> Option<Str> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}
