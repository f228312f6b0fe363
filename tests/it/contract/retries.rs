//! Repeated and late writes, and the limit on the number of writes.

use super::fixture::{MAX_WRITES, Rig, TTL};
use super::{answer, assert_holds, created, txn, write, written};
use matrix_rendezvous::model::SubmittedToken;
use matrix_rendezvous::store::{RECENT_TOKENS, Store, WriteResult};

// R1.20, R1.21
pub async fn retry_is_recognised_after_the_peers_write<R: Rig>(rig: &mut R) {
    let new = created(rig, "one").await;
    let mine = written(rig, new.id, new.token, "mine").await;
    let retry = write(new.id, new.token, "mine", None);
    assert_eq!(
        answer(rig.store().write(&retry)).await,
        Ok(WriteResult::Retried(mine))
    );
    let theirs = written(rig, new.id, mine, "theirs").await;
    assert_eq!(
        answer(rig.store().write(&retry)).await,
        Ok(WriteResult::Retried(mine))
    );
    assert_holds(rig, new.id, theirs, "theirs").await;
    let other = write(new.id, new.token, "other", None);
    assert_eq!(
        answer(rig.store().write(&other)).await,
        Ok(WriteResult::Conflict(theirs))
    );
    // Any stale token whose data equals the current payload is a success.
    let same = write(new.id, new.token, "theirs", None);
    assert_eq!(
        answer(rig.store().write(&same)).await,
        Ok(WriteResult::Retried(theirs))
    );
    let mut foreign = write(new.id, theirs, "x", None);
    foreign.token = SubmittedToken::Unknown;
    assert_eq!(
        answer(rig.store().write(&foreign)).await,
        Ok(WriteResult::Conflict(theirs))
    );
    assert_holds(rig, new.id, theirs, "theirs").await;
}

// R1.23
pub async fn retry_is_recognised_within_the_last_four_tokens<R: Rig>(rig: &mut R) {
    let new = created(rig, "one").await;
    let first = written(rig, new.id, new.token, "first").await;
    let retry = write(new.id, new.token, "first", None);
    let mut token = first;
    for number in 0..RECENT_TOKENS {
        token = written(rig, new.id, token, &number.to_string()).await;
        assert_eq!(
            answer(rig.store().write(&retry)).await,
            Ok(WriteResult::Retried(first)),
            "{number}"
        );
    }
    token = written(rig, new.id, token, "one more").await;
    assert_eq!(
        answer(rig.store().write(&retry)).await,
        Ok(WriteResult::Conflict(token))
    );
    assert_holds(rig, new.id, token, "one more").await;
}

// R0.24, R0.25
pub async fn write_limit_rejects_and_session_lives_on<R: Rig>(rig: &mut R) {
    let new = created(rig, "zero").await;
    let mut tokens = vec![new.token];
    for number in 0..MAX_WRITES {
        let token = tokens[tokens.len() - 1];
        tokens.push(written(rig, new.id, token, &number.to_string()).await);
    }
    let [.., before, last] = tokens[..] else {
        panic!("{tokens:?}")
    };
    for txn_id in [None, Some(txn("t"))] {
        let outcome = answer(rig.store().write(&write(new.id, last, "more", txn_id))).await;
        let Ok(WriteResult::WritesFull { retry_after }) = outcome else {
            panic!("{outcome:?}")
        };
        assert!(rig.is_time_left(retry_after, TTL), "{retry_after:?}");
    }
    let kept = (MAX_WRITES - 1).to_string();
    assert_holds(rig, new.id, last, &kept).await;
    // A call that writes nothing is answered as before: a retry, a conflict. The txnId was not
    // recorded.
    let retry = write(new.id, before, &kept, None);
    assert_eq!(
        answer(rig.store().write(&retry)).await,
        Ok(WriteResult::Retried(last))
    );
    let stale = write(new.id, before, "stale", Some(txn("t")));
    assert_eq!(
        answer(rig.store().write(&stale)).await,
        Ok(WriteResult::Conflict(last))
    );
}
