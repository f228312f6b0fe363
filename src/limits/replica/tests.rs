//! Each limit has its own table and its own rate, and each deny list its own requests.

mod deny_lists;

use super::{LimitRejection, ReplicaLimits};
use crate::clock::{Clock, ManualClock};
use crate::config::limits::{
    CreateRates, DenyConfig, Fraction, LimitsConfig, LiveConfig, Rate, RateConfig, RequestRates,
};
use crate::model::{DenyList, Limit, LimitExceeded, LimitSet, SessionId, User};
use crate::telemetry::metrics::Metrics;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

const PERIOD: Duration = Duration::from_secs(2);

fn rate(burst: u32) -> Rate {
    Rate {
        burst: NonZeroU32::new(burst).expect("not zero"),
        period: PERIOD,
    }
}

/// Rates with these bursts, in the order of `Limit::KEYED`.
fn rates(bursts: [u32; 6], max_keys: usize) -> RateConfig {
    let [
        create_client,
        create_network,
        create_user,
        client,
        network,
        session,
    ] = bursts.map(rate);
    let all = Fraction::new(1.0).expect("a fraction");
    RateConfig {
        max_keys,
        create: CreateRates {
            client: create_client,
            network: create_network,
            user: create_user,
        },
        requests: RequestRates {
            client,
            network,
            session,
        },
        live: LiveConfig {
            client: 50,
            network: 500,
            user: 10,
            ipv4_24: all,
            ipv4_16: all,
            ipv6_40: all,
            ipv6_32: all,
        },
    }
}

fn config(rates: Option<RateConfig>) -> LimitsConfig {
    LimitsConfig {
        rates,
        deny: DenyConfig::default(),
        shadow: LimitSet::NONE,
    }
}

fn limits(config: LimitsConfig) -> (ReplicaLimits, ManualClock, Arc<Metrics>) {
    let (clock, hand) = Clock::manual();
    let metrics = Arc::new(Metrics::new());
    let limits = ReplicaLimits::new(config, None, &clock, Arc::clone(&metrics));
    (limits, hand, metrics)
}

fn ipv4(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(0xcb00_7100 + number).into()
}

/// A client of `2001:db8:SITE::/48`.
fn ipv6(site: u16, subnet: u16) -> IpAddr {
    Ipv6Addr::new(0x2001, 0xdb8, site, subnet, 0, 0, 0, 1).into()
}

fn user(number: u32) -> User {
    User::parse(&format!("@user{number}:example.org")).expect("a user")
}

/// Calls until the first rejection. Returns the number of calls that passed, and what rejected.
fn calls_until_rejection(
    mut call: impl FnMut(u16) -> Result<(), LimitRejection>,
) -> (u16, LimitRejection) {
    let rejected = (0..1000).find_map(|number| call(number).err().map(|by| (number, by)));
    rejected.expect("a rejection within 1000 calls")
}

fn exceeded(limit: Limit) -> LimitRejection {
    LimitRejection::Exceeded(LimitExceeded {
        limit,
        retry_after: PERIOD,
    })
}

#[test]
fn each_rate_has_its_own_burst_and_limit() {
    let (limits, _, _) = limits(config(Some(rates([2, 3, 4, 5, 6, 7], 1000))));
    assert!(limits.is_enabled());
    // Discoveries and creations have separate allowances of the same size.
    let create = |client| limits.check_create(client);
    let discover = |client| limits.check_discover(client);
    let checks: [&dyn Fn(IpAddr) -> Result<(), LimitRejection>; 2] = [&create, &discover];
    for check in checks {
        let one_client = calls_until_rejection(|_| check(ipv4(1)));
        assert_eq!(one_client, (2, exceeded(Limit::CreateClient)));
        let one_network = calls_until_rejection(|subnet| check(ipv6(1, subnet)));
        assert_eq!(one_network, (3, exceeded(Limit::CreateNetwork)));
    }
    let one_user = calls_until_rejection(|_| limits.check_user_create(&user(1)));
    assert_eq!(one_user, (4, exceeded(Limit::CreateUser)));
    let one_client = calls_until_rejection(|_| limits.check_request(ipv4(1), None));
    assert_eq!(one_client, (5, exceeded(Limit::RequestsClient)));
    let one_network = calls_until_rejection(|subnet| limits.check_request(ipv6(1, subnet), None));
    assert_eq!(one_network, (6, exceeded(Limit::RequestsNetwork)));
    let session = Some(SessionId::random());
    let one_session =
        calls_until_rejection(|n| limits.check_request(ipv4(100 + u32::from(n)), session));
    assert_eq!(one_session, (7, exceeded(Limit::RequestsSession)));
}

