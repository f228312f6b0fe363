//! The contract of `store::Store`, held by both stores: what each call answers, over time.
//!
//! Through the library, since a store has no port. Time is a manual clock for the embedded store; on
//! Redis a session's TTL is cut short and its end waited for.

mod dates;
mod expiry;
mod fixture;
mod model;
mod random;
mod retries;
mod shares;
mod strategies;
mod txns;

use dates::dates_are_told_where_they_are_wanted;
use expiry::{
    a_full_store_refuses_the_newcomer_and_evicts_nobody,
    a_session_ends_at_its_deadline_and_writes_do_not_extend_it,
    sessions_that_ran_out_are_told_of_once,
};
use fixture::{MemoryRig, RedisRig, Rig, TTL};
use matrix_rendezvous::model::{Payload, SequenceToken, SessionId, SubmittedToken, TxnKey};
use matrix_rendezvous::store::{
    CreateResult, DeleteResult, NewSession, ReadRequest, ReadResult, Store, StoreError,
    WithTimestamps, WriteRequest, WriteResult,
};
use retries::{
    a_retry_is_recognised_after_the_peer_has_answered,
    a_retry_is_recognised_for_as_many_writes_as_are_remembered,
    a_session_takes_so_many_writes_and_lives_on,
};
use shares::{
    a_client_that_has_its_share_is_refused_and_no_other,
    a_network_has_a_share_whatever_its_clients_have, a_user_has_a_share_wherever_they_are, owner,
    the_fuller_it_is_the_smaller_are_the_shares,
};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use txns::{a_txn_record_alone_decides, txn_records_are_bounded_and_still_replay};

fn payload(text: &str) -> Payload {
    Payload::new(text).expect("short")
}

fn txn(text: &str) -> TxnKey {
    TxnKey::parse(text.as_bytes()).expect("an identifier")
}

/// A session of a client who has no other.
fn new_session(data: &str) -> NewSession {
    static CLIENTS: AtomicU8 = AtomicU8::new(0);
    let (id, data) = (SessionId::random(), payload(data));
    let client = CLIENTS.fetch_add(1, Ordering::Relaxed);
    NewSession {
        owner: owner(&format!("198.51.100.{client}"), None),
        id,
        token: SequenceToken::first(id, &data),
        data,
        timestamps: false,
    }
}

fn look(id: SessionId, if_none_match: Option<SequenceToken>) -> ReadRequest {
    ReadRequest {
        id,
        if_none_match,
        timestamps: false,
    }
}

/// What a call answers that did not ask for dates, and was told none.
async fn answer<T>(
    call: impl Future<Output = Result<WithTimestamps<T>, StoreError>>,
) -> Result<T, StoreError> {
    let WithTimestamps { result, timestamps } = call.await?;
    assert_eq!(timestamps, None, "nobody asked");
    Ok(result)
}

fn write(id: SessionId, token: SequenceToken, data: &str, txn: Option<TxnKey>) -> WriteRequest {
    let data = payload(data);
    let submitted = SubmittedToken::Parsed {
        token,
        next: token.next(id, &data),
    };
    WriteRequest {
        id,
        token: submitted,
        data,
        txn,
        timestamps: false,
    }
}

async fn created<R: Rig>(rig: &mut R, data: &str) -> NewSession {
    let new = new_session(data);
    let outcome = answer(rig.store().create(&new)).await.expect("a store");
    assert!(
        matches!(outcome, CreateResult::Created { .. }),
        "{outcome:?}"
    );
    rig.created(new.id);
    new
}

/// Writes where the token is current, and returns the next one.
async fn written<R: Rig>(
    rig: &R,
    id: SessionId,
    token: SequenceToken,
    data: &str,
) -> SequenceToken {
    let write = write(id, token, data, None);
    let next = token.next(id, &write.data);
    assert_stored(&answer(rig.store().write(&write)).await, next);
    next
}

/// That it was stored, whatever the session's progress is; that is the model's to say (`contract/random.rs`).
#[track_caller]
fn assert_stored(outcome: &Result<WriteResult, StoreError>, expected: SequenceToken) {
    assert!(
        matches!(outcome, Ok(WriteResult::Written { token, .. }) if *token == expected),
        "{outcome:?}"
    );
}

