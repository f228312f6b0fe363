//! A rate per client, or per whatever is rate_config, in bounded memory.
//!
//! governor decides (GCRA); the table under it is ours, since governor's own tables grow with every
//! new key and an attacker has as many keys as addresses. What becomes of newcomers past the bound,
//! [`OverflowPolicy`] says; those already known are spared either way.

use crate::clock::Clock;
use crate::config::limits::Rate;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::{Quota, RateLimiter};
use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Parts of a table, each under its own lock; more than this machine class has cores.
const SHARDS: usize = 16;

/// What becomes of newcomers when as many are remembered as may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OverflowPolicy {
    /// They share one allowance a shard: a flood of newcomers throttles itself.
    SharedBucket,
    /// They pass uncounted: a rejection would end sign-ins that have begun.
    Allow,
}

/// What a rate counts.
pub(crate) trait RateKey: Hash + Eq + Clone + Debug {}

impl<K: Hash + Eq + Clone + Debug> RateKey for K {}

/// One rate, kept per key.
#[derive(Debug)]
pub(crate) struct KeyedRateLimiter<K: RateKey> {
    limiter: RateLimiter<K, TableHandle<K>, Clock, NoOpMiddleware<Duration>>,
    table: Arc<Table<K>>,
}

/// What a sweep found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SweepStats {
    /// Keys that were remembered until then.
    pub(crate) keys: usize,
    /// Requests of keys for which there was no room, since the last sweep.
    pub(crate) overflows: u64,
}

