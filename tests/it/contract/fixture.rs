//! A store and its time, with one interface for both stores. The fuzz target `store_model`
//! (tests/fuzz) includes this file.

use matrix_rendezvous::clock::{Clock, ManualClock};
use matrix_rendezvous::config::limits::{Fraction, Rate};
use matrix_rendezvous::model::LimitSet;
use matrix_rendezvous::model::SessionId;
use matrix_rendezvous::store::memory::MemoryStore;
use matrix_rendezvous::store::{
    CurrentShares, ListSessions, Sampler, SessionLimits, Share, Shares, Store, WideShares,
};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub const TTL: Duration = Duration::from_mins(5);
pub const MAX_LIVE: u64 = 20;
pub const MAX_TXN_IDS: usize = 6;
pub const MAX_WRITES: u64 = 12;
/// Sessions of an IPv4 /24 or an IPv6 /40.
pub const SMALL_NETWORK_SHARE: u64 = 10;
/// Sessions of an IPv4 /16 or an IPv6 /32.
pub const WIDE_NETWORK_SHARE: u64 = 13;
pub const SHARES: Shares = Shares {
    client: share(6),
    network: share(8),
    user: share(4),
    wide: WideShares {
        ipv4_24: fraction(500_000),
        ipv4_16: fraction(650_000),
        ipv6_40: fraction(500_000),
        ipv6_32: fraction(650_000),
    },
    shadow: LimitSet::NONE,
};

/// Creation rates that never reject: only Redis counts them over all replicas, and they are tested
/// there.
const fn share(live: u64) -> Share {
    Share {
        live,
        create: Rate {
            burst: NonZeroU32::MAX,
            period: Duration::from_micros(1),
        },
    }
}

const fn fraction(millionths: u32) -> Fraction {
    Fraction::from_millionths(millionths).expect("a fraction")
}

pub fn limits() -> SessionLimits {
    SessionLimits {
        ttl: TTL,
        max_live: MAX_LIVE,
        max_writes: MAX_WRITES,
        max_txn_ids: MAX_TXN_IDS,
        shares: Arc::new(CurrentShares::new(Some(SHARES))),
        sampler: Sampler::default(),
    }
}

/// A store whose time can be moved.
pub trait StoreFixture {
    type Store: Store + ListSessions;

    fn store(&self) -> &Self::Store;

    /// Must be called for every session that was created.
    fn created(&mut self, id: SessionId);

    /// Moves the store's time forward.
    async fn advance(&mut self, by: Duration);

    /// Sets the time that a session has left, in a store whose time cannot be moved: there `advance`
    /// only ends sessions. Does nothing if the session is gone.
    fn set_ttl(&mut self, id: SessionId, ttl: Duration);

    /// Whether `reported` is the remaining time of a session that has `expected` left.
    fn is_time_left(&self, reported: Duration, expected: Duration) -> bool;

    /// The store's wall-clock time, in whole milliseconds.
    fn time_of_day(&mut self) -> SystemTime;

    /// Lets a little time pass on that clock.
    async fn tick(&mut self);

    /// Deletes every session.
    fn clear(&mut self);
}

pub struct MemoryFixture {
    store: MemoryStore,
    clock: Clock,
    hand: ManualClock,
}

impl MemoryFixture {
    pub fn new() -> Self {
        let (clock, hand) = Clock::manual();
        Self {
            store: MemoryStore::new(clock.clone(), limits()),
            clock,
            hand,
        }
    }
}

impl StoreFixture for MemoryFixture {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.store
    }

    fn created(&mut self, _: SessionId) {}

    async fn advance(&mut self, by: Duration) {
        self.hand.advance(by);
    }

    fn set_ttl(&mut self, _: SessionId, _: Duration) {}

    fn is_time_left(&self, reported: Duration, expected: Duration) -> bool {
        reported == expected
    }

    fn time_of_day(&mut self) -> SystemTime {
        self.clock.time_of_day()
    }

    async fn tick(&mut self) {
        self.hand.advance(Duration::from_millis(1));
    }

    fn clear(&mut self) {
        self.hand.advance(TTL);
    }
}
