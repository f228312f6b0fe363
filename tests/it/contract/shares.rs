//! Quotas of live sessions: per client, per network, per user. A principal over its quota is rejected,
//! and no other.

use super::fixture::{MAX_LIVE, SHARES, StoreFixture, TTL};
use super::{new_session, owner, unwrap_result};
use matrix_rendezvous::model::Owner;
use matrix_rendezvous::model::{Limit, LimitExceeded};
use matrix_rendezvous::store::{CreateResult, DeleteResult, NewSession, Store};
use std::time::Duration;

async fn create<R: StoreFixture>(fixture: &mut R, owner: &Owner) -> (NewSession, CreateResult) {
    let mut new = new_session("x");
    new.owner = owner.clone();
    let outcome = unwrap_result(fixture.store().create(&new))
        .await
        .expect("a store");
    if matches!(outcome, CreateResult::Created { .. }) {
        fixture.created(new.id);
    }
    (new, outcome)
}

async fn takes<R: StoreFixture>(fixture: &mut R, owner: &Owner) -> NewSession {
    let (new, outcome) = create(fixture, owner).await;
    assert!(
        matches!(outcome, CreateResult::Created { .. }),
        "{outcome:?}"
    );
    new
}

async fn is_refused<R: StoreFixture>(fixture: &mut R, owner: &Owner, expected: Limit) {
    let before = fixture.store().live().await;
    let (_, outcome) = create(fixture, owner).await;
    match outcome {
        CreateResult::Rejected(LimitExceeded { limit, retry_after }) => {
            assert_eq!(limit, expected);
            assert!(
                retry_after > Duration::ZERO && retry_after <= TTL + TTL,
                "{retry_after:?}"
            );
        }
        CreateResult::Created { .. } => panic!("{outcome:?}"),
    }
    assert_eq!(
        fixture.store().live().await,
        before,
        "a refusal stores nothing"
    );
}

pub async fn client_quota_rejects_only_that_client<R: StoreFixture>(fixture: &mut R) {
    let (one, other) = (owner("192.0.2.1", None), owner("192.0.2.2", None));
    let first = takes(fixture, &one).await;
    for _ in 1..SHARES.client.live {
        takes(fixture, &one).await;
    }
    is_refused(fixture, &one, Limit::LiveClient).await;
    takes(fixture, &other).await;
    assert_eq!(
        fixture.store().delete(first.id).await,
        Ok(DeleteResult::Deleted)
    );
    takes(fixture, &one).await;
    is_refused(fixture, &one, Limit::LiveClient).await;
    // An expired session frees its share too.
    fixture.advance(TTL).await;
    takes(fixture, &one).await;
}

pub async fn network_quota_is_separate_from_client_quotas<R: StoreFixture>(fixture: &mut R) {
    let client = |number| owner(&format!("2001:db8:1:{number}::1"), None);
    for number in 0..SHARES.network.live {
        takes(fixture, &client(number)).await;
    }
    is_refused(fixture, &client(SHARES.network.live), Limit::LiveNetwork).await;
    takes(fixture, &owner("2001:db8:2::1", None)).await;
}

pub async fn user_quota_holds_from_any_client<R: StoreFixture>(fixture: &mut R) {
    let at = |number, user| owner(&format!("192.0.2.{number}"), Some(user));
    for number in 0..SHARES.user.live {
        takes(fixture, &at(number, "@anna:example.org")).await;
    }
    is_refused(fixture, &at(9, "@anna:example.org"), Limit::LiveUser).await;
    takes(fixture, &at(0, "@berta:example.org")).await;
}

/// Clients without a quota of their own use up that of a network, first the smaller, then the larger
/// one around it. A client outside of both is not affected.
async fn wide_network_quotas_hold<R: StoreFixture>(
    fixture: &mut R,
    [small, neighbour, outside]: [fn(u64) -> Owner; 3],
    [small_limit, wide_limit]: [Limit; 2],
) {
    // The small network may have half of all leases. The wide one may have 13, which is 10 by the time
    // at which 11 are in use.
    let half = MAX_LIVE / 2;
    let mut created = Vec::new();
    for number in 0..half {
        created.push(takes(fixture, &small(number)).await.id);
    }
    is_refused(fixture, &small(half), small_limit).await;
    created.push(takes(fixture, &neighbour(0)).await.id);
    is_refused(fixture, &neighbour(1), wide_limit).await;
    takes(fixture, &outside(0)).await;
    // What ends is free again: by a deletion, and by expiry.
    for id in created.drain(..2) {
        assert_eq!(fixture.store().delete(id).await, Ok(DeleteResult::Deleted));
    }
    takes(fixture, &small(0)).await;
    fixture.advance(TTL).await;
    for number in 0..half {
        takes(fixture, &small(number)).await;
    }
    is_refused(fixture, &small(half), small_limit).await;
}

pub async fn ipv4_24_and_16_have_quotas<R: StoreFixture>(fixture: &mut R) {
    let clients: [fn(u64) -> Owner; 3] = [
        |number| owner(&format!("192.0.2.{number}"), None),
        |number| owner(&format!("192.0.3.{number}"), None),
        |number| owner(&format!("192.1.2.{number}"), None),
    ];
    let limits = [Limit::LiveIpv4Slash24, Limit::LiveIpv4Slash16];
    wide_network_quotas_hold(fixture, clients, limits).await;
}

pub async fn ipv6_40_and_32_have_quotas<R: StoreFixture>(fixture: &mut R) {
    // Each in a /48 of its own.
    let clients: [fn(u64) -> Owner; 3] = [
        |number| owner(&format!("2001:db8:a{number:02x}::1"), None),
        |number| owner(&format!("2001:db8:b{number:02x}::1"), None),
        |number| owner(&format!("2001:db9:a{number:02x}::1"), None),
    ];
    let limits = [Limit::LiveIpv6Slash40, Limit::LiveIpv6Slash32];
    wide_network_quotas_hold(fixture, clients, limits).await;
}

/// While the store is less than half full, each principal has its whole quota. Beyond that quotas
/// shrink; a principal without a session can have one, up to the last lease.
pub async fn quotas_shrink_as_the_store_fills<R: StoreFixture>(fixture: &mut R) {
    // Each in a network of its own.
    let client = |number| owner(&format!("10.{number}.2.1"), None);
    let half = MAX_LIVE / 2;
    for number in 0..half {
        takes(fixture, &client(100 + number)).await;
    }
    // The quota of a client is 6 while 10 leases are free. From there on it shrinks by the square
    // of the free part: the client has 2 sessions when 7 leases are free, and its quota is 2 then,
    // which is 2.94 rounded down.
    let greedy = client(1);
    for _ in 0..2 {
        takes(fixture, &greedy).await;
    }
    takes(fixture, &client(200)).await;
    is_refused(fixture, &greedy, Limit::LiveClient).await;
    for number in 1..half - 2 {
        takes(fixture, &client(200 + number)).await;
    }
    is_refused(fixture, &client(250), Limit::LiveTotal).await;
}
