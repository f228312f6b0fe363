//! The end of a session, and the capacity that it frees.

use super::fixture::{MAX_LIVE, Rig, TTL};
use super::{answer, assert_holds, created, look, new_session, write, written};
use matrix_rendezvous::model::{Limit, LimitExceeded};
use matrix_rendezvous::store::{CreateResult, DeleteResult, ReadResult, Store, WriteResult};
use std::time::Duration;

pub async fn session_expires_at_its_deadline_despite_writes<R: Rig>(rig: &mut R) {
    let new = created(rig, "one").await;
    let step = Duration::from_millis(1);
    rig.advance(TTL.saturating_sub(step)).await;
    let token = written(rig, new.id, new.token, "two").await;
    rig.advance(step).await;
    assert_eq!(
        answer(rig.store().read(&look(new.id, None))).await,
        Ok(ReadResult::Gone)
    );
    assert_eq!(
        answer(rig.store().write(&write(new.id, token, "x", None))).await,
        Ok(WriteResult::Gone)
    );
    assert_eq!(rig.store().delete(new.id).await, Ok(DeleteResult::Gone));
    assert_eq!(rig.store().live().await, Ok(0));
}

pub async fn full_store_rejects_a_creation_and_evicts_none<R: Rig>(rig: &mut R) {
    let mut live = Vec::new();
    for number in 0..MAX_LIVE {
        live.push(created(rig, &number.to_string()).await);
        rig.advance(Duration::from_secs(1)).await;
    }
    let refused = new_session("newcomer");
    let outcome = answer(rig.store().create(&refused)).await.expect("a store");
    let CreateResult::Rejected(LimitExceeded { limit, retry_after }) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(limit, Limit::LiveTotal);
    assert!(
        retry_after > Duration::ZERO && retry_after <= TTL + TTL,
        "{retry_after:?}"
    );
    assert_eq!(
        answer(rig.store().read(&look(refused.id, None))).await,
        Ok(ReadResult::Gone)
    );
    for (number, session) in live.iter().enumerate() {
        assert_holds(rig, session.id, session.token, &number.to_string()).await;
    }
    assert_eq!(
        rig.store().delete(live[0].id).await,
        Ok(DeleteResult::Deleted)
    );
    created(rig, "in the deleted one's place").await;
    // Expired sessions free capacity too: all of the first ones at once.
    rig.advance(TTL.saturating_sub(Duration::from_millis(500)))
        .await;
    created(rig, "in an expired one's place").await;
}

pub async fn expired_sessions_are_reported_once<R: Rig>(rig: &mut R) {
    let told = |outcome: &CreateResult| match outcome {
        CreateResult::Created { expired, .. } => *expired,
        CreateResult::Rejected(_) => panic!("{outcome:?}"),
    };
    let deleted = created(rig, "deleted").await;
    created(rig, "left to its time").await;
    created(rig, "left as well").await;
    assert_eq!(
        rig.store().delete(deleted.id).await,
        Ok(DeleteResult::Deleted)
    );
    rig.advance(TTL).await;
    let mut seen = Vec::new();
    for data in ["one", "two"] {
        let new = new_session(data);
        let outcome = answer(rig.store().create(&new)).await.expect("a store");
        rig.created(new.id);
        seen.push(told(&outcome));
    }
    assert_eq!(seen, [2, 0], "and not the deleted one");
}
