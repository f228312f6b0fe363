//! What a script answers: one string that begins with the call's nonce and a status letter. What the
//! letter carries follows. Behind it, in an array, come the payload that a read found, the milliseconds
//! that a session has left, and its dates, each where it is due: a string, and numbers.
//!
//! A reply that is not of this form, or echoes another nonce, is some other call's: it is never
//! believed, and `scripts` drops the connection that it came by.

use crate::model::{Payload, SequenceToken};
use crate::store::{Progress, StoreError, Timestamps};
use bytes_utils::Str;
use fred::types::Value;
use std::time::{Duration, SystemTime};

/// A reply of the right form to the right call.
#[derive(Debug)]
pub(super) struct ScriptReply {
    /// How it went; the scripts' heads say what each letter means.
    pub(super) letter: char,
    /// Whether an earlier try of the call may have run, so that it may be what this one found.
    pub(super) ran_before: bool,
    /// What follows the letter.
    rest: Str,
    payload: Option<Str>,
    left: Option<Duration>,
    dates: Option<Timestamps>,
}

impl ScriptReply {
    /// Reads the reply to the call with that nonce, which is not 0.
    pub(super) fn parse(nonce: u64, ran_before: bool, value: Value) -> Result<Self, StoreError> {
        Self::of_form(nonce, ran_before, value).ok_or(StoreError::BadReply)
    }

    fn of_form(nonce: u64, ran_before: bool, value: Value) -> Option<Self> {
        let (head, mut values) = match value {
            // One alone stands without an array.
            Value::Array(values) if values.len() < 2 => return None,
            Value::Array(values) => {
                let mut values = values.into_iter();
                (values.next()?, values)
            }
            head => (head, Vec::new().into_iter()),
        };
        let head = text(head)?;
        let bytes = head.as_bytes();
        let at = bytes.iter().position(|byte| !byte.is_ascii_digit())?;
        let echoed = &head[..at];
        let is_ours = echoed.parse() == Ok(nonce) && !echoed.starts_with('0');
        if !is_ours || !bytes[at].is_ascii_uppercase() {
            return None;
        }
        let letter = char::from(bytes[at]);
        let payload = match values.as_slice() {
            [Value::String(_), ..] => text(values.next()?),
            _ => None,
        };
        let (left, dates) = match values.as_slice() {
            [] => (None, None),
            [left] => (Some(millis(left)?), None),
            [modified, expires] => (None, Some(dates(modified, expires)?)),
            [left, modified, expires] => (Some(millis(left)?), Some(dates(modified, expires)?)),
            [..] => return None,
        };
        Some(Self {
            letter,
            ran_before,
            rest: head.slice(at + 1..),
            payload,
            left,
            dates,
        })
    }

    /// The session's dates, where they were wanted.
    pub(super) fn dates(&self, wanted: bool) -> Result<Option<Timestamps>, StoreError> {
        if self.dates.is_some() == wanted {
            Ok(self.dates)
        } else {
            Err(StoreError::BadReply)
        }
    }

    /// A reply that carries no payload and no time left: what its letter carries.
    fn carried(&self) -> Result<&str, StoreError> {
        match (&self.payload, self.left) {
            (None, None) => Ok(&self.rest),
            _ => Err(StoreError::BadReply),
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

    /// A reply that carries a text of some form.
    pub(super) fn text<T>(&self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, StoreError> {
        parse(self.carried()?).ok_or(StoreError::BadReply)
    }

    /// A reply that carries how far a session is.
    pub(super) fn progress(&self) -> Result<Progress, StoreError> {
        self.text(|text| {
            let (writes, contact) = match text.split_once(' ') {
                Some((writes, contact)) => (writes, Some(contact)),
                None => (text, None),
            };
            let contact = contact.map(str::parse).transpose().ok()?;
            Some(Progress {
                writes: writes.parse().ok()?,
                contact: contact.map(Duration::from_millis),
            })
        })
    }

    /// A reply that carries a time in milliseconds.
    pub(super) fn millis(&self) -> Result<Duration, StoreError> {
        self.number().map(Duration::from_millis)
    }

    /// A reply that carries a token, a payload, and how long they live.
    pub(super) fn state(self) -> Result<(SequenceToken, Duration, Payload), StoreError> {
        let token = SequenceToken::parse(self.rest.as_bytes()).ok_or(StoreError::BadReply)?;
        let payload = self.payload.and_then(Payload::from_stored);
        match (payload, self.left) {
            (Some(payload), Some(left)) => Ok((token, left, payload)),
            _ => Err(StoreError::BadReply),
        }
    }

    /// A reply that carries how long a session lives, and nothing else.
    pub(super) fn left(&self) -> Result<Duration, StoreError> {
        match (&*self.rest, &self.payload, self.left) {
            ("", None, Some(left)) => Ok(left),
            _ => Err(StoreError::BadReply),
        }
    }
}

/// A string, which fred takes for bytes where it is no UTF-8; nothing of ours is that.
fn text(value: Value) -> Option<Str> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn millis(value: &Value) -> Option<Duration> {
    match value {
        Value::Integer(millis) => Some(Duration::from_millis(u64::try_from(*millis).ok()?)),
        _ => None,
    }
}

fn dates(modified: &Value, expires: &Value) -> Option<Timestamps> {
    Some(Timestamps {
        modified: SystemTime::UNIX_EPOCH + millis(modified)?,
        expires: SystemTime::UNIX_EPOCH + millis(expires)?,
    })
}
