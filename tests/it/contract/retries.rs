//! Repeated and late writes, and the limit on the number of writes.

use super::fixture::{MAX_WRITES, StoreFixture, TTL};
use super::{assert_holds, created, txn, unwrap_result, write, written};
use matrix_rendezvous::model::SubmittedToken;
use matrix_rendezvous::store::{RECENT_TOKENS, Store, WriteResult};

// R1.20, R1.21
pub async fn retry_is_recognised_after_the_peers_write<R: StoreFixture>(fixture: &mut R) {
    let new = created(fixture, "one").await;
    let mine = written(fixture, new.id, new.token, "mine").await;
    let retry = write(new.id, new.token, "mine", None);
    assert_eq!(
        unwrap_result(fixture.store().write(&retry)).await,
        Ok(WriteResult::Retried(mine))
    );
    let theirs = written(fixture, new.id, mine, "theirs").await;
    assert_eq!(
        unwrap_result(fixture.store().write(&retry)).await,
        Ok(WriteResult::Retried(mine))
    );
    assert_holds(fixture, new.id, theirs, "theirs").await;
    let other = write(new.id, new.token, "other", None);
    assert_eq!(
        unwrap_result(fixture.store().write(&other)).await,
        Ok(WriteResult::Conflict(theirs))
    );
    // Any stale token whose data equals the current payload is a success.
    let same = write(new.id, new.token, "theirs", None);
    assert_eq!(
        unwrap_result(fixture.store().write(&same)).await,
        Ok(WriteResult::Retried(theirs))
    );
    let mut foreign = write(new.id, theirs, "x", None);
    foreign.token = SubmittedToken::Unknown;
    assert_eq!(
        unwrap_result(fixture.store().write(&foreign)).await,
        Ok(WriteResult::Conflict(theirs))
    );
    assert_holds(fixture, new.id, theirs, "theirs").await;
}

// R1.23
pub async fn retry_is_recognised_within_the_last_four_tokens<R: StoreFixture>(fixture: &mut R) {
    let new = created(fixture, "one").await;
    let first = written(fixture, new.id, new.token, "first").await;
    let retry = write(new.id, new.token, "first", None);
    let mut token = first;
    for number in 0..RECENT_TOKENS {
        token = written(fixture, new.id, token, &number.to_string()).await;
        assert_eq!(
            unwrap_result(fixture.store().write(&retry)).await,
            Ok(WriteResult::Retried(first)),
            "{number}"
        );
    }
    token = written(fixture, new.id, token, "one more").await;
    assert_eq!(
        unwrap_result(fixture.store().write(&retry)).await,
        Ok(WriteResult::Conflict(token))
    );
    assert_holds(fixture, new.id, token, "one more").await;
}

// R0.24, R0.25
pub async fn write_limit_rejects_and_session_lives_on<R: StoreFixture>(fixture: &mut R) {
    let new = created(fixture, "zero").await;
    let mut tokens = vec![new.token];
    for number in 0..MAX_WRITES {
        let token = tokens[tokens.len() - 1];
        tokens.push(written(fixture, new.id, token, &number.to_string()).await);
    }
    let [.., before, last] = tokens[..] else {
        panic!("{tokens:?}")
    };
    for txn_id in [None, Some(txn("t"))] {
        let outcome =
            unwrap_result(fixture.store().write(&write(new.id, last, "more", txn_id))).await;
        let Ok(WriteResult::WritesFull { retry_after }) = outcome else {
            panic!("{outcome:?}")
        };
        assert!(fixture.is_time_left(retry_after, TTL), "{retry_after:?}");
    }
    let last_data = (MAX_WRITES - 1).to_string();
    assert_holds(fixture, new.id, last, &last_data).await;
    // A call that writes nothing is answered as before: a retry, a conflict. The txnId was not
    // recorded.
    let retry = write(new.id, before, &last_data, None);
    assert_eq!(
        unwrap_result(fixture.store().write(&retry)).await,
        Ok(WriteResult::Retried(last))
    );
    let stale = write(new.id, before, "stale", Some(txn("t")));
    assert_eq!(
        unwrap_result(fixture.store().write(&stale)).await,
        Ok(WriteResult::Conflict(last))
    );
}
