//! The contract of `store::Store`, held by both stores: what each call answers, over time.
//!
//! Through the library, since a store has no port. Time is a manual clock for the embedded store; on
//! Redis a session's TTL is cut short and its end waited for.

mod dates;
mod model;
mod random;
mod rig;
mod shares;
mod txns;

use dates::dates_are_told_where_they_are_wanted;
use matrix_rendezvous::model::{Payload, Presented, SequenceToken, SessionId, TxnKey};
use matrix_rendezvous::store::{
    Created, Dated, Deleted, Look, NewSession, RECENT_TOKENS, Read, Store, StoreError, Write,
    Written,
};
use matrix_rendezvous::telemetry::limit::Limit;
use rig::{MAX_LIVE, MAX_WRITES, MemoryRig, RedisRig, Rig, TTL};
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
        dates: false,
    }
}

fn look(id: SessionId, unless: Option<SequenceToken>) -> Look {
    Look {
        id,
        unless,
        dates: false,
    }
}

/// What a call answers that did not ask for dates, and was told none.
async fn answer<T>(
    call: impl Future<Output = Result<Dated<T>, StoreError>>,
) -> Result<T, StoreError> {
    let Dated { answer, dates } = call.await?;
    assert_eq!(dates, None, "nobody asked");
    Ok(answer)
}

fn write(id: SessionId, token: SequenceToken, data: &str, txn: Option<TxnKey>) -> Write {
    let data = payload(data);
    let presented = Presented::Ours {
        token,
        next: token.next(id, &data),
    };
    Write {
        id,
        presented,
        data,
        txn,
        dates: false,
    }
}