/// The limit of a network in shadow mode rejects nothing, and the limit of each client goes on.
#[test]
fn network_limit_in_shadow_mode_leaves_the_clients_limit() {
    let shadow = LimitSet::NONE
        .with(Limit::CreateNetwork)
        .with(Limit::RequestsNetwork);
    let rates = Some(rates([3, 2, 1000, 3, 2, 1000], 1000));
    let config = LimitsConfig {
        shadow,
        ..config(rates)
    };
    let (limits, _, _) = limits(config);
    let by_create = calls_until_rejection(|_| limits.check_create(ipv6(1, 1)));
    assert_eq!(by_create, (3, exceeded(Limit::CreateClient)));
    let by_request = calls_until_rejection(|_| limits.check_request(ipv6(1, 1), None));
    assert_eq!(by_request, (3, exceeded(Limit::RequestsClient)));
}

/// A new sign-in can wait. One that has begun must not end because a table is full.
#[test]
fn full_tables_reject_creations_and_pass_requests() {
    const MANY: u32 = 1_000_000;
    let limits_of = |bursts| limits(config(Some(rates(bursts, 1)))).0;
    let clients = limits_of([1, MANY, 1, 1, MANY, 1]);
    let networks = limits_of([MANY, 1, 1, MANY, 1, 1]);
    for (_, by) in [
        calls_until_rejection(|n| clients.check_create(ipv4(n.into()))),
        calls_until_rejection(|n| clients.check_discover(ipv4(n.into()))),
    ] {
        assert_eq!(by, exceeded(Limit::CreateClient));
    }
    for (_, by) in [
        calls_until_rejection(|n| networks.check_create(ipv6(n, 1))),
        calls_until_rejection(|n| networks.check_discover(ipv6(n, 1))),
    ] {
        assert_eq!(by, exceeded(Limit::CreateNetwork));
    }
    let (_, by) = calls_until_rejection(|n| clients.check_user_create(&user(n.into())));
    assert_eq!(by, exceeded(Limit::CreateUser));
    for number in 0..1000 {
        let session = Some(SessionId::random());
        assert_eq!(clients.check_request(ipv4(number.into()), session), Ok(()));
        assert_eq!(networks.check_request(ipv6(number, 1), session), Ok(()));
    }
}

/// Otherwise one network of 65,536 clients would fill the table of all clients.
#[test]
fn client_of_a_used_up_network_leaves_the_table() {
    let (limits, _, _) = limits(config(Some(rates([2, 3, 1, 2, 3, 1], 1000))));
    let keys = || {
        let rates = limits.rates.as_ref().expect("limits are enabled");
        [&rates.create_client, &rates.requests_client].map(|table| table.sweep().keys)
    };
    for subnet in 0..100 {
        let passes = subnet < 3;
        assert_eq!(limits.check_create(ipv6(1, subnet)).is_ok(), passes);
        assert_eq!(limits.check_request(ipv6(1, subnet), None).is_ok(), passes);
    }
    assert_eq!(keys(), [3, 3]);
    // A client whose own allowance is used up stays.
    for _ in 0..10 {
        let _ = limits.check_create(ipv6(2, 0));
    }
    let by = limits.check_create(ipv6(2, 0));
    assert_eq!(by, Err(exceeded(Limit::CreateClient)));
    assert_eq!(keys(), [4, 3]);
}

