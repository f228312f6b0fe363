//! Sequences of calls to the memory store. Each result is compared with the one of the plain model
//! that the contract suite uses (`tests/it/contract`). The input is a list of steps.

#![expect(
    dead_code,
    reason = "the contract suite uses the rest of the included files"
)]

#[path = "../../it/contract/fixture.rs"]
mod fixture;
#[path = "../../it/contract/model.rs"]
mod model;
#[path = "../../it/contract/requests.rs"]
mod requests;
#[path = "../../it/contract/run.rs"]
mod run;

use crate::input::Input;
use crate::ready::ready;
use fixture::MemoryFixture;
use matrix_rendezvous::model::SessionId;
use run::{OWNERS, Run, Step, Token};

/// Runs the steps on the store and on the model.
///
/// # Panics
/// If a result differs.
pub fn check(data: &[u8]) {
    let mut fixture = MemoryFixture::new();
    let mut run = Run::new(numbered_id);
    let mut input = Input(data);
    while !input.0.is_empty() {
        let step = step(&mut input);
        ready(run.step(&mut fixture, &step));
    }
}

fn numbered_id(number: usize) -> SessionId {
    SessionId::parse(format!("{number:032x}").as_bytes()).expect("32 hexadecimal digits")
}

/// Takes a step. Few sessions, few payloads and few txnIds, so that they collide.
fn step(input: &mut Input<'_>) -> Step {
    match input.byte() % 8 {
        0 | 1 => Step::Create {
            data: input.byte() % 4,
            owner: input.byte() % OWNERS,
        },
        2 => {
            let session = input.byte();
            Step::Read {
                session: session.into(),
                if_none_match: token(input),
                track_peer: session % 32 < 24,
                at_end: session >= 192,
            }
        }
        3 | 4 => Step::Write {
            session: input.byte().into(),
            token: token(input),
            data: input.byte() % 4,
            txn: match input.byte() % 16 {
                txn @ 0..8 => Some(txn),
                _ => None,
            },
        },
        5 => Step::Retry {
            write: input.byte().into(),
        },
        6 => Step::Delete {
            session: input.byte().into(),
        },
        // Up to the lifetime of a session, five minutes, in two steps.
        _ => Step::Pass {
            milliseconds: 1 + 3 * u64::from(u16::from_be_bytes(input.bytes())),
        },
    }
}

fn token(input: &mut Input<'_>) -> Token {
    let byte = input.byte();
    let number = usize::from(byte / 8);
    match byte % 8 {
        0..5 => Token::Current,
        5 => Token::Past(number),
        6 => Token::Elsewhere(number),
        _ => Token::Foreign,
    }
}
