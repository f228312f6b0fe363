//! Holds in the paused time of the runtime: the window, the expiry, and reads without hints.

use super::Holds;
use crate::clock::Clock;
use crate::config::msc4108::LongPollConfig;
use crate::lifecycle::Lifecycle;
use crate::limits::in_flight::InFlightLimits;
use crate::model::{Api, Owner, Payload, SequenceToken, SessionId, SubmittedToken};
use crate::session::{PolledRead, Sessions};
use crate::store::memory::MemoryStore;
use crate::store::{
    Changes, CreateResult, DeleteResult, NewSession, ReadRequest, ReadResult, Store, StoreError,
    WithTimestamps, WriteRequest, WriteResult,
};
use crate::store::{CurrentShares, Sampler, SessionLimits};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::one_sided_log::OneSidedLog;
use crate::telemetry::pseudonym::Pseudonyms;
use std::future::pending;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::sleep;

const TTL: Duration = Duration::from_mins(5);
const WINDOW: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_millis(1900);
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// tokio's timers count in milliseconds, and an expiry is read one later.
const TIMER_STEP: Duration = Duration::from_millis(3);

/// A memory store whose hints can be switched off, and which counts its reads.
struct CountingStore {
    store: MemoryStore,
    /// `None` for those of the store.
    silent: Option<Changes>,
    reads: AtomicU64,
}

impl Store for CountingStore {
    async fn create(&self, new: &NewSession) -> Result<WithTimestamps<CreateResult>, StoreError> {
        self.store.create(new).await
    }
    async fn read(&self, request: &ReadRequest) -> Result<WithTimestamps<ReadResult>, StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.store.read(request).await
    }
    async fn write(&self, write: &WriteRequest) -> Result<WithTimestamps<WriteResult>, StoreError> {
        self.store.write(write).await
    }
    async fn delete(&self, id: SessionId) -> Result<DeleteResult, StoreError> {
        self.store.delete(id).await
    }
    async fn live(&self) -> Result<u64, StoreError> {
        self.store.live().await
    }
    fn changes(&self) -> &Changes {
        self.silent.as_ref().unwrap_or(self.store.changes())
    }
}

struct Fixture {
    sessions: Sessions<CountingStore>,
    store: Arc<CountingStore>,
    in_flight: InFlightLimits,
    clock: Clock,
    id: SessionId,
    token: SequenceToken,
}

impl Fixture {
    /// A session that was written once, just now.
    async fn new(silent: Option<Changes>) -> Self {
        let clock = Clock::system();
        let limits = SessionLimits {
            ttl: TTL,
            max_live: 100,
            max_writes: 250,
            max_txn_ids: 64,
            shares: Arc::new(CurrentShares::new(None)),
            sampler: Sampler::default(),
        };
        let store = Arc::new(CountingStore {
            store: MemoryStore::new(clock.clone(), limits),
            silent,
            reads: AtomicU64::new(0),
        });
        let metrics = Arc::new(Metrics::new());
        let config = LongPollConfig {
            window: WINDOW,
            timeout: TIMEOUT,
            max_waiting: 10,
        };
        let holds = Holds::new(
            config,
            Lifecycle::new(),
            Arc::clone(&metrics),
            clock.clone(),
        );
        let one_sided_log = Arc::new(OneSidedLog::new(
            "replica".to_owned(),
            Pseudonyms::new(Arc::default()),
            clock.clone(),
        ));
        let (id, data) = (SessionId::random(), payload("one"));
        let token = SequenceToken::first(id, &data);
        let new = NewSession {
            id,
            token,
            data,
            owner: Owner {
                client: LOCALHOST.into(),
                user: None,
            },
            timestamps: false,
        };
        store.create(&new).await.expect("a session");
        let mut fixture = Self {
            sessions: Sessions::new(
                Arc::clone(&store),
                metrics,
                None,
                Some(holds),
                one_sided_log,
            ),
            store,
            in_flight: InFlightLimits::new(),
            clock,
            id,
            token,
        };
        fixture.token = fixture.write("two").await;
        fixture
    }

    /// Writes to the session, and returns its new token.
    async fn write(&self, data: &str) -> SequenceToken {
        let data = payload(data);
        let write = WriteRequest {
            id: self.id,
            token: SubmittedToken::new(Some(self.token), self.id, &data),
            data,
            txn: None,
            timestamps: false,
        };
        match self.store.write(&write).await.expect("the store").result {
            WriteResult::Written { token, .. } => token,
            other => panic!("{other:?}"),
        }
    }

