//! The timestamps of a session: returned on request, by the store's clock.

use super::fixture::{Rig, TTL};
use super::{created, look, new_session, write};
use matrix_rendezvous::store::{
    CreateResult, ReadRequest, ReadResult, Store, Timestamps, WithTimestamps, WriteRequest,
    WriteResult,
};
use std::fmt::Debug;
use std::time::Duration;

/// A read that requests timestamps.
fn dated(look: ReadRequest) -> ReadRequest {
    ReadRequest {
        timestamps: true,
        ..look
    }
}

fn dates_of<T: Debug>(dated: &WithTimestamps<T>) -> Timestamps {
    dated
        .timestamps
        .unwrap_or_else(|| panic!("no dates: {dated:?}"))
}

pub async fn timestamps_are_returned_on_request<R: Rig>(rig: &mut R) {
    // In milliseconds, as in Redis.
    let begun = rig.time_of_day();
    let mut new = new_session("one");
    new.timestamps = true;
    let creation = rig.store().create(&new).await.expect("a store");
    rig.created(new.id);
    let first = dates_of(&creation);
    assert!(matches!(creation.result, CreateResult::Created { .. }));
    assert!(begun <= first.modified && first.modified <= rig.time_of_day());
    assert_eq!(first.expires, first.modified + TTL);
    // A repeated creation finds the timestamps of the first one.
    rig.tick().await;
    let again = rig.store().create(&new).await.expect("a store");
    assert_eq!(dates_of(&again), first);

    let look = look(new.id, None);
    let found = rig.store().read(&dated(look)).await.expect("a store");
    assert!(matches!(found.result, ReadResult::Found { .. }));
    assert_eq!(dates_of(&found), first);
    let if_none_match = ReadRequest {
        if_none_match: Some(new.token),
        ..look
    };
    let unchanged = rig
        .store()
        .read(&dated(if_none_match))
        .await
        .expect("a store");
    assert!(matches!(unchanged.result, ReadResult::Unchanged { .. }));
    assert_eq!(dates_of(&unchanged), first);

    let begun = rig.time_of_day();
    let mut swap = write(new.id, new.token, "two", None);
    swap.timestamps = true;
    let written = rig.store().write(&swap).await.expect("a store");
    assert!(matches!(written.result, WriteResult::Written { .. }));
    let second = dates_of(&written);
    assert!(begun <= second.modified && second.modified <= rig.time_of_day());
    assert_eq!(second.expires, first.expires, "a write extends nothing");

    // A call that changes nothing moves no timestamp: a retry, a conflict.
    rig.tick().await;
    let retried = rig.store().write(&swap).await.expect("a store");
    assert!(matches!(retried.result, WriteResult::Retried(_)));
    let stale = WriteRequest {
        data: super::payload("three"),
        ..swap.clone()
    };
    let conflict = rig.store().write(&stale).await.expect("a store");
    let after = rig.store().read(&dated(look)).await.expect("a store");
    for dates in [dates_of(&retried), dates_of(&conflict), dates_of(&after)] {
        assert_eq!(dates, second);
    }

    // A session that is gone has no timestamps.
    let _one_that_lives = created(rig, "other").await;
    rig.advance(TTL + Duration::from_secs(1)).await;
    let gone = rig.store().read(&dated(look)).await;
    assert_eq!(
        gone,
        Ok(WithTimestamps::without_timestamps(ReadResult::Gone))
    );
    let gone = rig.store().write(&swap).await;
    assert_eq!(
        gone,
        Ok(WithTimestamps::without_timestamps(WriteResult::Gone))
    );
}