async fn assert_holds<R: Rig>(rig: &R, id: SessionId, token: SequenceToken, data: &str) {
    match answer(rig.store().read(&look(id, None)))
        .await
        .expect("a store")
    {
        ReadResult::Found {
            data: found,
            token: current,
            expires_in,
            ..
        } => {
            assert_eq!((found, current), (payload(data), token));
            assert!(
                expires_in > Duration::ZERO && expires_in <= TTL,
                "{expires_in:?}"
            );
        }
        other => panic!("{other:?}"),
    }
}

/// Makes two tests of each function: one for each store.
macro_rules! contract {
    ($($name:ident),+ $(,)?) => { $(mod $name {
        use super::{MemoryRig, RedisRig};

        #[tokio::test]
        async fn memory() {
            super::$name(&mut MemoryRig::new()).await;
        }

        #[tokio::test]
        async fn redis() {
            super::$name(&mut RedisRig::start().await).await;
        }
    })+ };
}

contract! {
    dates_are_told_where_they_are_wanted,
    a_session_holds_what_was_written_last,
    creating_twice_keeps_what_was_written_between,
    an_unchanged_read_spares_the_payload,
    a_session_ends_at_its_deadline_and_writes_do_not_extend_it,
    a_full_store_refuses_the_newcomer_and_evicts_nobody,
    a_retry_is_recognised_after_the_peer_has_answered,
    a_retry_is_recognised_for_as_many_writes_as_are_remembered,
    a_txn_record_alone_decides,
    txn_records_are_bounded_and_still_replay,
    the_longest_payload_survives,
    a_session_takes_so_many_writes_and_lives_on,
    a_client_that_has_its_share_is_refused_and_no_other,
    a_network_has_a_share_whatever_its_clients_have,
    a_user_has_a_share_wherever_they_are,
    the_fuller_it_is_the_smaller_are_the_shares,
    sessions_that_ran_out_are_told_of_once,
}

async fn a_session_holds_what_was_written_last<R: Rig>(rig: &mut R) {
    let new = created(rig, "one").await;
    assert_holds(rig, new.id, new.token, "one").await;
    let second = written(rig, new.id, new.token, "two").await;
    assert_holds(rig, new.id, second, "two").await;
    let third = written(rig, new.id, second, "two").await;
    assert_ne!(second, third, "equal data still advances the token");
    assert_eq!(rig.store().live().await, Ok(1));
    assert_eq!(rig.store().delete(new.id).await, Ok(DeleteResult::Deleted));
    assert_eq!(rig.store().delete(new.id).await, Ok(DeleteResult::Gone));
    assert_eq!(
        answer(rig.store().read(&look(new.id, None))).await,
        Ok(ReadResult::Gone)
    );
    assert_eq!(
        answer(rig.store().write(&write(new.id, third, "x", None))).await,
        Ok(WriteResult::Gone)
    );
    assert_eq!(rig.store().live().await, Ok(0));
}

async fn creating_twice_keeps_what_was_written_between<R: Rig>(rig: &mut R) {
    let new = created(rig, "one").await;
    let second = written(rig, new.id, new.token, "two").await;
    let again = answer(rig.store().create(&new)).await.expect("a store");
    assert!(matches!(again, CreateResult::Created { .. }), "{again:?}");
    assert_holds(rig, new.id, second, "two").await;
    assert_eq!(
        rig.store().live().await,
        Ok(1),
        "one place is taken, not two"
    );
}

async fn an_unchanged_read_spares_the_payload<R: Rig>(rig: &mut R) {
    let new = created(rig, "one").await;
    let read = answer(rig.store().read(&look(new.id, Some(new.token)))).await;
    assert!(matches!(read, Ok(ReadResult::Unchanged { .. })), "{read:?}");
    written(rig, new.id, new.token, "two").await;
    let read = answer(rig.store().read(&look(new.id, Some(new.token)))).await;
    assert!(matches!(read, Ok(ReadResult::Found { .. })), "{read:?}");
}

async fn the_longest_payload_survives<R: Rig>(rig: &mut R) {
    let longest = "\u{0}é\n\"".repeat(4096 / 5) + "x";
    assert_eq!(longest.len(), 4096);
    let new = created(rig, &longest).await;
    assert_holds(rig, new.id, new.token, &longest).await;
    let token = written(rig, new.id, new.token, "").await;
    assert_holds(rig, new.id, token, "").await;
}
