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
    pub(super) status: char,
    /// Whether an earlier try of the call may have run, so that it may be what this one found.
    pub(super) may_have_run_before: bool,
    /// What follows the letter.
    tail: Str,
    payload: Option<Str>,
    ttl: Option<Duration>,
    timestamps: Option<Timestamps>,
}

impl ScriptReply {
    /// Reads the reply to the call with that nonce, which is not 0.
    pub(super) fn parse(
        nonce: u64,
        may_have_run_before: bool,
        value: Value,
    ) -> Result<Self, StoreError> {
        Self::try_parse(nonce, may_have_run_before, value).ok_or(StoreError::BadReply)
    }

    fn try_parse(nonce: u64, may_have_run_before: bool, value: Value) -> Option<Self> {
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
        let status = char::from(bytes[at]);
        let payload = match values.as_slice() {
            [Value::String(_), ..] => text(values.next()?),
            _ => None,
        };
        let (ttl, timestamps) = match values.as_slice() {
            [] => (None, None),
            [ttl] => (Some(millis(ttl)?), None),
            [modified, expires] => (None, Some(parse_timestamps(modified, expires)?)),
            [ttl, modified, expires] => (
                Some(millis(ttl)?),
                Some(parse_timestamps(modified, expires)?),
            ),
            [..] => return None,
        };
        Some(Self {
            status,
            may_have_run_before,
            tail: head.slice(at + 1..),
            payload,
            ttl,
            timestamps,
        })
    }

    /// The session's dates, where they were wanted.
    pub(super) fn timestamps(&self, wanted: bool) -> Result<Option<Timestamps>, StoreError> {
        if self.timestamps.is_some() == wanted {
            Ok(self.timestamps)
        } else {
            Err(StoreError::BadReply)
        }
    }

    /// A reply that carries no payload and no time left: what its letter carries.
    fn body(&self) -> Result<&str, StoreError> {
        match (&self.payload, self.ttl) {
            (None, None) => Ok(&self.tail),
            _ => Err(StoreError::BadReply),
        }
    }

    /// A reply that carries nothing means this.
    pub(super) fn expect_empty<T>(&self, meaning: T) -> Result<T, StoreError> {
        match self.body()? {
            "" => Ok(meaning),
            _ => Err(StoreError::BadReply),
        }
    }

    /// A reply that carries a token.
    pub(super) fn token(&self) -> Result<SequenceToken, StoreError> {
        SequenceToken::parse(self.body()?.as_bytes()).ok_or(StoreError::BadReply)
    }

    /// A reply that carries a token, or nothing.
    pub(super) fn optional_token(&self) -> Result<Option<SequenceToken>, StoreError> {
        if self.body()?.is_empty() {
            return Ok(None);
        }
        self.token().map(Some)
    }

    /// A reply that carries a number.
    pub(super) fn number(&self) -> Result<u64, StoreError> {
        self.body()?.parse().map_err(|_| StoreError::BadReply)
    }

    /// A reply that carries a text of some form.
    pub(super) fn text<T>(&self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, StoreError> {
        parse(self.body()?).ok_or(StoreError::BadReply)
    }

    /// A reply that carries how far a session is.
    pub(super) fn progress(&self) -> Result<Progress, StoreError> {
        self.text(|text| {
            let (writes, time_to_first_write) = match text.split_once(' ') {
                Some((writes, time_to_first_write)) => (writes, Some(time_to_first_write)),
                None => (text, None),
            };
            let time_to_first_write = time_to_first_write.map(str::parse).transpose().ok()?;
            Some(Progress {
                writes: writes.parse().ok()?,
                time_to_first_write: time_to_first_write.map(Duration::from_millis),
            })
        })
    }

    /// A reply that carries a time in milliseconds.
    pub(super) fn millis(&self) -> Result<Duration, StoreError> {
        self.number().map(Duration::from_millis)
    }

    /// A reply that carries a token, a payload, and how long they live.
    pub(super) fn session_state(self) -> Result<(SequenceToken, Duration, Payload), StoreError> {
        let token = SequenceToken::parse(self.tail.as_bytes()).ok_or(StoreError::BadReply)?;
        let payload = self.payload.and_then(Payload::from_stored);
        match (payload, self.ttl) {
            (Some(payload), Some(ttl)) => Ok((token, ttl, payload)),
            _ => Err(StoreError::BadReply),
        }
    }

    /// A reply that carries how long a session lives, and nothing else.
    pub(super) fn ttl(&self) -> Result<Duration, StoreError> {
        match (&*self.tail, &self.payload, self.ttl) {
            ("", None, Some(ttl)) => Ok(ttl),
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

fn parse_timestamps(modified: &Value, expires: &Value) -> Option<Timestamps> {
    Some(Timestamps {
        modified: SystemTime::UNIX_EPOCH + millis(modified)?,
        expires: SystemTime::UNIX_EPOCH + millis(expires)?,
    })
}
