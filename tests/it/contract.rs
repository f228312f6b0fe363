//! The contract of `store::Store`, which both stores fulfil: the result of each call, over time.
//!
//! The tests use the library, because a store has no port. The memory store runs on a manual clock;
//! on Redis the tests shorten a session's TTL and wait for its end.

mod dates;
mod expiry;
pub mod fixture;
mod listing;
mod model;
mod one_sided;
mod random;
mod redis_fixture;
pub mod requests;
mod retries;
mod run;
mod shares;
mod strategies;
mod txns;

use dates::{timestamps_are_returned_on_request, write_reports_the_time_since_the_change_before};
use expiry::{
    expired_sessions_are_reported_once, full_store_rejects_a_creation_and_evicts_none,
    session_expires_at_its_deadline_despite_writes,
};
use fixture::{MemoryFixture, StoreFixture, TTL};
use listing::list_has_each_session_with_its_owners;
use matrix_rendezvous::model::{SequenceToken, SessionId, SubmittedToken, TxnKey};
use matrix_rendezvous::store::{
    CreateResult, DeleteResult, NewSession, ReadResult, Store, StoreError, WriteRequest,
    WriteResult,
};
use one_sided::session_without_a_peer_is_reported_once;
use redis_fixture::RedisFixture;
use requests::{owner, payload, read_request, session, txn, unwrap_result};
use retries::{
    retry_is_recognised_after_the_peers_write, retry_is_recognised_within_the_last_four_tokens,
    write_limit_rejects_and_session_lives_on,
};
use shares::{
    client_quota_rejects_only_that_client, ipv4_24_and_16_have_quotas, ipv6_40_and_32_have_quotas,
    network_quota_is_separate_from_client_quotas, quotas_shrink_as_the_store_fills,
    user_quota_holds_from_any_client,
};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use txns::{txn_record_alone_decides, txn_records_are_bounded_and_replay_when_full};

/// A session of a client that has no other session, in a network that has no other.
fn new_session(data: &str) -> NewSession {
    static CLIENTS: AtomicU8 = AtomicU8::new(0);
    let client = CLIENTS.fetch_add(1, Ordering::Relaxed);
    let owner = owner(&format!("11.{client}.100.1"), None);
    session(SessionId::random(), owner, data)
}

pub fn write(id: SessionId, token: SequenceToken, data: &str, txn: Option<TxnKey>) -> WriteRequest {
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

async fn created<R: StoreFixture>(fixture: &mut R, data: &str) -> NewSession {
    let new = new_session(data);
    let outcome = unwrap_result(fixture.store().create(&new))
        .await
        .expect("a store");
    assert!(
        matches!(outcome, CreateResult::Created { .. }),
        "{outcome:?}"
    );
    fixture.created(new.id);
    new
}

/// Writes with the current token, and returns the next token.
async fn written<R: StoreFixture>(
    fixture: &R,
    id: SessionId,
    token: SequenceToken,
    data: &str,
) -> SequenceToken {
    let write = write(id, token, data, None);
    let next = token.next(id, &write.data);
    assert_stored(&unwrap_result(fixture.store().write(&write)).await, next);
    next
}

/// Expects that the write was stored, with any progress of the session; `contract/random.rs` checks
/// the progress.
#[track_caller]
fn assert_stored(outcome: &Result<WriteResult, StoreError>, expected: SequenceToken) {
    assert!(
        matches!(outcome, Ok(WriteResult::Written { token, .. }) if *token == expected),
        "{outcome:?}"
    );
}

async fn assert_holds<R: StoreFixture>(
    fixture: &R,
    id: SessionId,
    token: SequenceToken,
    data: &str,
) {
    match unwrap_result(fixture.store().read(&read_request(id, None)))
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

/// Creates tests of each function: one in memory, and one on each deployment of Redis.
macro_rules! contract {
    ($($name:ident),+ $(,)?) => { $(mod $name {
        use super::{MemoryFixture, RedisFixture};
        use crate::deployments::{Deployment, on_each_redis};

        #[tokio::test]
        async fn memory() {
            super::$name(&mut MemoryFixture::new()).await;
        }

        #[tokio::main(flavor = "current_thread")]
        async fn on_redis(deployment: &Deployment) {
            super::$name(&mut RedisFixture::on(deployment).await).await;
        }

        on_each_redis!(on_redis);
    })+ };
}

contract! {
    timestamps_are_returned_on_request,
    write_reports_the_time_since_the_change_before,
    session_holds_the_last_write,
    unchanged_read_returns_no_payload,
    session_expires_at_its_deadline_despite_writes,
    full_store_rejects_a_creation_and_evicts_none,
    retry_is_recognised_after_the_peers_write,
    retry_is_recognised_within_the_last_four_tokens,
    txn_record_alone_decides,
    txn_records_are_bounded_and_replay_when_full,
    longest_payload_is_stored,
    write_limit_rejects_and_session_lives_on,
    client_quota_rejects_only_that_client,
    network_quota_is_separate_from_client_quotas,
    user_quota_holds_from_any_client,
    ipv4_24_and_16_have_quotas,
    ipv6_40_and_32_have_quotas,
    quotas_shrink_as_the_store_fills,
    expired_sessions_are_reported_once,
    session_without_a_peer_is_reported_once,
    list_has_each_session_with_its_owners,
}

async fn session_holds_the_last_write<R: StoreFixture>(fixture: &mut R) {
    let new = created(fixture, "one").await;
    assert_holds(fixture, new.id, new.token, "one").await;
    let second = written(fixture, new.id, new.token, "two").await;
    assert_holds(fixture, new.id, second, "two").await;
    let third = written(fixture, new.id, second, "two").await;
    assert_ne!(second, third, "equal data still advances the token");
    assert_eq!(fixture.store().live().await, Ok(1));
    assert_eq!(
        fixture.store().delete(new.id).await,
        Ok(DeleteResult::Deleted)
    );
    assert_eq!(fixture.store().delete(new.id).await, Ok(DeleteResult::Gone));
    assert_eq!(
        unwrap_result(fixture.store().read(&read_request(new.id, None))).await,
        Ok(ReadResult::Gone)
    );
    assert_eq!(
        unwrap_result(fixture.store().write(&write(new.id, third, "x", None))).await,
        Ok(WriteResult::Gone)
    );
    assert_eq!(fixture.store().live().await, Ok(0));
}

async fn unchanged_read_returns_no_payload<R: StoreFixture>(fixture: &mut R) {
    let new = created(fixture, "one").await;
    let read = unwrap_result(fixture.store().read(&read_request(new.id, Some(new.token)))).await;
    assert!(matches!(read, Ok(ReadResult::Unchanged { .. })), "{read:?}");
    written(fixture, new.id, new.token, "two").await;
    let read = unwrap_result(fixture.store().read(&read_request(new.id, Some(new.token)))).await;
    assert!(matches!(read, Ok(ReadResult::Found { .. })), "{read:?}");
}

async fn longest_payload_is_stored<R: StoreFixture>(fixture: &mut R) {
    let longest = "\u{0}é\n\"".repeat(4096 / 5) + "x";
    assert_eq!(longest.len(), 4096);
    let new = created(fixture, &longest).await;
    assert_holds(fixture, new.id, new.token, &longest).await;
    let token = written(fixture, new.id, new.token, "").await;
    assert_holds(fixture, new.id, token, "").await;
}
