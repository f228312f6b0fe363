//! The parser of script replies for the fuzz targets (tests/fuzz). Only their build has this file.

use crate::model::{Payload, SequenceToken};
use crate::store::redis::reply::ScriptReply;
use crate::store::{Progress, Timestamps};
use bytes_utils::Str;
use fred::types::Value;
use std::time::Duration;

/// A reply as it arrives.
#[derive(Debug, Clone)]
pub enum RawReply {
    /// No value.
    Null,
    /// A number.
    Integer(i64),
    /// A string that is UTF-8.
    Text(String),
    /// A string of any bytes.
    Bytes(Vec<u8>),
    /// A list.
    Array(Vec<RawReply>),
}

/// What the reply is to each caller that expects a certain form; `None` if it is of another form.
#[derive(Debug)]
pub struct ReplyMeanings {
    /// The status letter.
    pub status: char,
    /// A token.
    pub token: Option<SequenceToken>,
    /// A number.
    pub number: Option<u64>,
    /// The progress of a session.
    pub progress: Option<Progress>,
    /// The time until a session expires.
    pub ttl: Option<Duration>,
    /// The token, the TTL and the payload of a session.
    pub state: Option<(SequenceToken, Duration, Payload)>,
    /// The timestamps of a session.
    pub timestamps: Option<Timestamps>,
    /// Whether the reply has no data.
    pub is_empty: bool,
}

/// Parses the reply to the call with this nonce. Returns `None` if it is rejected.
#[must_use]
pub fn parse_script_reply(nonce: u64, reply: RawReply) -> Option<ReplyMeanings> {
    let reply = ScriptReply::parse(nonce, false, reply.into()).ok()?;
    Some(ReplyMeanings {
        status: reply.status,
        token: reply.token().ok(),
        number: reply.number().ok(),
        progress: reply.progress().ok(),
        ttl: reply.ttl().ok(),
        timestamps: reply.timestamps(true).ok().flatten(),
        is_empty: reply.expect_empty(()).is_ok(),
        state: reply.session_state().ok(),
    })
}

impl From<RawReply> for Value {
    fn from(reply: RawReply) -> Self {
        match reply {
            RawReply::Null => Self::Null,
            RawReply::Integer(number) => Self::Integer(number),
            RawReply::Text(text) => Self::String(Str::from(text)),
            RawReply::Bytes(bytes) => Self::Bytes(bytes.into()),
            RawReply::Array(parts) => Self::Array(parts.into_iter().map(Self::from).collect()),
        }
    }
}
