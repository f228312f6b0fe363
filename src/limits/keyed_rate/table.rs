//! The table of a rate limiter: a state for each key, in bounded memory, behind sharded locks.

use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Number of shards of a table, each with a lock of its own. More than the number of cores of
/// typical machines.
pub(super) const SHARDS: usize = 16;

/// What happens to requests of new keys when the table is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OverflowPolicy {
    /// All new keys of a shard share one allowance: a flood of new keys throttles itself.
    SharedBucket,
    /// Requests of new keys pass uncounted: a rejection would end a sign-in that has begun.
    Allow,
}

/// A key that requests are counted by.
pub(crate) trait RateKey: Hash + Eq + Clone + Debug {}

impl<K: Hash + Eq + Clone + Debug> RateKey for K {}

/// The time at which each key's allowance is full again, for at most `max_per_shard` keys a shard.
/// Each shard also has one state that new keys share when the shard is full.
#[derive(Debug)]
pub(super) struct Table<K> {
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
    pub(super) fn new(max_keys: usize, overflow: OverflowPolicy) -> Self {
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

    pub(super) fn remove(&self, key: &K) {
        self.shard(key).states.remove(key);
    }

    /// Returns the number of overflows since the last call.
    pub(super) fn take_overflows(&self) -> u64 {
        self.overflows.swap(0, Ordering::Relaxed)
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, Shard<K>> {
        lock_shard(&self.shards[self.index(key)])
    }

    /// Keys that the table has room for without an allocation.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        let shards = self.shards.iter();
        shards
            .map(|shard| lock_shard(shard).states.capacity())
            .sum()
    }

    /// Returns the index of a key's shard. The hash key is secret, so no client can choose keys that
    /// fill one shard.
    fn index(&self, key: &K) -> usize {
        // The remainder fits `usize` on every platform.
        #[expect(clippy::cast_possible_truncation, reason = "a remainder of SHARDS")]
        let index = (self.hasher.hash_one(key) % SHARDS as u64) as usize;
        index
    }
}

/// Locks a shard. Poison is ignored: a panic under the lock leaves only numbers, all of them valid.
fn lock_shard<K>(shard: &Mutex<Shard<K>>) -> MutexGuard<'_, Shard<K>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The table as governor owns it. governor gives no access to its store, so the limiter keeps a
/// second handle.
#[derive(Debug)]
pub(super) struct TableHandle<K>(pub(super) Arc<Table<K>>);

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
            // Every request is treated as a key's first.
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
    use super::{OverflowPolicy, Table};

    #[test]
    fn shards_depend_on_a_secret() {
        let indexes = [(); 2].map(|()| {
            let table = Table::new(1000, OverflowPolicy::SharedBucket);
            let keys = 0..64;
            keys.map(|key: u32| table.index(&key)).collect::<Vec<_>>()
        });
        assert_ne!(indexes[0], indexes[1]);
    }
}
