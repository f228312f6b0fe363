//! The steps of random interleavings.

use super::run::{OWNERS, Step, Token};
use proptest::bool::weighted;
use proptest::collection::vec;
use proptest::prelude::*;

/// Up to 119 steps.
pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let token = prop_oneof![
        6 => Just(Token::Current),
        2 => (0_usize..24).prop_map(Token::Past),
        1 => any::<usize>().prop_map(Token::Elsewhere),
        1 => Just(Token::Foreign),
    ];
    // Few sessions, few payloads and few txnIds, so that they collide.
    let write = (
        any::<usize>(),
        token.clone(),
        0_u8..4,
        proptest::option::weighted(0.4, 0_u8..8),
    );
    let read = (
        any::<usize>(),
        prop_oneof![4 => token, 1 => Just(Token::Foreign)],
        (weighted(0.7), weighted(0.2)),
    );
    let step = prop_oneof![
        8 => (0_u8..4, 0_u8..OWNERS).prop_map(|(data, owner)| Step::Create { data, owner }),
        4 => read.prop_map(|(session, if_none_match, (track_peer, at_end))| {
            Step::Read { session, if_none_match, track_peer, at_end }
        }),
        12 => write.prop_map(|(session, token, data, txn)| Step::Write { session, token, data, txn }),
        5 => any::<usize>().prop_map(|write| Step::Retry { write }),
        1 => any::<usize>().prop_map(|session| Step::Delete { session }),
        1 => (1_u64..=150_000).prop_map(|milliseconds| Step::Pass { milliseconds }),
    ];
    vec(step, 1..120)
}
