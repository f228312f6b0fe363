//! The end of a session, and the capacity that it frees.

use super::fixture::{MAX_LIVE, StoreFixture, TTL};
use super::{assert_holds, created, new_session, read_request, unwrap_result, write, written};
use matrix_rendezvous::model::{Limit, LimitExceeded};
use matrix_rendezvous::store::{CreateResult, DeleteResult, ReadResult, Store, WriteResult};
use std::time::Duration;

pub async fn session_expires_at_its_deadline_despite_writes<R: StoreFixture>(fixture: &mut R) {
    let new = created(fixture, "one").await;
    let step = Duration::from_millis(1);
    fixture.advance(TTL.saturating_sub(step)).await;
    let token = written(fixture, new.id, new.token, "two").await;
    fixture.advance(step).await;
    assert_eq!(
        unwrap_result(fixture.store().read(&read_request(new.id, None))).await,
        Ok(ReadResult::Gone)
    );
    assert_eq!(
        unwrap_result(fixture.store().write(&write(new.id, token, "x", None))).await,
        Ok(WriteResult::Gone)
    );
    assert_eq!(fixture.store().delete(new.id).await, Ok(DeleteResult::Gone));
    assert_eq!(fixture.store().live().await, Ok(0));
}

pub async fn full_store_rejects_a_creation_and_evicts_none<R: StoreFixture>(fixture: &mut R) {
    let mut live = Vec::new();
    for number in 0..MAX_LIVE {
        live.push(created(fixture, &number.to_string()).await);
        fixture.advance(Duration::from_secs(1)).await;
    }
    let refused = new_session("newcomer");
    let outcome = unwrap_result(fixture.store().create(&refused))
        .await
        .expect("a store");
    let CreateResult::Rejected(LimitExceeded { limit, retry_after }) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(limit, Limit::LiveTotal);
    assert!(
        retry_after > Duration::ZERO && retry_after <= TTL + TTL,
        "{retry_after:?}"
    );
    assert_eq!(
        unwrap_result(fixture.store().read(&read_request(refused.id, None))).await,
        Ok(ReadResult::Gone)
    );
    for (number, session) in live.iter().enumerate() {
        assert_holds(fixture, session.id, session.token, &number.to_string()).await;
    }
    assert_eq!(
        fixture.store().delete(live[0].id).await,
        Ok(DeleteResult::Deleted)
    );
    created(fixture, "in the deleted one's place").await;
    // Expired sessions free capacity too: all of the first ones at once.
    fixture
        .advance(TTL.saturating_sub(Duration::from_millis(500)))
        .await;
    created(fixture, "in an expired one's place").await;
}

pub async fn expired_sessions_are_reported_once<R: StoreFixture>(fixture: &mut R) {
    let expired = |outcome: &CreateResult| match outcome {
        CreateResult::Created { expired, .. } => *expired,
        CreateResult::Rejected(_) => panic!("{outcome:?}"),
    };
    let deleted = created(fixture, "deleted").await;
    created(fixture, "left to its time").await;
    created(fixture, "left as well").await;
    assert_eq!(
        fixture.store().delete(deleted.id).await,
        Ok(DeleteResult::Deleted)
    );
    fixture.advance(TTL).await;
    let mut seen = Vec::new();
    for data in ["one", "two"] {
        let new = new_session(data);
        let outcome = unwrap_result(fixture.store().create(&new))
            .await
            .expect("a store");
        fixture.created(new.id);
        seen.push(expired(&outcome));
    }
    assert_eq!(seen, [2, 0], "and not the deleted one");
}
