//! Writes with a txnId: the record decides, and the number of records is limited.

use super::fixture::{MAX_TXN_IDS, StoreFixture, TTL};
use super::{assert_holds, assert_stored, created, payload, txn, unwrap_result, write, written};
use matrix_rendezvous::store::{Store, WriteResult};
use std::time::Duration;

// R1.24, R1.27
pub async fn txn_record_alone_decides<R: StoreFixture>(fixture: &mut R) {
    let new = created(fixture, "one").await;
    let first = write(new.id, new.token, "mine", Some(txn("a")));
    let mine = new.token.next(new.id, &first.data);
    assert_stored(&unwrap_result(fixture.store().write(&first)).await, mine);
    assert_eq!(
        unwrap_result(fixture.store().write(&first)).await,
        Ok(WriteResult::Replayed(Some(mine)))
    );
    let another_body = write(new.id, mine, "another", Some(txn("a")));
    assert_eq!(
        unwrap_result(fixture.store().write(&another_body)).await,
        Ok(WriteResult::Replayed(Some(mine)))
    );
    // Another txnId is another attempt, even with the same data.
    let again = write(new.id, new.token, "mine", Some(txn("b")));
    assert_eq!(
        unwrap_result(fixture.store().write(&again)).await,
        Ok(WriteResult::Conflict(mine))
    );
    let late = write(new.id, mine, "late", Some(txn("b")));
    assert_eq!(
        unwrap_result(fixture.store().write(&late)).await,
        Ok(WriteResult::Replayed(None))
    );
    assert_holds(fixture, new.id, mine, "mine").await;
    let other = created(fixture, "other").await;
    let elsewhere = write(other.id, other.token, "x", Some(txn("a")));
    let outcome = unwrap_result(fixture.store().write(&elsewhere)).await;
    assert!(
        matches!(outcome, Ok(WriteResult::Written { .. })),
        "a txnId is its session's: {outcome:?}"
    );
}

// R1.25, R1.29
pub async fn txn_records_are_bounded_and_replay_when_full<R: StoreFixture>(fixture: &mut R) {
    let new = created(fixture, "one").await;
    let mut token = new.token;
    for number in 0..MAX_TXN_IDS {
        let write = write(new.id, token, "x", Some(txn(&format!("t{number}"))));
        token = token.next(new.id, &write.data);
        assert_stored(&unwrap_result(fixture.store().write(&write)).await, token);
    }
    let more = write(new.id, token, "y", Some(txn("more")));
    let outcome = unwrap_result(fixture.store().write(&more)).await;
    let Ok(WriteResult::TxnsFull { retry_after }) = outcome else {
        panic!("{outcome:?}")
    };
    assert!(
        retry_after > Duration::ZERO && retry_after <= TTL,
        "{retry_after:?}"
    );
    assert_holds(fixture, new.id, token, "x").await;
    let replay = write(new.id, token, "y", Some(txn("t0")));
    let first = new.token.next(new.id, &payload("x"));
    assert_eq!(
        unwrap_result(fixture.store().write(&replay)).await,
        Ok(WriteResult::Replayed(Some(first)))
    );
    written(
        fixture,
        new.id,
        token,
        "the form without txnId still writes",
    )
    .await;
}