impl<K: RateKey> KeyedRateLimiter<K> {
    pub(crate) fn new(
        rate: Rate,
        max_keys: usize,
        overflow: OverflowPolicy,
        clock: &Clock,
    ) -> Self {
        // `None` is a period of zero, which the configuration does not let through.
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

    /// Takes one request from the key's allowance, or says when one will be free.
    pub(crate) fn try_acquire(&self, key: &K) -> Result<(), Duration> {
        self.limiter
            .check_key(key)
            .map_err(|until| until.wait_time_from(self.limiter.clock().now()))
    }

    /// Forgets a key, and what it has taken of its allowance.
    pub(crate) fn remove(&self, key: &K) {
        self.table.shard(key).states.remove(key);
    }

    /// Forgets those whose allowance is full again.
    pub(crate) fn sweep(&self) -> SweepStats {
        // Before, or an operator would never see a table that fills between two sweeps.
        let keys = self.limiter.len();
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
        let overflows = self.table.overflows.swap(0, Ordering::Relaxed);
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

/// When each key's allowance is full again. At most `max_per_shard` keys a shard, and one state for
/// all overflow_state.
#[derive(Debug)]
struct Table<K> {
    hasher: RandomState,
    shards: Vec<Mutex<Shard<K>>>,
    max_per_shard: usize,
    overflow: OverflowPolicy,
    overflows: AtomicU64,
}

#[derive(Debug)]
struct Shard<K> {
    states: HashMap<K, Nanos>,
    overflow_state: Option<Nanos>,
}

impl<K: RateKey> Table<K> {
    fn new(max_keys: usize, overflow: OverflowPolicy) -> Self {
        let shard = || Shard {
            states: HashMap::new(),
            overflow_state: None,
        };
        Self {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::new(shard())).collect(),
            max_per_shard: max_keys.div_ceil(SHARDS),
            overflow,
            overflows: AtomicU64::new(0),
        }
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, Shard<K>> {
        // The remainder fits usize, whatever its width.
        #[expect(clippy::cast_possible_truncation, reason = "a remainder of SHARDS")]
        let index = (self.hasher.hash_one(key) % SHARDS as u64) as usize;
        lock_shard(&self.shards[index])
    }
}

/// A panic under the lock would leave numbers, all of them valid.
fn lock_shard<K>(shard: &Mutex<Shard<K>>) -> MutexGuard<'_, Shard<K>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The table as governor has it, which gives none of it back.
#[derive(Debug)]
struct TableHandle<K>(Arc<Table<K>>);

impl<K: RateKey> StateStore for TableHandle<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let table = &self.0;
        let mut shard = table.shard(key);
        if let Some(state) = shard.states.get_mut(key) {
            let (decision, next) = measure(Some(*state))?;
            *state = next;
            return Ok(decision);
        }
        if shard.states.len() < table.max_per_shard {
            let (decision, next) = measure(None)?;
            shard.states.insert(key.clone(), next);
            return Ok(decision);
        }
        table.overflows.fetch_add(1, Ordering::Relaxed);
        let overflow_state = match table.overflow {
            OverflowPolicy::SharedBucket => shard.overflow_state,
            // Each is as good as the first.
            OverflowPolicy::Allow => None,
        };
        let (decision, next) = measure(overflow_state)?;
        shard.overflow_state = Some(next);
        Ok(decision)
    }
}

impl<K: RateKey> ShrinkableKeyedStateStore<K> for TableHandle<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        for shard in &self.0.shards {
            lock_shard(shard)
                .states
                .retain(|_, state| *state > drop_below);
        }
    }

    fn shrink_to_fit(&self) {
        for shard in &self.0.shards {
            lock_shard(shard).states.shrink_to_fit();
        }
    }

    fn len(&self) -> usize {
        let shards = self.0.shards.iter();
        shards.map(|shard| lock_shard(shard).states.len()).sum()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyedRateLimiter, OverflowPolicy, SHARDS};
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

    #[test]
    fn a_burst_then_one_a_period_then_fresh_again() {
        let (clock, hand) = Clock::manual();
        let limiter = KeyedRateLimiter::new(rate(3), 1000, OverflowPolicy::SharedBucket, &clock);
        for _ in 0..3 {
            assert_eq!(limiter.try_acquire(&client(1)), Ok(()));
        }
        assert_eq!(limiter.try_acquire(&client(1)), Err(Duration::from_secs(2)));
        assert_eq!(
            limiter.try_acquire(&client(2)),
            Ok(()),
            "another client has its own share"
        );
        hand.advance(Duration::from_secs(2));
        assert_eq!(limiter.try_acquire(&client(1)), Ok(()));
        assert_eq!(limiter.try_acquire(&client(1)), Err(Duration::from_secs(2)));
    }

    #[test]
    fn a_flood_of_new_clients_is_bounded_and_spares_the_known_ones() {
        let (clock, _hand) = Clock::manual();
        let max_keys = SHARDS * 4;
        let limiter =
            KeyedRateLimiter::new(rate(2), max_keys, OverflowPolicy::SharedBucket, &clock);
        assert_eq!(limiter.try_acquire(&client(0)), Ok(()));
        let passed = (1..10_000)
            .filter(|n| limiter.try_acquire(&client(*n)).is_ok())
            .count();
        assert_eq!(limiter.keys(), max_keys);
        // Each known client once, and two from the shared state of each shard.
        assert_eq!(passed, max_keys - 1 + 2 * SHARDS);
        assert_eq!(
            limiter.try_acquire(&client(0)),
            Ok(()),
            "known before the flood"
        );
    }

    #[test]
    fn where_the_overflow_is_open_newcomers_pass_and_the_known_ones_are_limited_still() {
        let (clock, _hand) = Clock::manual();
        let max_keys = SHARDS * 4;
        let limiter = KeyedRateLimiter::new(rate(2), max_keys, OverflowPolicy::Allow, &clock);
        assert!((0..10_000).all(|n| limiter.try_acquire(&client(n)).is_ok()));
        assert_eq!(limiter.keys(), max_keys);
        assert_eq!(limiter.try_acquire(&client(0)), Ok(()));
        assert_ne!(
            limiter.try_acquire(&client(0)),
            Ok(()),
            "known before the flood"
        );
    }

    #[test]
    fn idle_clients_are_forgotten() {
        let (clock, hand) = Clock::manual();
        let limiter = KeyedRateLimiter::new(rate(2), 1000, OverflowPolicy::SharedBucket, &clock);
        for number in 0..100 {
            assert_eq!(limiter.try_acquire(&client(number)), Ok(()));
        }
        limiter.sweep();
        assert_eq!(limiter.keys(), 100);
        hand.advance(Duration::from_secs(5));
        limiter.sweep();
        assert_eq!(limiter.keys(), 0);
    }
}
