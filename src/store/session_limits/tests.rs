//! The shares of each principal, and the sample of wide networks.

use super::{CurrentShares, Sampler, SessionLimits, Share, Shares, WideShares};
use crate::config::limits::{
    CreateRates, DenyConfig, Fraction, LimitsConfig, LiveConfig, Rate, RateConfig, RequestRates,
};
use crate::model::{Limit, LimitSet, Owner, SessionId, User};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

fn limits(max_live: u64) -> SessionLimits {
    let create = Rate {
        burst: NonZeroU32::MIN,
        period: Duration::from_secs(1),
    };
    let share = Share { live: 50, create };
    let half = Fraction::new(0.5).expect("a fraction");
    let wide = WideShares {
        ipv4_24: half,
        ipv4_16: half,
        ipv6_40: half,
        ipv6_32: half,
    };
    let shares = Shares {
        client: share,
        network: share,
        user: share,
        wide,
        shadow: LimitSet::NONE,
    };
    SessionLimits {
        ttl: Duration::from_mins(5),
        max_live,
        max_writes: 250,
        max_txn_ids: 64,
        shares: Arc::new(CurrentShares::new(Some(shares))),
        sampler: Sampler::default(),
    }
}

#[test]
fn wide_networks_count_one_session_in_eight() {
    let owner = Owner {
        client: std::net::IpAddr::from(Ipv4Addr::LOCALHOST).into(),
        user: None,
    };
    // The share of a /16, and the bounds of the number of ids that count towards it: eight standard
    // deviations.
    for (max_live, share, bounds) in [
        (4095, 2047, 8000..=8000),
        (4096, 256, 763..=1237),
        (10_000, 625, 763..=1237),
    ] {
        let limits = limits(max_live);
        let mut found = 0;
        for _ in 0..8000 {
            let claims: Vec<_> = limits.claims(&owner, SessionId::random()).collect();
            let limit_of = |at: usize| claims[at].live.1;
            assert_eq!(
                [0, 1, 2].map(limit_of),
                [
                    Limit::LiveClient,
                    Limit::LiveIpv4Slash24,
                    Limit::LiveIpv4Slash16
                ]
            );
            // Each is checked; a client counts all of its sessions.
            assert!(claims[0].is_counted && claims[0].live.0 == 50);
            assert_eq!(claims[2].live.0, share);
            found += u32::from(claims[2].is_counted);
        }
        assert!(bounds.contains(&found), "{max_live}: {found}");
    }
}

#[test]
fn sample_depends_on_a_secret_and_not_on_the_id_alone() {
    let ids: Vec<_> = (0..1000).map(|_| SessionId::random()).collect();
    let samples = [(); 2].map(|()| {
        let sampler = Sampler::default();
        let sample = ids.iter().map(|id| sampler.is_in_sample(*id));
        sample.collect::<Vec<_>>()
    });
    assert_ne!(samples[0], samples[1]);
}

fn rate(burst: u32) -> Rate {
    Rate {
        burst: NonZeroU32::new(burst).expect("not zero"),
        period: Duration::from_secs(1),
    }
}

/// The section `limits`, with a number of its own for each limit.
fn config() -> LimitsConfig {
    let fraction = |millionths| Fraction::from_millionths(millionths).expect("a fraction");
    LimitsConfig {
        rates: Some(RateConfig {
            max_keys: 1,
            create: CreateRates {
                client: rate(11),
                network: rate(12),
                user: rate(13),
            },
            requests: RequestRates {
                client: rate(1),
                network: rate(1),
                session: rate(1),
            },
            live: LiveConfig {
                client: 21,
                network: 22,
                user: 23,
                ipv4_24: fraction(310_000),
                ipv4_16: fraction(320_000),
                ipv6_40: fraction(330_000),
                ipv6_32: fraction(340_000),
            },
        }),
        deny: DenyConfig::default(),
        shadow: LimitSet::NONE.with(Limit::LiveUser),
    }
}

#[test]
fn each_principal_has_its_configured_share_and_rate() {
    let limits = limits(100);
    limits.shares.set(Shares::from_config(&config()));
    let claims = |address: &str| -> Vec<_> {
        let owner = Owner {
            client: address.parse::<IpAddr>().expect("an address").into(),
            user: User::parse("@anna:example.org"),
        };
        let claims = limits.claims(&owner, SessionId::random());
        let claims = claims.map(|claim| {
            let create = claim.create.map(|(rate, limit)| (rate.burst.get(), limit));
            (claim.live, create)
        });
        claims.collect()
    };
    let client = ((21, Limit::LiveClient), Some((11, Limit::CreateClient)));
    let network = ((22, Limit::LiveNetwork), Some((12, Limit::CreateNetwork)));
    let user = ((23, Limit::LiveUser), Some((13, Limit::CreateUser)));
    let ipv4 = [
        client,
        user,
        ((31, Limit::LiveIpv4Slash24), None),
        ((32, Limit::LiveIpv4Slash16), None),
    ];
    assert_eq!(claims("192.0.2.1"), ipv4);
    let ipv6 = [
        client,
        network,
        user,
        ((33, Limit::LiveIpv6Slash40), None),
        ((34, Limit::LiveIpv6Slash32), None),
    ];
    assert_eq!(claims("2001:db8::1"), ipv6);
    assert!(limits.is_shadow(Limit::LiveUser));
    assert!(!limits.is_shadow(Limit::LiveClient));
    limits.shares.set(None);
    assert_eq!(claims("192.0.2.1"), []);
    assert!(!limits.is_shadow(Limit::LiveUser));
}

/// The formula of docs/threat-model.md, "Filling up the sessions", and of `check_lease.lua`.
#[test]
fn share_shrinks_with_the_square_of_the_free_rest() {
    let limits = limits(100);
    for (total, share) in [
        (0, 50),
        (50, 50),
        (51, 48),
        (75, 12),
        (90, 2),
        (92, 1),
        (99, 1),
        (100, 1),
        (101, 1),
    ] {
        assert_eq!(limits.reduced_share(50, total), share, "{total}");
    }
    assert_eq!(limits.reduced_share(1, 0), 1);
    // The largest share of the largest store.
    let limits = self::limits(1 << 48);
    assert_eq!(limits.reduced_share(1 << 30, 1 << 47), 1 << 30);
}
