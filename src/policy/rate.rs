//! A rate per client, in bounded memory.
//!
//! governor decides (GCRA); the table under it is ours, since governor's own tables grow with every
//! new key and an attacker has as many keys as addresses. Past the bound newcomers share one state,
//! so that a flood of new clients throttles itself and spares those already known.

use crate::clock::Clock;
use crate::config::limits::Rate;
use crate::model::ClientIp;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::{Quota, RateLimiter};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Parts of a table, each under its own lock; more than this machine class has cores.
const SHARDS: usize = 16;

/// One rate, kept per client.
#[derive(Debug)]
pub(super) struct RateLimit(RateLimiter<ClientIp, Table, Clock, NoOpMiddleware<Duration>>);

impl RateLimit {
    pub(super) fn new(rate: Rate, max_keys: usize, clock: &Clock) -> Self {
        // `None` is a period of zero, which the configuration does not let through.
        let quota = Quota::with_period(rate.period)
            .unwrap_or(Quota::per_second(rate.burst))
            .allow_burst(rate.burst);
        Self(RateLimiter::new(quota, Table::new(max_keys), clock.clone()))
    }

    /// Takes one request from the client's share, or says when one will be free.
    pub(super) fn check(&self, client: ClientIp) -> Result<(), Duration> {
        self.0
            .check_key(&client)
            .map_err(|until| until.wait_time_from(self.0.clock().now()))
    }

    pub(super) fn sweep(&self) {
        self.0.retain_recent();
        self.0.shrink_to_fit();
    }

    pub(super) fn keys(&self) -> usize {
        self.0.len()
    }
}

impl governor::clock::Clock for Clock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Clock::now(self)
    }
}

/// When each client's share is full again. At most `max_per_shard` clients a shard, and one state for
/// all others.
#[derive(Debug)]
struct Table {
    hasher: RandomState,
    shards: Vec<Mutex<Shard>>,
    max_per_shard: usize,
}

#[derive(Debug, Default)]
struct Shard {
    clients: HashMap<ClientIp, Nanos>,
    others: Option<Nanos>,
}

impl Table {
    fn new(max_keys: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            max_per_shard: max_keys.div_ceil(SHARDS),
        }
    }

    fn shard(&self, client: &ClientIp) -> MutexGuard<'_, Shard> {
        // The remainder fits usize, whatever its width.
        #[expect(clippy::cast_possible_truncation, reason = "a remainder of SHARDS")]
        let index = (self.hasher.hash_one(client) % SHARDS as u64) as usize;
        lock(&self.shards[index])
    }
}

/// A panic under the lock would leave numbers, all of them valid.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl StateStore for Table {
    type Key = ClientIp;

    fn measure_and_replace<T, F, E>(&self, client: &ClientIp, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut shard = self.shard(client);
        if let Some(state) = shard.clients.get_mut(client) {
            let (decision, next) = measure(Some(*state))?;
            *state = next;
            return Ok(decision);
        }
        if shard.clients.len() < self.max_per_shard {
            let (decision, next) = measure(None)?;
            shard.clients.insert(*client, next);
            return Ok(decision);
        }
        let (decision, next) = measure(shard.others)?;
        shard.others = Some(next);
        Ok(decision)
    }
}

impl ShrinkableKeyedStateStore<ClientIp> for Table {
    fn retain_recent(&self, drop_below: Nanos) {
        for shard in &self.shards {
            lock(shard).clients.retain(|_, state| *state > drop_below);
        }
    }

    fn shrink_to_fit(&self) {
        for shard in &self.shards {
            lock(shard).clients.shrink_to_fit();
        }
    }

    fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| lock(shard).clients.len())
            .sum()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::{RateLimit, SHARDS};
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
        let limit = RateLimit::new(rate(3), 1000, &clock);
        for _ in 0..3 {
            assert_eq!(limit.check(client(1)), Ok(()));
        }
        assert_eq!(limit.check(client(1)), Err(Duration::from_secs(2)));
        assert_eq!(
            limit.check(client(2)),
            Ok(()),
            "another client has its own share"
        );
        hand.advance(Duration::from_secs(2));
        assert_eq!(limit.check(client(1)), Ok(()));
        assert_eq!(limit.check(client(1)), Err(Duration::from_secs(2)));
    }

    #[test]
    fn a_flood_of_new_clients_is_bounded_and_spares_the_known_ones() {
        let (clock, _hand) = Clock::manual();
        let max_keys = SHARDS * 4;
        let limit = RateLimit::new(rate(2), max_keys, &clock);
        assert_eq!(limit.check(client(0)), Ok(()));
        let passed = (1..10_000)
            .filter(|n| limit.check(client(*n)).is_ok())
            .count();
        assert_eq!(limit.keys(), max_keys);
        // Each known client once, and two from the shared state of each shard.
        assert_eq!(passed, max_keys - 1 + 2 * SHARDS);
        assert_eq!(limit.check(client(0)), Ok(()), "known before the flood");
    }

    #[test]
    fn idle_clients_are_forgotten() {
        let (clock, hand) = Clock::manual();
        let limit = RateLimit::new(rate(2), 1000, &clock);
        for number in 0..100 {
            assert_eq!(limit.check(client(number)), Ok(()));
        }
        limit.sweep();
        assert_eq!(limit.keys(), 100);
        hand.advance(Duration::from_secs(5));
        limit.sweep();
        assert_eq!(limit.keys(), 0);
    }
}
