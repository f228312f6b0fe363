//! The arguments of a script, and their encoding for fred.

use crate::model::Payload;
use bytes::Bytes;
use fred::types::Value;
use std::time::Duration;

/// One argument of a script. Borrowed, since a retry needs it again.
#[derive(Debug, Clone, Copy)]
pub(super) enum Argument<'a> {
    /// Text or bytes, copied.
    Bytes(&'a [u8]),
    /// A payload, shared.
    Payload(&'a Payload),
    /// A number.
    Number(u64),
}

impl Argument<'static> {
    /// Requests the session's timestamps.
    pub(super) const TIMESTAMPS: Self = Argument::Bytes(b"dates");

    /// Requests the session's timestamps, or not.
    pub(super) fn timestamps(requested: bool) -> Self {
        if requested {
            Self::TIMESTAMPS
        } else {
            Self::Bytes(b"")
        }
    }

    /// A number of things.
    pub(super) fn count(count: usize) -> Self {
        Self::Number(count.try_into().unwrap_or(u64::MAX))
    }

    /// A duration in milliseconds.
    pub(super) fn millis(duration: Duration) -> Self {
        Self::Number(duration.as_millis().try_into().unwrap_or(u64::MAX))
    }
}

/// The nonce, followed by the arguments of the script.
pub(super) fn to_values(nonce: u64, arguments: &[Argument<'_>]) -> Vec<Value> {
    let mut values = Vec::with_capacity(arguments.len() + 1);
    values.push(to_integer(nonce));
    values.extend(arguments.iter().map(|argument| match argument {
        Argument::Bytes(bytes) => Value::Bytes(Bytes::copy_from_slice(bytes)),
        Argument::Payload(payload) => Value::Bytes(payload.to_bytes()),
        Argument::Number(value) => to_integer(*value),
    }));
    values
}

/// All numbers of this server stay below 2^53, up to which Lua's numbers are exact.
fn to_integer(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}
