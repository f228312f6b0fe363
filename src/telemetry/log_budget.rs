//! The budget of the access log for requests that were not served: rejected requests and preflights.
//!
//! A served request is charged to the rate limits, which bound its lines. A rejected one may cost its
//! client nothing, and a preflight always does (R0.14). So these lines have a budget per client, and
//! one for all clients. The memory is fixed, and no lock is taken.

use crate::model::ClientIp;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Lines of one client. Fifty people who sign in behind one address within five minutes cause about
/// two a second: at most six preflights and two 404s each. At 300 bytes a line, one address can
/// write 11 MB an hour.
const CLIENT: LineRate = LineRate::new(10, 100);

/// Lines of all clients. At `session.max_live` (10,000 sessions of 300 s) honest clients cause 270 a
/// second. At 300 bytes a line, any number of addresses can write 150 kB a second.
const ALL: LineRate = LineRate::new(500, 5000);

/// Number of clients' buckets. Fixed, so that no client can make it grow: 128 KiB. Clients can share
/// a bucket by chance. The hash key is secret, so no client can choose which client it shares one with.
const BUCKETS: usize = 1 << 14;

/// Decides whether the access log has a line for a request that was not served.
pub(super) struct LogBudget {
    hasher: RandomState,
    clients: Box<[Bucket]>,
    all: Bucket,
}

impl LogBudget {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            clients: (0..BUCKETS).map(|_| Bucket::default()).collect(),
            all: Bucket::default(),
        }
    }

    /// Takes one line from the budgets of the client and of all clients. Returns `false` if either
    /// is used up. `now` is the reading of a clock.
    ///
    /// An IPv6 client shares the budget of its /48: one customer has 65,536 of /64.
    pub(super) fn try_acquire(&self, client: ClientIp, now: Duration) -> bool {
        let now = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        let bucket = &self.clients[self.index(client)];
        // The client's first: a client that has used up its budget takes no line from the others.
        bucket.try_acquire(CLIENT, now) && self.all.try_acquire(ALL, now)
    }

    /// Returns the index of a client's bucket.
    fn index(&self, client: ClientIp) -> usize {
        let key = client.network().unwrap_or(client);
        // The remainder fits `usize` on every platform.
        #[expect(clippy::cast_possible_truncation, reason = "a remainder of BUCKETS")]
        let index = (self.hasher.hash_one(key) % BUCKETS as u64) as usize;
        index
    }
}

impl fmt::Debug for LogBudget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("LogBudget").finish_non_exhaustive()
    }
}

/// A number of lines a second, and how many may come at once. In microseconds.
#[derive(Debug, Clone, Copy)]
struct LineRate {
    period: u64,
    /// The time in which an empty bucket becomes full.
    refill: u64,
}

impl LineRate {
    const fn new(per_second: u64, burst: u64) -> Self {
        let period = 1_000_000 / per_second;
        let refill = period * burst;
        Self { period, refill }
    }
}

/// A token bucket (GCRA): the time at which it is full again, in microseconds of the clock.
#[derive(Debug, Default)]
struct Bucket(AtomicU64);

impl Bucket {
    /// In a flood nearly every call only loads.
    fn try_acquire(&self, rate: LineRate, now: u64) -> bool {
        let take = |full_at: u64| {
            let next = full_at.max(now).saturating_add(rate.period);
            (next - now <= rate.refill).then_some(next)
        };
        let order = Ordering::Relaxed;
        self.0.fetch_update(order, order, take).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::LogBudget;
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    /// How many of `lines` lines of this client pass at `now`.
    fn passed(budget: &LogBudget, client: IpAddr, now: Duration, lines: usize) -> usize {
        let acquire = |_: &usize| budget.try_acquire(client.into(), now);
        (0..lines).filter(acquire).count()
    }

    fn client(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn client_has_100_lines_at_once_and_10_a_second() {
        let (budget, one) = (LogBudget::new(), client("203.0.113.1"));
        let start = Duration::from_secs(1);
        assert_eq!(passed(&budget, one, start, 1000), 100);
        for second in 2..5 {
            assert_eq!(passed(&budget, one, Duration::from_secs(second), 1000), 10);
        }
        assert_eq!(passed(&budget, one, Duration::from_secs(1000), 1000), 100);
    }

    #[test]
    fn spent_client_budget_spares_other_clients() {
        let budget = LogBudget::new();
        let now = Duration::from_secs(1);
        // 100,000 lines would use up the budget of all clients many times.
        assert_eq!(passed(&budget, client("203.0.113.1"), now, 100_000), 100);
        let network = "2001:db8:1:ffff::1";
        assert_eq!(passed(&budget, client("2001:db8:1::1"), now, 1000), 100);
        assert_eq!(passed(&budget, client(network), now, 1000), 0, "its /48");
        // These two share no bucket with the others but by a chance of 1 in 4,000.
        let others = ["203.0.113.2", "2001:db8:2::1"].map(client);
        let lines = others.map(|other| passed(&budget, other, now, 1));
        assert!(lines.contains(&1), "{lines:?}");
    }

    #[test]
    fn buckets_depend_on_a_secret() {
        let clients = [1, 2, 3, 4].map(|n| IpAddr::V4(Ipv4Addr::from_bits(n)).into());
        let indexes = [(); 2].map(|()| {
            let budget = LogBudget::new();
            clients.map(|client| budget.index(client))
        });
        assert_ne!(indexes[0], indexes[1]);
    }

    #[test]
    fn all_clients_have_5000_lines_at_once_and_500_a_second() {
        let budget = LogBudget::new();
        let flood = |now: Duration| -> usize {
            let clients = (0..20_000).map(|n| IpAddr::V4(Ipv4Addr::from_bits(n)));
            clients.map(|client| passed(&budget, client, now, 2)).sum()
        };
        assert_eq!(flood(Duration::from_secs(1)), 5000);
        assert_eq!(flood(Duration::from_secs(2)), 500);
    }
}
