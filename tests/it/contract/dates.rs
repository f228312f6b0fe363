//! The timestamps of a session: returned on request, by the store's clock.

use super::fixture::{StoreFixture, TTL};
use super::{created, new_session, read_request, write};
use matrix_rendezvous::store::{
    CreateResult, ReadRequest, ReadResult, Store, Timestamps, WithTimestamps, WriteRequest,
    WriteResult,
};
use std::fmt::Debug;
use std::time::{Duration, SystemTime};

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

pub async fn timestamps_are_returned_on_request<R: StoreFixture>(fixture: &mut R) {
    // In milliseconds, as in Redis.
    let begun = fixture.time_of_day();
    let mut new = new_session("one");
    new.timestamps = true;
    let creation = fixture.store().create(&new).await.expect("a store");
    fixture.created(new.id);
    let first = dates_of(&creation);
    assert!(matches!(creation.result, CreateResult::Created { .. }));
    assert!(begun <= first.modified && first.modified <= fixture.time_of_day());
    assert_eq!(first.expires, first.modified + TTL);

    let look = read_request(new.id, None);
    let found = fixture.store().read(&dated(look)).await.expect("a store");
    assert!(matches!(found.result, ReadResult::Found { .. }));
    assert_eq!(dates_of(&found), first);
    let if_none_match = ReadRequest {
        if_none_match: Some(new.token),
        ..look
    };
    let unchanged = fixture
        .store()
        .read(&dated(if_none_match))
        .await
        .expect("a store");
    let ReadResult::Unchanged { expires_in, .. } = unchanged.result else {
        panic!("{unchanged:?}");
    };
    assert_eq!(dates_of(&unchanged), first);
    let age = dates_of(&unchanged).since_write(expires_in);
    assert_eq!(age + expires_in, TTL, "the age of a new session");

    let begun = fixture.time_of_day();
    let mut swap = write(new.id, new.token, "two", None);
    swap.timestamps = true;
    let written = fixture.store().write(&swap).await.expect("a store");
    assert!(matches!(written.result, WriteResult::Written { .. }));
    let second = dates_of(&written);
    assert!(begun <= second.modified && second.modified <= fixture.time_of_day());
    assert_eq!(second.expires, first.expires, "a write extends nothing");

    // A call that changes nothing moves no timestamp: a retry, a conflict.
    fixture.tick().await;
    let retried = fixture.store().write(&swap).await.expect("a store");
    assert!(matches!(retried.result, WriteResult::Retried(_)));
    let stale = WriteRequest {
        data: super::payload("three"),
        ..swap.clone()
    };
    let conflict = fixture.store().write(&stale).await.expect("a store");
    let after = fixture.store().read(&dated(look)).await.expect("a store");
    for dates in [dates_of(&retried), dates_of(&conflict), dates_of(&after)] {
        assert_eq!(dates, second);
    }

    // The age of a write, by the store's clock. Redis rounds each time to a millisecond.
    fixture.tick().await;
    let millisecond = Duration::from_millis(1);
    let since_second = |time: SystemTime| time.duration_since(second.modified).unwrap_or_default();
    let youngest = since_second(fixture.time_of_day());
    let found = fixture.store().read(&dated(look)).await.expect("a store");
    let ReadResult::Found { expires_in, .. } = found.result else {
        panic!("{found:?}");
    };
    let age = dates_of(&found).since_write(expires_in);
    let oldest = since_second(fixture.time_of_day());
    assert!(youngest <= age + millisecond, "{age:?}");
    assert!(age <= oldest + millisecond, "{age:?}");

    // A session that is gone has no timestamps.
    let _one_that_lives = created(fixture, "other").await;
    fixture.advance(TTL + Duration::from_secs(1)).await;
    let gone = fixture.store().read(&dated(look)).await;
    assert_eq!(
        gone,
        Ok(WithTimestamps::without_timestamps(ReadResult::Gone))
    );
    let gone = fixture.store().write(&swap).await;
    assert_eq!(
        gone,
        Ok(WithTimestamps::without_timestamps(WriteResult::Gone))
    );
}

/// The time of each step of a sign-in, by the store's clock.
pub async fn write_reports_the_time_since_the_change_before<R: StoreFixture>(fixture: &mut R) {
    let new = created(fixture, "one").await;
    let passed = TTL / 4;
    fixture.advance(passed).await;
    let begun = fixture.time_of_day();
    fixture.set_ttl(new.id, TTL.saturating_sub(passed));
    let mut token = new.token;
    let mut steps = [Duration::ZERO; 2];
    for (step, data) in steps.iter_mut().zip(["two", "three"]) {
        let swap = write(new.id, token, data, None);
        let written = fixture.store().write(&swap).await.expect("a store");
        let WriteResult::Written {
            token: next,
            progress,
        } = written.result
        else {
            panic!("{written:?}");
        };
        (token, *step) = (next, progress.step);
    }
    // Beside what was set, the test itself takes a moment. Redis rounds each time to a millisecond.
    let moment = fixture
        .time_of_day()
        .duration_since(begun)
        .unwrap_or_default();
    let moment = moment + Duration::from_millis(1);
    assert!(
        passed <= steps[0] && steps[0] <= passed + moment,
        "{steps:?}"
    );
    assert!(steps[1] <= moment, "{steps:?}");
}
