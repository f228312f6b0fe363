//! What a script answers: one string that begins with the call's nonce and a status letter. What the
//! letter carries follows; a payload comes as a second string, and the session's time left as a number.
//!
//! A reply that is not of this form, or echoes another nonce, is some other call's: it is never
//! believed, and `scripts` drops the connection that it came by.

use crate::model::{Payload, SequenceToken};
use crate::store::StoreError;
use bytes::Bytes;
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
    rest: Bytes,
    /// A payload, and the milliseconds that its session has left.
    state: Option<(Bytes, u64)>,
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
                let state = (string(payload)?, u64::try_from(left).ok()?);
                (string(head)?, Some(state))
            }
            head => (string(head)?, None),
        };
        let at = head.iter().position(|byte| !byte.is_ascii_digit())?;
        let echoed: u64 = std::str::from_utf8(&head[..at]).ok()?.parse().ok()?;
        let letter = head[at];
        if echoed != nonce || !letter.is_ascii_uppercase() {
            return None;
        }
        Some(Self {
            letter: char::from(letter),
            sent_again,
            rest: head.slice(at + 1..),
            state,
        })
    }

    /// A reply that carries no payload: what its letter carries.
    fn carried(&self) -> Result<&[u8], StoreError> {
        match self.state {
            None => Ok(&self.rest),
            Some(_) => Err(StoreError::BadReply),
        }
    }

    /// A reply that carries nothing means this.
    pub(super) fn bare<T>(&self, meaning: T) -> Result<T, StoreError> {
        match self.carried()? {
            [] => Ok(meaning),
            [..] => Err(StoreError::BadReply),
        }
    }

    /// A reply that carries a token.
    pub(super) fn token(&self) -> Result<SequenceToken, StoreError> {
        SequenceToken::parse(self.carried()?).ok_or(StoreError::BadReply)
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
        std::str::from_utf8(self.carried()?)
            .ok()
            .and_then(|digits| digits.parse().ok())
            .ok_or(StoreError::BadReply)
    }

    /// A reply that carries a time in milliseconds.
    pub(super) fn millis(&self) -> Result<Duration, StoreError> {
        self.number().map(Duration::from_millis)
    }

    /// A reply that carries a token, a payload, and how long they live.
    pub(super) fn state(self) -> Result<(SequenceToken, Duration, Payload), StoreError> {
        let token = SequenceToken::parse(&self.rest).ok_or(StoreError::BadReply)?;
        let (payload, left) = self.state.ok_or(StoreError::BadReply)?;
        let payload = Payload::from_stored(payload).ok_or(StoreError::BadReply)?;
        Ok((token, Duration::from_millis(left), payload))
    }
}

fn string(value: Value) -> Option<Bytes> {
    match value {
        Value::String(text) => Some(text.into_inner()),
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}
