//! A session that one device polls to its end, while no other reads it: the store reports it once.

use super::fixture::{StoreFixture, TTL};
use super::{created, read_request, unwrap_result, written};
use matrix_rendezvous::model::{SequenceToken, SessionId};
use matrix_rendezvous::store::{LAST_POLLS, ReadRequest, ReadResult, Store};
use std::time::Duration;

/// Reads, and returns whether the session is reported.
async fn is_reported<R: StoreFixture>(
    fixture: &R,
    id: SessionId,
    if_none_match: Option<SequenceToken>,
    track_peer: bool,
) -> bool {
    let request = ReadRequest {
        track_peer,
        ..read_request(id, if_none_match)
    };
    let read = unwrap_result(fixture.store().read(&request)).await;
    match read.expect("the store") {
        ReadResult::Unchanged { is_one_sided, .. } => is_one_sided,
        ReadResult::Found { .. } => false,
        ReadResult::Gone => panic!("gone"),
    }
}

pub async fn session_without_a_peer_is_reported_once<R: StoreFixture>(fixture: &mut R) {
    let alone = created(fixture, "no other device").await;
    let scanned = created(fixture, "read").await;
    let answered = created(fixture, "written").await;
    let json = created(fixture, "read, and not tracked").await;
    assert!(!is_reported(fixture, scanned.id, None, true).await);
    let answer = written(fixture, answered.id, answered.token, "answer").await;
    assert!(!is_reported(fixture, json.id, None, false).await);

    let poll = |session: SessionId, token| (session, Some(token));
    let polls = [
        poll(alone.id, alone.token),
        poll(scanned.id, scanned.token),
        poll(answered.id, answer),
        poll(json.id, json.token),
    ];
    for (id, token) in polls {
        assert!(!is_reported(fixture, id, token, true).await, "too early");
    }
    let left = LAST_POLLS.saturating_sub(Duration::from_millis(1));
    fixture.advance(TTL.saturating_sub(left)).await;
    let mut reported = Vec::new();
    for (id, token) in polls {
        fixture.set_ttl(id, left);
        assert!(!is_reported(fixture, id, token, false).await, "untracked");
        reported.push(is_reported(fixture, id, token, true).await);
        assert!(!is_reported(fixture, id, token, true).await, "twice");
        // A machine that stalls ends no session of this test.
        fixture.set_ttl(id, TTL);
    }
    assert_eq!(reported, [true, false, false, true]);
}
