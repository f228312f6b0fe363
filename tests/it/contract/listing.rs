//! The list of sessions: each live one, with its owners.

use super::fixture::StoreFixture;
use super::{owner, session, unwrap_result};
use matrix_rendezvous::model::{Owner, SessionId, StoredPrincipal};
use matrix_rendezvous::store::{CreateResult, DeleteResult, ListSessions, ListedSession, Store};

/// Every page of the list.
async fn list<S: ListSessions>(store: &S, with_owners: bool) -> Vec<ListedSession> {
    let (mut listed, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.list(cursor, with_owners).await.expect("a page");
        listed.extend(page.sessions);
        cursor = page.next;
        if cursor.is_none() {
            return listed;
        }
    }
}

async fn create<R: StoreFixture>(fixture: &mut R, owner: Owner) -> SessionId {
    let new = session(SessionId::random(), owner, "x");
    let created = unwrap_result(fixture.store().create(&new)).await;
    assert!(
        matches!(created, Ok(CreateResult::Created { .. })),
        "{created:?}"
    );
    fixture.created(new.id);
    new.id
}

pub async fn list_has_each_session_with_its_owners<R: StoreFixture>(fixture: &mut R) {
    let owners = [
        owner("192.0.2.1", None),
        owner("192.0.2.1", Some("@anna:example.org")),
        owner("2001:db8::1", Some("@anna:example.org")),
        owner("2001:db8::1", Some("@berta:example.org")),
    ];
    assert_eq!(list(fixture.store(), true).await, []);
    let mut ids = Vec::new();
    for owner in owners {
        ids.push(create(fixture, owner).await);
    }
    let ended = create(fixture, owner("192.0.2.1", None)).await;
    assert_eq!(
        fixture.store().delete(ended).await,
        Ok(DeleteResult::Deleted)
    );
    let listed = list(fixture.store(), true).await;
    assert_eq!(listed.len(), ids.len(), "{listed:?}");
    let of = |index: usize| {
        let mut found = listed.iter().filter(|session| session.id == ids[index]);
        found.next().expect("it is listed").clone()
    };
    let client = |index| of(index).client.expect("a client");
    let user = |index| of(index).user.expect("a user");
    assert_eq!(of(0).user, None);
    assert_eq!([client(0), client(2)], [client(1), client(3)]);
    assert_ne!(client(0), client(2));
    assert_eq!(user(1), user(2));
    assert_ne!(user(1), user(3));
    assert!(!matches!((client(0), user(1)), (one, other) if one == other));
    let is_hashed = |stored| matches!(stored, StoredPrincipal::Hashed(_));
    assert_eq!(is_hashed(client(0)), is_hashed(user(1)));
    let mut without_owners: Vec<_> = list(fixture.store(), false).await;
    without_owners.sort_by_key(|session| session.id.to_string());
    let mut expected = ids;
    expected.sort_by_key(ToString::to_string);
    let found: Vec<_> = without_owners.iter().map(|session| session.id).collect();
    assert_eq!(found, expected);
}
