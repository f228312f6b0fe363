//! What only this store can show, because its time can be moved.

use super::MemoryStore;
use crate::clock::Clock;
use crate::config::limits::{Fraction, Rate};
use crate::model::{Limit, LimitExceeded, LimitSet, Owner, Payload, SequenceToken, SessionId};
use crate::store::{
    CreateResult, CurrentShares, NewSession, Sampler, SessionLimits, Share, Shares, WideShares,
};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

const TTL: Duration = Duration::from_mins(5);
const MINUTE: Duration = Duration::from_mins(1);

/// Limits that allow two sessions to each wide network.
fn limits() -> SessionLimits {
    let create = Rate {
        burst: NonZeroU32::MAX,
        period: Duration::from_micros(1),
    };
    let share = Share { live: 50, create };
    let two = Fraction::new(0.02).expect("a fraction");
    let shares = Shares {
        client: share,
        network: share,
        user: share,
        wide: WideShares {
            ipv4_24: two,
            ipv4_16: two,
            ipv6_40: two,
            ipv6_32: two,
        },
        shadow: LimitSet::NONE,
    };
    SessionLimits {
        ttl: TTL,
        max_live: 100,
        max_writes: 250,
        max_txn_ids: 64,
        shares: Arc::new(CurrentShares::new(Some(shares))),
        sampler: Sampler::default(),
    }
}

fn create(store: &MemoryStore, client: &str) -> CreateResult {
    let (id, data) = (SessionId::random(), Payload::new("x").expect("a payload"));
    let new = NewSession {
        id,
        token: SequenceToken::first(id, &data),
        data,
        owner: Owner {
            client: client.parse::<IpAddr>().expect("an address").into(),
            user: None,
        },
        timestamps: false,
    };
    store.create_sync(&new).result
}

/// The time until a retry is that of the first session of all. That of the network's own first session
/// would show which sessions the network counts.
#[test]
fn rejection_by_a_wide_network_shows_no_member() {
    let (clock, hand) = Clock::manual();
    let store = MemoryStore::new(clock, limits());
    create(&store, "198.51.100.1");
    for client in ["203.0.113.1", "203.0.113.2"] {
        hand.advance(MINUTE);
        create(&store, client);
    }
    let CreateResult::Rejected(rejected) = create(&store, "203.0.113.3") else {
        panic!("the /24 has its two sessions");
    };
    let expected = LimitExceeded {
        limit: Limit::LiveIpv4Slash24,
        retry_after: TTL.saturating_sub(2 * MINUTE),
    };
    assert_eq!(rejected, expected);
}

/// A client could otherwise create and delete sessions without a bound on what is kept of them.
#[test]
fn deleted_sessions_that_count_are_bounded() {
    let (clock, hand) = Clock::manual();
    let limits = SessionLimits {
        max_live: 4096,
        ..limits()
    };
    let store = MemoryStore::new(clock, limits);
    let counted = || store.lock_live().0.deleted.len();
    // One session in eight is counted, so that these are 5,625.
    for number in 0..45_000_u32 {
        let [_, high, low, _] = ((number % 20_000) << 8).to_be_bytes();
        let client = format!("{}.{}.{}.1", 10 + high, low, number / 20_000);
        let CreateResult::Created { id, .. } = create(&store, &client) else {
            panic!("number {number} is rejected");
        };
        store.delete_sync(id);
    }
    assert_eq!(counted(), 4096);
    hand.advance(TTL);
    assert_eq!(counted(), 0);
    assert!(store.lock_live().0.by_principal.is_empty());
}