#[test]
fn reload_keeps_the_counts_of_unchanged_rates() {
    let (clock, _hand) = Clock::manual();
    let metrics = Arc::new(Metrics::new());
    let after = |config, previous: Option<&ReplicaLimits>| {
        ReplicaLimits::new(config, previous, &clock, Arc::clone(&metrics))
    };
    let few = Some(rates([1; 6], 1000));
    let first = after(config(few), None);
    assert_eq!(first.check_create(ipv4(1)), Ok(()));
    let mut with_deny = config(few);
    with_deny.deny.requests = deny_lists::deny(&["203.0.113.9"]);
    let same = after(with_deny, Some(&first));
    assert!(same.check_create(ipv4(1)).is_err());
    let denied = Err(LimitRejection::Denied(DenyList::Requests));
    assert_eq!(same.check_request(ipv4(9), None), denied);
    let other = after(config(Some(rates([2; 6], 1000))), Some(&same));
    assert_eq!(other.check_create(ipv4(1)), Ok(()));
    assert_eq!(other.check_create(ipv4(1)), Ok(()));
    let off = after(config(None), Some(&other));
    assert!(!off.is_enabled());
    let session = Some(SessionId::random());
    for _ in 0..10 {
        assert_eq!(off.check_create(ipv4(1)), Ok(()));
        assert_eq!(off.check_discover(ipv4(1)), Ok(()));
        assert_eq!(off.check_user_create(&user(1)), Ok(()));
        assert_eq!(off.check_request(ipv4(1), session), Ok(()));
    }
    assert!(after(config(few), Some(&off)).is_enabled());
}

#[test]
fn sweep_removes_idle_keys_and_records_each_table() {
    // Large bursts, so that no table hides a key from the next one by a rejection.
    let (limits, hand, metrics) = limits(config(Some(rates([1_000_000; 6], 1))));
    let exported = |metric: &str, limit: Limit| -> u64 {
        let name = format!("{metric}{{limiter=\"{}\"}} ", limit.label());
        let text = metrics.encode().expect("metrics");
        let value = text.lines().find_map(|line| line.strip_prefix(&name));
        value.expect("a series").parse().expect("a number")
    };
    let keys = |limit| exported("rendezvous_limiter_keys", limit);
    let overflows = |limit| exported("rendezvous_limiter_overflows_total", limit);
    for number in 0..1000_u16 {
        let client = ipv6(number, 1);
        assert_eq!(limits.check_create(client), Ok(()));
        assert_eq!(limits.check_discover(client), Ok(()));
        assert_eq!(limits.check_user_create(&user(number.into())), Ok(()));
        let session = Some(SessionId::random());
        assert_eq!(limits.check_request(client, session), Ok(()));
    }
    limits.sweep();
    // Each of the 16 shards has one key. Discoveries have tables of their own, whose overflows count
    // as those of creations.
    let expected = |limit| match limit {
        Limit::CreateClient | Limit::CreateNetwork => 2 * (1000 - 16),
        _ => 1000 - 16,
    };
    for limit in Limit::KEYED.iter().copied() {
        assert_eq!(keys(limit), 16, "{limit:?}");
        assert_eq!(overflows(limit), expected(limit), "{limit:?}");
    }
    hand.advance(PERIOD * 2);
    limits.sweep();
    limits.sweep();
    for limit in Limit::KEYED.iter().copied() {
        assert_eq!(keys(limit), 0, "{limit:?}");
        assert_eq!(overflows(limit), expected(limit), "{limit:?} counts once");
    }
    let rates = limits.rates.as_ref().expect("limits are enabled");
    let discovering = [&rates.discover_client, &rates.discover_network];
    assert_eq!(discovering.map(|table| table.sweep().keys), [0, 0]);
}
