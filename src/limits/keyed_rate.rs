//! Rate limiting per key in bounded memory.
//!
//! governor decides (GCRA). The table below it (`table`) is our own: governor's tables grow with
//! every new key, and an attacker has as many keys as addresses. [`OverflowPolicy`] decides about
//! new keys when the table is full; known keys keep their own allowance either way.

mod table;

use crate::clock::Clock;
use crate::config::limits::Rate;
use governor::middleware::NoOpMiddleware;
use governor::{Quota, RateLimiter};
use std::sync::Arc;
use std::time::Duration;
pub(crate) use table::OverflowPolicy;
use table::{RateKey, Table, TableHandle};

/// Limits the rate of requests per key.
#[derive(Debug)]
pub(crate) struct KeyedRateLimiter<K: RateKey> {
    limiter: RateLimiter<K, TableHandle<K>, Clock, NoOpMiddleware<Duration>>,
    table: Arc<Table<K>>,
}

/// The result of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SweepStats {
    /// Keys in the table before the sweep.
    pub(crate) keys: usize,
    /// Requests of new keys that found the table full, since the last sweep.
    pub(crate) overflows: u64,
}

impl<K: RateKey> KeyedRateLimiter<K> {
    pub(crate) fn new(
        rate: Rate,
        max_keys: usize,
        overflow: OverflowPolicy,
        clock: &Clock,
    ) -> Self {
        // `with_period` returns `None` only for a period of zero, which the configuration rejects.
        let quota = Quota::with_period(rate.period)
            .unwrap_or(Quota::per_second(rate.burst))
            .allow_burst(rate.burst);
        let table = Arc::new(Table::new(max_keys, overflow));
        let shared = TableHandle(Arc::clone(&table));
        Self {
            limiter: RateLimiter::new(quota, shared, clock.clone()),
            table,
        }
    }

    /// Counts one request of the key.
    ///
    /// # Errors
    /// The time until the key's next request passes, if its allowance is used up.
    pub(crate) fn try_acquire(&self, key: &K) -> Result<(), Duration> {
        self.limiter
            .check_key(key)
            .map_err(|until| until.wait_time_from(self.limiter.clock().now()))
    }

    /// Removes a key, so that its allowance is full again.
    pub(crate) fn remove(&self, key: &K) {
        self.table.remove(key);
    }

    /// Removes the keys whose allowance is full again.
    pub(crate) fn sweep(&self) -> SweepStats {
        // Counted before the removal. Otherwise the metric would not show a table that fills
        // between two sweeps.
        let keys = self.limiter.len();
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
        let overflows = self.table.take_overflows();
        SweepStats { keys, overflows }
    }

    #[cfg(test)]
    fn keys(&self) -> usize {
        self.limiter.len()
    }
}

impl governor::clock::Clock for Clock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Clock::now(self)
    }
}

#[cfg(test)]
mod tests {
    use super::table::SHARDS;
    use super::{KeyedRateLimiter, OverflowPolicy, SweepStats};
    use crate::clock::Clock;
    use crate::config::limits::Rate;
    use crate::model::ClientIp;
    use std::net::{IpAddr, Ipv4Addr};
    use std::num::NonZeroU32;
    use std::time::Duration;

    fn client(number: u32) -> ClientIp {
        IpAddr::V4(Ipv4Addr::from_bits(number)).into()
    }

    fn rate(burst: u32) -> Rate {
        Rate {
            burst: NonZeroU32::new(burst).expect("not zero"),
            period: Duration::from_secs(2),
        }
    }

    fn limiter(burst: u32, max_keys: usize, clock: &Clock) -> KeyedRateLimiter<ClientIp> {
        KeyedRateLimiter::new(rate(burst), max_keys, OverflowPolicy::SharedBucket, clock)
    }

    #[test]
    fn burst_passes_then_one_request_per_period() {
        let (clock, hand) = Clock::manual();
        let limiter = limiter(3, 1000, &clock);
        for _ in 0..3 {
            assert_eq!(limiter.try_acquire(&client(1)), Ok(()));
        }
        assert_eq!(limiter.try_acquire(&client(1)), Err(Duration::from_secs(2)));
        assert_eq!(
            limiter.try_acquire(&client(2)),
            Ok(()),
            "another client has its own allowance"
        );
        hand.advance(Duration::from_secs(2));
        assert_eq!(limiter.try_acquire(&client(1)), Ok(()));
        assert_eq!(limiter.try_acquire(&client(1)), Err(Duration::from_secs(2)));
    }

    #[test]
    fn full_table_throttles_new_keys_and_spares_known_ones() {
        let (clock, _hand) = Clock::manual();
        let max_keys = SHARDS * 4;
        let limiter = limiter(2, max_keys, &clock);
        assert_eq!(limiter.try_acquire(&client(0)), Ok(()));
        let passed = (1..10_000)
            .filter(|n| limiter.try_acquire(&client(*n)).is_ok())
            .count();
        assert_eq!(limiter.keys(), max_keys);
        // One request of each known client, and two from the shared state of each shard.
        assert_eq!(passed, max_keys - 1 + 2 * SHARDS);
        // Known before the flood.
        assert_eq!(limiter.try_acquire(&client(0)), Ok(()));
        let stats = limiter.sweep();
        assert_eq!(stats.keys, max_keys);
        // A rejected request of a new key is an overflow too.
        assert_eq!(stats.overflows, 10_000 - max_keys as u64);
        assert_eq!(limiter.sweep().overflows, 0, "counted once");
    }

    #[test]
    fn smallest_table_tracks_a_key_in_each_shard() {
        let (clock, _hand) = Clock::manual();
        let limiter = limiter(1, 1, &clock);
        assert_eq!(limiter.try_acquire(&client(1)), Ok(()));
        assert_eq!(limiter.keys(), 1);
    }

    #[test]
    fn removed_key_has_its_allowance_again() {
        let (clock, _hand) = Clock::manual();
        let limiter = limiter(1, 1000, &clock);
        for key in [1, 2].map(client) {
            assert_eq!(limiter.try_acquire(&key), Ok(()));
        }
        limiter.remove(&client(1));
        assert_eq!(limiter.try_acquire(&client(1)), Ok(()));
        assert!(limiter.try_acquire(&client(2)).is_err());
    }

    #[test]
    fn full_table_with_allow_passes_new_keys_only() {
        let (clock, _hand) = Clock::manual();
        let max_keys = SHARDS * 4;
        let limiter = KeyedRateLimiter::new(rate(2), max_keys, OverflowPolicy::Allow, &clock);
        assert!((0..10_000).all(|n| limiter.try_acquire(&client(n)).is_ok()));
        assert_eq!(limiter.keys(), max_keys);
        assert_eq!(limiter.try_acquire(&client(0)), Ok(()));
        assert!(limiter.try_acquire(&client(0)).is_err());
    }

    #[test]
    fn idle_keys_and_their_memory_are_removed() {
        let (clock, hand) = Clock::manual();
        let limiter = limiter(2, 1000, &clock);
        for number in 0..100 {
            assert_eq!(limiter.try_acquire(&client(number)), Ok(()));
        }
        // Each sweep returns the keys before it.
        let stats = |keys| SweepStats { keys, overflows: 0 };
        assert_eq!(limiter.sweep(), stats(100));
        assert_eq!(limiter.keys(), 100);
        hand.advance(Duration::from_secs(5));
        assert_eq!(limiter.sweep(), stats(100));
        assert_eq!(limiter.keys(), 0);
        assert_eq!(limiter.table.capacity(), 0);
        assert_eq!(limiter.sweep(), stats(0));
    }
}
