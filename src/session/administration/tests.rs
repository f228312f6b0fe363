//! Counts and ends over several pages: bounds, repeated sessions, errors and a second call.

use super::{AdminSessions, SessionSelector, WalkError};
use crate::clock::{Clock, ManualClock};
use crate::model::{ClientIp, Principal, SessionId, StoredPrincipal, User};
use crate::store::{
    Changes, CreateResult, DeleteResult, ListSessions, ListedSession, NewSession, ReadRequest,
    ReadResult, SessionPage, Store, StoreError, WithTimestamps, WriteRequest, WriteResult,
};
use crate::telemetry::pseudonym::Pseudonyms;
use futures_util::FutureExt;
use std::future::pending;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A store with these pages. Each takes some time.
struct PagedStore {
    pages: Vec<Vec<ListedSession>>,
    page_takes: Duration,
    hand: ManualClock,
    /// The session whose deletion fails.
    failing: Option<SessionId>,
    deleted: Mutex<Vec<SessionId>>,
    changes: Changes,
}

impl Store for PagedStore {
    async fn create(&self, _: &NewSession) -> Result<WithTimestamps<CreateResult>, StoreError> {
        pending().await
    }
    async fn read(&self, _: &ReadRequest) -> Result<WithTimestamps<ReadResult>, StoreError> {
        pending().await
    }
    async fn write(&self, _: &WriteRequest) -> Result<WithTimestamps<WriteResult>, StoreError> {
        pending().await
    }
    async fn delete(&self, id: SessionId) -> Result<DeleteResult, StoreError> {
        if self.failing == Some(id) {
            return Err(StoreError::Timeout);
        }
        let mut deleted = self.deleted.lock().expect("no panic");
        if deleted.contains(&id) {
            return Ok(DeleteResult::Gone);
        }
        deleted.push(id);
        Ok(DeleteResult::Deleted)
    }
    async fn live(&self) -> Result<u64, StoreError> {
        Ok(7)
    }
    fn changes(&self) -> &Changes {
        &self.changes
    }
}

impl ListSessions for PagedStore {
    type Cursor = usize;

    async fn list(&self, cursor: Option<usize>, _: bool) -> Result<SessionPage<usize>, StoreError> {
        let page = cursor.unwrap_or(0);
        if self.pages.is_empty() {
            return pending().await;
        }
        self.hand.advance(self.page_takes);
        let next = page + 1;
        Ok(SessionPage {
            sessions: self.pages[page].clone(),
            next: (next < self.pages.len()).then_some(next),
        })
    }
}

fn listed(client: u8, user: Option<&str>) -> ListedSession {
    let client = ClientIp::from(IpAddr::from(Ipv4Addr::new(192, 0, 2, client)));
    let user = user.map(|name| Principal::User(User::parse(name).expect("a name")));
    ListedSession {
        id: SessionId::random(),
        client: Some(StoredPrincipal::Named(Principal::Client(client))),
        user: user.map(StoredPrincipal::Named),
    }
}

fn sessions(
    pages: &[&[ListedSession]],
    page_takes: u64,
    failing: Option<SessionId>,
) -> AdminSessions<PagedStore> {
    let (clock, hand) = Clock::manual();
    let store = PagedStore {
        pages: pages.iter().map(|page| page.to_vec()).collect(),
        page_takes: Duration::from_secs(page_takes),
        hand,
        failing,
        deleted: Mutex::default(),
        changes: Changes::new(true),
    };
    AdminSessions::new(Arc::new(store), Pseudonyms::new(Arc::default()), clock)
}

/// SCAN may return a key twice.
#[tokio::test]
async fn session_in_two_pages_is_counted_once() {
    let (one, other) = (listed(1, Some("@a:b")), listed(2, None));
    let sessions = sessions(&[&[one.clone(), other], &[], &[one]], 0, None);
    let counts = sessions.count(10).await.expect("counts");
    assert_eq!(
        (counts.live, counts.counted, counts.is_complete),
        (7, 2, true)
    );
    let of = |owners: &[super::OwnerCount]| owners.iter().map(|owner| owner.sessions).collect();
    let (clients, users): (Vec<u64>, Vec<u64>) = (of(&counts.clients), of(&counts.users));
    assert_eq!((clients, users), (vec![1, 1], vec![1]));
    let ended = sessions.end(&SessionSelector::All).await.expect("ended");
    assert_eq!((ended.ended, ended.is_complete), (2, true));
}

#[tokio::test]
async fn walk_ends_after_its_time_and_is_incomplete() {
    let pages = [(); 5].map(|()| [listed(1, None)]);
    let pages: Vec<&[ListedSession]> = pages.iter().map(|page| &page[..]).collect();
    let sessions = sessions(&pages, 7, None);
    let counts = sessions.count(10).await.expect("counts");
    // Begun at 0, 7 and 14 seconds.
    assert_eq!((counts.counted, counts.is_complete), (3, false));
    let ended = sessions.end(&SessionSelector::All).await.expect("ended");
    assert_eq!((ended.ended, ended.is_complete), (3, false));
}

#[tokio::test]
async fn failed_deletion_says_how_many_were_ended() {
    let page = [listed(1, None), listed(2, None), listed(3, None)];
    let sessions = sessions(&[&page], 0, Some(page[1].id));
    let failed = sessions.end(&SessionSelector::All).await;
    let error = StoreError::Timeout;
    assert_eq!(failed, Err(WalkError::Store { error, ended: 2 }));
}

#[tokio::test]
async fn second_walk_is_rejected_until_the_first_ends() {
    let sessions = sessions(&[], 0, None);
    {
        let mut first = pin!(sessions.count(1));
        assert!(first.as_mut().now_or_never().is_none());
        let second = sessions.end(&SessionSelector::All).await;
        assert_eq!(second, Err(WalkError::Busy));
    }
    // The caller of the first has gone away.
    assert!(sessions.count(1).now_or_never().is_none());
}