    async fn poll(&self) -> PolledRead<'_, CountingStore> {
        let permits = self.in_flight.try_acquire(LOCALHOST.into(), None, true);
        let retry = self.sessions.begin_request(permits.expect("a permit"));
        let request = ReadRequest {
            id: self.id,
            if_none_match: Some(self.token),
            timestamps: true,
            track_peer: true,
        };
        let read = self.sessions.read_or_hold(Api::Msc4108, &request, retry);
        read.await.expect("the store")
    }

    /// The result of a read that is held, and for how long.
    async fn held(&self) -> (ReadResult, Duration) {
        let begun = self.clock.now();
        match self.poll().await {
            PolledRead::Held(hold) => {
                let hold = self.sessions.await_change(Api::Msc4108, *hold, pending());
                let read = hold.await;
                (read.result, self.clock.now().saturating_sub(begun))
            }
            PolledRead::Now(read) => panic!("{read:?}"),
        }
    }

    fn reads(&self) -> u64 {
        self.store.reads.load(Ordering::SeqCst)
    }
}

fn payload(text: &str) -> Payload {
    Payload::new(text).expect("a payload")
}

#[track_caller]
fn assert_took(took: Duration, expected: Duration) {
    assert!(
        expected <= took && took <= expected + TIMER_STEP,
        "{took:?}"
    );
}

// R2.39
#[tokio::test(start_paused = true)]
async fn read_is_held_within_the_window_only() {
    let fixture = Fixture::new(None).await;
    let just_before = WINDOW.saturating_sub(Duration::from_millis(10));
    sleep(just_before).await;
    assert!(matches!(fixture.poll().await, PolledRead::Held(_)));
    sleep(Duration::from_millis(10)).await;
    assert!(matches!(fixture.poll().await, PolledRead::Now(_)));
}

// R2.40, R2.43
#[tokio::test(start_paused = true)]
async fn hold_lasts_for_the_timeout_and_reads_once() {
    let fixture = Fixture::new(None).await;
    let (read, held_for) = fixture.held().await;
    assert!(matches!(read, ReadResult::Unchanged { .. }));
    assert_took(held_for, TIMEOUT);
    assert_eq!(fixture.reads(), 1);
}

// R2.41
#[tokio::test(start_paused = true)]
async fn hint_ends_the_hold_with_a_second_read() {
    let fixture = Fixture::new(None).await;
    let delay = Duration::from_millis(700);
    let ((read, held_for), next) = tokio::join!(fixture.held(), async {
        sleep(delay).await;
        fixture.write("three").await
    });
    let ReadResult::Found { token, .. } = read else {
        panic!("{read:?}");
    };
    assert_eq!(token, next);
    assert_took(held_for, delay);
    assert_eq!(fixture.reads(), 2);
}

/// A hint about a session that did not change costs a read, and ends no hold.
#[tokio::test(start_paused = true)]
async fn false_hint_does_not_end_the_hold() {
    let fixture = Fixture::new(None).await;
    let ((read, held_for), ()) = tokio::join!(fixture.held(), async {
        sleep(Duration::from_millis(700)).await;
        fixture.store.changes().report(fixture.id);
    });
    assert!(matches!(read, ReadResult::Unchanged { .. }));
    assert_took(held_for, TIMEOUT);
    assert_eq!(fixture.reads(), 2);
}

/// Without hints a held read looks each half second.
// R2.47
#[tokio::test(start_paused = true)]
async fn hold_without_hints_reads_from_time_to_time() {
    let fixture = Fixture::new(Some(Changes::new(false))).await;
    let (_, held_for) = fixture.held().await;
    assert_took(held_for, TIMEOUT);
    assert_eq!(fixture.reads(), 1 + 3, "at 0.5, 1.0 and 1.5 s");
    let ((read, held_for), _) = tokio::join!(fixture.held(), async {
        sleep(Duration::from_millis(700)).await;
        fixture.write("three").await
    });
    assert!(matches!(read, ReadResult::Found { .. }));
    assert_took(held_for, Duration::from_secs(1));
}

/// A registry that loses its hints wakes the hold, which then looks from time to time.
#[tokio::test(start_paused = true)]
async fn hold_goes_on_when_hints_are_lost() {
    let fixture = Fixture::new(Some(Changes::new(true))).await;
    let ((read, held_for), _) = tokio::join!(fixture.held(), async {
        sleep(Duration::from_millis(300)).await;
        let written = fixture.write("three").await;
        sleep(Duration::from_millis(200)).await;
        fixture.store.changes().set_complete(false);
        written
    });
    assert!(matches!(read, ReadResult::Found { .. }));
    assert_took(held_for, Duration::from_millis(500));
}

// R2.42
#[tokio::test(start_paused = true)]
async fn expiry_ends_the_hold() {
    let mut fixture = Fixture::new(None).await;
    let left = Duration::from_millis(600);
    sleep(TTL.saturating_sub(left)).await;
    fixture.token = fixture.write("three").await;
    let (read, held_for) = fixture.held().await;
    assert_eq!(read, ReadResult::Gone);
    assert_took(held_for, left);
}
