//! Replies of the Lua scripts. The input is a nonce, whether the reply begins with it, and a reply.

use crate::input::Input;
use matrix_rendezvous::model::MAX_PAYLOAD_BYTES;
use matrix_rendezvous::store::redis::fuzzing::{RawReply, ReplyMeanings, parse_script_reply};
use std::time::Duration;

/// The deepest array. fred limits the depth too; no script nests arrays.
const MAX_DEPTH: usize = 2;

/// Checks that no reply to another call is accepted, and that a reply has one meaning.
///
/// # Panics
/// If a property is violated.
pub fn check(data: &[u8]) {
    let mut input = Input(data);
    // Nonces begin with 1. Small ones make it likely that a reply has a similar one.
    let nonce = match input.byte() {
        0 => u64::from_be_bytes(input.bytes()).max(1),
        small => u64::from(small),
    };
    let prefix = match input.byte() % 2 {
        0 => String::new(),
        _ => nonce.to_string(),
    };
    let reply = reply(&mut input, &prefix, 0);
    let Some(meanings) = parse_script_reply(nonce, reply.clone()) else {
        return;
    };
    let (RawReply::Text(head), parts) = parts(&reply) else {
        panic!("the head is no text: {reply:?}");
    };
    let data = head
        .strip_prefix(&nonce.to_string())
        .expect("the nonce of the call");
    let data = data.strip_prefix(meanings.status).expect("the status");
    assert!(meanings.status.is_ascii_uppercase());
    check_meanings(&meanings, data, parts.len());

    let others = [
        nonce - 1,
        nonce.wrapping_add(1),
        nonce / 10,
        nonce.wrapping_mul(10),
        0,
        1,
    ];
    for other in others.into_iter().filter(|other| *other != nonce) {
        let taken = parse_script_reply(other, reply.clone());
        assert!(taken.is_none(), "call {other} takes {reply:?}");
    }
}

/// Each form of a reply is separate: a body, a TTL, or the state of a session.
fn check_meanings(meanings: &ReplyMeanings, data: &str, parts: usize) {
    let ReplyMeanings {
        token,
        number,
        progress,
        ttl,
        state,
        timestamps,
        is_empty,
        ..
    } = meanings;
    let has_body = token.is_some() || number.is_some() || progress.is_some() || *is_empty;
    assert!(!(has_body && (ttl.is_some() || state.is_some())));
    assert!(!(ttl.is_some() && state.is_some()));
    assert_eq!(*is_empty, data.is_empty() && has_body);
    let expected = usize::from(state.is_some())
        + usize::from(ttl.is_some() || state.is_some())
        + 2 * usize::from(timestamps.is_some());
    assert!(!(has_body || ttl.is_some() || state.is_some()) || parts == expected);
    if let Some(token) = token {
        assert_eq!(token.as_str(), data);
    }
    if let Some((token, _, payload)) = state {
        assert_eq!(token.as_str(), data);
        assert!(payload.as_bytes().len() <= MAX_PAYLOAD_BYTES);
    }
    if let Some(progress) = progress {
        let (writes, step) = data.split_once(' ').expect("two numbers");
        assert_eq!(writes.parse(), Ok(progress.writes));
        assert_eq!(step.parse().map(Duration::from_millis), Ok(progress.step));
    }
}

/// The head of a reply, and what follows it.
fn parts(reply: &RawReply) -> (&RawReply, &[RawReply]) {
    match reply {
        RawReply::Array(parts) => {
            let (head, rest) = parts.split_first().expect("an array with a head");
            (head, rest)
        }
        head => (head, &[]),
    }
}

/// Takes a reply. `prefix` goes before its first text.
fn reply(input: &mut Input<'_>, prefix: &str, depth: usize) -> RawReply {
    match input.byte() % 8 {
        0 => RawReply::Null,
        1 => RawReply::Integer(i64::from_be_bytes(input.bytes())),
        2 => {
            let length = usize::from(input.byte());
            RawReply::Bytes(input.slice(length).to_vec())
        }
        3 => {
            // A payload at, below and above the limit.
            let length = MAX_PAYLOAD_BYTES - 128 + usize::from(input.byte());
            RawReply::Text(format!("{prefix}{}", "x".repeat(length)))
        }
        4 | 5 if depth < MAX_DEPTH => {
            let length = input.byte() % 6;
            let mut prefixes = [prefix].into_iter();
            let parts = (0..length).map(|_| reply(input, prefixes.next().unwrap_or(""), depth + 1));
            RawReply::Array(parts.collect())
        }
        _ => {
            let length = usize::from(input.byte());
            let text = String::from_utf8_lossy(input.slice(length));
            RawReply::Text(format!("{prefix}{text}"))
        }
    }
}
