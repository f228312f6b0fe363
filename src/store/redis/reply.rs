//! The replies of the scripts.
//!
//! A reply is one string: the call's nonce, a status letter, and the letter's data. If there is
//! more, the reply is an array of that string, the payload of a read, the milliseconds until the
//! session expires, and its timestamps. Each part is there only if it is due: the payload is a
//! string, the others are numbers.
//!
//! A reply that is not of this form, or that echoes another nonce, belongs to another call. It is
//! rejected, and `scripts` drops its connection.

use crate::model::{Payload, SequenceToken};
use crate::store::{Progress, StoreError, Timestamps};
use bytes_utils::Str;
use fred::types::Value;
use std::time::{Duration, SystemTime};

/// A reply of the right form to this call.
#[derive(Debug)]
pub(super) struct ScriptReply {
    /// The status letter. The heads of the scripts give its meaning.
    pub(super) status: char,
    /// Whether an earlier try of this call may have run, so that this try may have found its
    /// effect.
    pub(super) may_have_run_before: bool,
    /// The rest of the string after the status letter.
    tail: Str,
    payload: Option<Str>,
    ttl: Option<Duration>,
    timestamps: Option<Timestamps>,
}

impl ScriptReply {
    /// Parses the reply to the call with this nonce, which is never 0.
    ///
    /// # Errors
    /// [`StoreError::BadReply`] if the reply is of another form, or belongs to another call.
    pub(super) fn parse(
        nonce: u64,
        may_have_run_before: bool,
        value: Value,
    ) -> Result<Self, StoreError> {
        Self::try_parse(nonce, may_have_run_before, value).ok_or(StoreError::BadReply)
    }

    fn try_parse(nonce: u64, may_have_run_before: bool, value: Value) -> Option<Self> {
        let (head, mut values) = match value {
            // A reply of a single element is not an array.
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

    /// Returns the session's timestamps.
    ///
    /// # Errors
    /// [`StoreError::BadReply`] if the reply has timestamps that were not requested, or the
    /// reverse. So do the methods below, if the reply has other parts than theirs.
    pub(super) fn timestamps(&self, requested: bool) -> Result<Option<Timestamps>, StoreError> {
        if self.timestamps.is_some() == requested {
            Ok(self.timestamps)
        } else {
            Err(StoreError::BadReply)
        }
    }

    /// The letter's data, if the reply has neither a payload nor a TTL.
    fn body(&self) -> Result<&str, StoreError> {
        match (&self.payload, self.ttl) {
            (None, None) => Ok(&self.tail),
            _ => Err(StoreError::BadReply),
        }
    }

    /// Returns `meaning` if the reply has no data.
    pub(super) fn expect_empty<T>(&self, meaning: T) -> Result<T, StoreError> {
        match self.body()? {
            "" => Ok(meaning),
            _ => Err(StoreError::BadReply),
        }
    }

    /// Returns the data as a token.
    pub(super) fn token(&self) -> Result<SequenceToken, StoreError> {
        SequenceToken::parse(self.body()?.as_bytes()).ok_or(StoreError::BadReply)
    }

    /// Returns the data as a token, or `None` if there is no data.
    pub(super) fn optional_token(&self) -> Result<Option<SequenceToken>, StoreError> {
        if self.body()?.is_empty() {
            return Ok(None);
        }
        self.token().map(Some)
    }

    /// Returns the data as a number.
    pub(super) fn number(&self) -> Result<u64, StoreError> {
        self.body()?.parse().map_err(|_| StoreError::BadReply)
    }

    /// Parses the data.
    pub(super) fn text<T>(&self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, StoreError> {
        parse(self.body()?).ok_or(StoreError::BadReply)
    }

    /// Returns the data as the progress of a session.
    pub(super) fn progress(&self) -> Result<Progress, StoreError> {
        self.text(|text| {
            let (writes, step) = text.split_once(' ')?;
            Some(Progress {
                writes: writes.parse().ok()?,
                step: Duration::from_millis(step.parse().ok()?),
            })
        })
    }

    /// Returns the data as a time in milliseconds.
    pub(super) fn millis(&self) -> Result<Duration, StoreError> {
        self.number().map(Duration::from_millis)
    }

    /// Returns the token, the TTL and the payload of a session.
    pub(super) fn session_state(self) -> Result<(SequenceToken, Duration, Payload), StoreError> {
        let token = SequenceToken::parse(self.tail.as_bytes()).ok_or(StoreError::BadReply)?;
        let payload = self.payload.and_then(Payload::from_stored);
        match (payload, self.ttl) {
            (Some(payload), Some(ttl)) => Ok((token, ttl, payload)),
            _ => Err(StoreError::BadReply),
        }
    }

    /// Returns the TTL of a session, if the reply has no data and no payload.
    pub(super) fn ttl(&self) -> Result<Duration, StoreError> {
        match (&*self.tail, &self.payload, self.ttl) {
            ("", None, Some(ttl)) => Ok(ttl),
            _ => Err(StoreError::BadReply),
        }
    }
}

/// Returns a string. fred returns bytes for a string that is not UTF-8, which no reply of a script
/// is.
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
