//! What a script answers: one string that begins with the call's nonce and a status letter. What the
//! letter carries follows; a payload comes as a second string.
//!
//! A reply that is not of this form, or echoes another nonce, is some other call's: it is never
//! believed, and `scripts` drops the connection that it came by.

use crate::model::{Payload, SequenceToken, TOKEN_LEN};
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
    payload: Option<Bytes>,
}

impl Reply {
    /// Reads the reply to the call with that nonce.
    pub(super) fn parse(nonce: u64, sent_again: bool, value: Value) -> Option<Self> {
        let (head, payload) = match value {
            Value::Array(values) => {
                let [head, payload] = <[Value; 2]>::try_from(values).ok()?;
                (string(head)?, Some(string(payload)?))
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
            payload,
        })
    }

    /// A reply that carries no payload: what its letter carries.
    fn carried(&self) -> Result<&[u8], StoreError> {
        match self.payload {
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
        parse_number(self.carried()?)
    }

    /// A reply that carries a time in milliseconds.
    pub(super) fn millis(&self) -> Result<Duration, StoreError> {
        self.number().map(Duration::from_millis)
    }

    /// A reply that carries a token, a time in milliseconds, and a payload.
    pub(super) fn state(self) -> Result<(SequenceToken, Duration, Payload), StoreError> {
        let (token, left) = self
            .rest
            .split_at_checked(TOKEN_LEN)
            .ok_or(StoreError::BadReply)?;
        let token = SequenceToken::parse(token).ok_or(StoreError::BadReply)?;
        let left = Duration::from_millis(parse_number(left)?);
        let payload = self.payload.and_then(Payload::from_stored);
        Ok((token, left, payload.ok_or(StoreError::BadReply)?))
    }
}

fn string(value: Value) -> Option<Bytes> {
    match value {
        Value::String(text) => Some(text.into_inner()),
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

fn parse_number(digits: &[u8]) -> Result<u64, StoreError> {
    std::str::from_utf8(digits)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(StoreError::BadReply)
}