async fn created<R: Rig>(rig: &mut R, data: &str) -> NewSession {
    let new = new_session(data);
    let outcome = answer(rig.store().create(&new)).await.expect("a store");
    assert!(matches!(outcome, Created::Created { .. }), "{outcome:?}");
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
fn assert_stored(outcome: &Result<Written, StoreError>, expected: SequenceToken) {
    assert!(
        matches!(outcome, Ok(Written::Written { token, .. }) if *token == expected),
        "{outcome:?}"
    );
}

async fn assert_holds<R: Rig>(rig: &R, id: SessionId, token: SequenceToken, data: &str) {
    match answer(rig.store().read(&look(id, None)))
        .await
        .expect("a store")
    {
        Read::Found {
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
    assert_eq!(rig.store().delete(new.id).await, Ok(Deleted::Deleted));
    assert_eq!(rig.store().delete(new.id).await, Ok(Deleted::Gone));
    assert_eq!(
        answer(rig.store().read(&look(new.id, None))).await,
        Ok(Read::Gone)
    );
    assert_eq!(
        answer(rig.store().write(&write(new.id, third, "x", None))).await,
        Ok(Written::Gone)
    );
    assert_eq!(rig.store().live().await, Ok(0));
}

async fn sessions_that_ran_out_are_told_of_once<R: Rig>(rig: &mut R) {
    let told = |outcome: &Created| match outcome {
        Created::Created { ran_out, .. } => *ran_out,
        Created::Refused { .. } => panic!("{outcome:?}"),
    };
    let deleted = created(rig, "deleted").await;
    created(rig, "left to its time").await;
    created(rig, "left as well").await;
    assert_eq!(rig.store().delete(deleted.id).await, Ok(Deleted::Deleted));
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

async fn creating_twice_keeps_what_was_written_between<R: Rig>(rig: &mut R) {
    let new = created(rig, "one").await;
    let second = written(rig, new.id, new.token, "two").await;
    let again = answer(rig.store().create(&new)).await.expect("a store");
    assert!(matches!(again, Created::Created { .. }), "{again:?}");
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
    assert!(matches!(read, Ok(Read::Unchanged { .. })), "{read:?}");
    written(rig, new.id, new.token, "two").await;
    let read = answer(rig.store().read(&look(new.id, Some(new.token)))).await;
    assert!(matches!(read, Ok(Read::Found { .. })), "{read:?}");
}

async fn a_session_ends_at_its_deadline_and_writes_do_not_extend_it<R: Rig>(rig: &mut R) {
    let new = created(rig, "one").await;
    let step = Duration::from_millis(1);
    rig.advance(TTL.saturating_sub(step)).await;
    let token = written(rig, new.id, new.token, "two").await;
    rig.advance(step).await;
    assert_eq!(
        answer(rig.store().read(&look(new.id, None))).await,
        Ok(Read::Gone)
    );
    assert_eq!(
        answer(rig.store().write(&write(new.id, token, "x", None))).await,
        Ok(Written::Gone)
    );
    assert_eq!(rig.store().delete(new.id).await, Ok(Deleted::Gone));
    assert_eq!(rig.store().live().await, Ok(0));
}

async fn a_full_store_refuses_the_newcomer_and_evicts_nobody<R: Rig>(rig: &mut R) {
    let mut live = Vec::new();
    for number in 0..MAX_LIVE {
        live.push(created(rig, &number.to_string()).await);
        rig.advance(Duration::from_secs(1)).await;
    }
    let refused = new_session("newcomer");
    let outcome = answer(rig.store().create(&refused)).await.expect("a store");
    let Created::Refused { limit, retry_after } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(limit, Limit::LiveTotal);
    assert!(
        retry_after > Duration::ZERO && retry_after <= TTL + TTL,
        "{retry_after:?}"
    );
    assert_eq!(
        answer(rig.store().read(&look(refused.id, None))).await,
        Ok(Read::Gone)
    );
    for (number, session) in live.iter().enumerate() {
        assert_holds(rig, session.id, session.token, &number.to_string()).await;
    }
    assert_eq!(rig.store().delete(live[0].id).await, Ok(Deleted::Deleted));
    created(rig, "in the deleted one's place").await;
    // Expired sessions make room too: all of the first ones at once.
    rig.advance(TTL.saturating_sub(Duration::from_millis(500)))
        .await;
    created(rig, "in an expired one's place").await;
}

async fn a_retry_is_recognised_after_the_peer_has_answered<R: Rig>(rig: &mut R) {
    let new = created(rig, "one").await;
    let mine = written(rig, new.id, new.token, "mine").await;
    let retry = write(new.id, new.token, "mine", None);
    assert_eq!(
        answer(rig.store().write(&retry)).await,
        Ok(Written::Retried(mine))
    );
    let theirs = written(rig, new.id, mine, "theirs").await;
    assert_eq!(
        answer(rig.store().write(&retry)).await,
        Ok(Written::Retried(mine))
    );
    assert_holds(rig, new.id, theirs, "theirs").await;
    let other = write(new.id, new.token, "other", None);
    assert_eq!(
        answer(rig.store().write(&other)).await,
        Ok(Written::Conflict(theirs))
    );
    // Any stale token whose data is there already has what it wants.
    let same = write(new.id, new.token, "theirs", None);
    assert_eq!(
        answer(rig.store().write(&same)).await,
        Ok(Written::Retried(theirs))
    );
    let mut foreign = write(new.id, theirs, "x", None);
    foreign.presented = Presented::Foreign;
    assert_eq!(
        answer(rig.store().write(&foreign)).await,
        Ok(Written::Conflict(theirs))
    );
    assert_holds(rig, new.id, theirs, "theirs").await;
}

async fn a_retry_is_recognised_for_as_many_writes_as_are_remembered<R: Rig>(rig: &mut R) {
    let new = created(rig, "one").await;
    let first = written(rig, new.id, new.token, "first").await;
    let retry = write(new.id, new.token, "first", None);
    let mut token = first;
    for number in 0..RECENT_TOKENS {
        token = written(rig, new.id, token, &number.to_string()).await;
        assert_eq!(
            answer(rig.store().write(&retry)).await,
            Ok(Written::Retried(first)),
            "{number}"
        );
    }
    token = written(rig, new.id, token, "one more").await;
    assert_eq!(
        answer(rig.store().write(&retry)).await,
        Ok(Written::Conflict(token))
    );
    assert_holds(rig, new.id, token, "one more").await;
}

async fn the_longest_payload_survives<R: Rig>(rig: &mut R) {
    let longest = "\u{0}é\n\"".repeat(4096 / 5) + "x";
    assert_eq!(longest.len(), 4096);
    let new = created(rig, &longest).await;
    assert_holds(rig, new.id, new.token, &longest).await;
    let token = written(rig, new.id, new.token, "").await;
    assert_holds(rig, new.id, token, "").await;
}

async fn a_session_takes_so_many_writes_and_lives_on<R: Rig>(rig: &mut R) {
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
        let Ok(Written::WritesFull { retry_after }) = outcome else {
            panic!("{outcome:?}")
        };
        assert!(rig.is_time_left(retry_after, TTL), "{retry_after:?}");
    }
    let kept = (MAX_WRITES - 1).to_string();
    assert_holds(rig, new.id, last, &kept).await;
    // What is no write is answered as ever: a retry, a conflict; and that txnId was not recorded.
    let retry = write(new.id, before, &kept, None);
    assert_eq!(
        answer(rig.store().write(&retry)).await,
        Ok(Written::Retried(last))
    );
    let stale = write(new.id, before, "stale", Some(txn("t")));
    assert_eq!(
        answer(rig.store().write(&stale)).await,
        Ok(Written::Conflict(last))
    );
}
