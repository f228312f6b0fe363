//! A panic in a handler: a 500 with a Matrix body and a counter, and the process goes on.
//!
//! Here alone the store is a stand-in, because a real store cannot be made to panic on demand. It
//! runs behind the real pipeline and a real port, in this process.

mod tasks;

use matrix_rendezvous::clock::Clock;
use matrix_rendezvous::config::{Mode, Sources};
use matrix_rendezvous::http::service::{RequestTelemetry, Service};
use matrix_rendezvous::lifecycle::Lifecycle;
use matrix_rendezvous::model::LimitSet;
use matrix_rendezvous::model::SessionId;
use matrix_rendezvous::net::connection::Connections;
use matrix_rendezvous::net::listener::{self, BoundListener, BoundListeners};
use matrix_rendezvous::net::routing::CurrentRouting;
use matrix_rendezvous::policy::{Homeserver, Homeservers, Policy};
use matrix_rendezvous::startup;
use matrix_rendezvous::store::{
    Changes, CreateResult, DeleteResult, NewSession, ReadRequest, ReadResult, Store, StoreError,
    WithTimestamps, WriteRequest, WriteResult,
};
use matrix_rendezvous::telemetry::access_log::{AccessLog, AccessLogScope};
use matrix_rendezvous::telemetry::labels::TimeoutKind;
use matrix_rendezvous::telemetry::metrics::Metrics;
use matrix_rendezvous::telemetry::one_sided_log::OneSidedLog;
use matrix_rendezvous::telemetry::pseudonym::Pseudonyms;
use matrix_rendezvous::telemetry::rejection_log::RejectionLog;
use matrix_rendezvous::telemetry::request_log::RequestLog;
use matrix_rendezvous::telemetry::traces::Traces;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use testkit::http::{Connection, Request};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const PATH: &str = "/_matrix/client/unstable/io.element.msc4388/rendezvous";

/// A store that panics on a read, hangs on a delete, and creates normally.
struct PanickingStore(Changes);

impl Store for PanickingStore {
    async fn create(&self, new: &NewSession) -> Result<WithTimestamps<CreateResult>, StoreError> {
        let expires_in = Duration::from_mins(5);
        let shadowed = LimitSet::default();
        Ok(WithTimestamps::without_timestamps(CreateResult::Created {
            id: new.id,
            token: new.token,
            expires_in,
            shadowed,
            expired: 0,
        }))
    }

    async fn read(&self, _: &ReadRequest) -> Result<WithTimestamps<ReadResult>, StoreError> {
        panic!("on purpose")
    }

    async fn write(&self, _: &WriteRequest) -> Result<WithTimestamps<WriteResult>, StoreError> {
        Err(StoreError::BadReply)
    }

    async fn delete(&self, _: SessionId) -> Result<DeleteResult, StoreError> {
        std::future::pending().await
    }

    async fn live(&self) -> Result<u64, StoreError> {
        Ok(0)
    }

    fn changes(&self) -> &Changes {
        &self.0
    }
}

struct TestService {
    address: SocketAddr,
    metrics: Arc<Metrics>,
    _runtime: tokio::runtime::Runtime,
}

fn serve() -> TestService {
    let flags = [
        ("mode", "open"),
        ("limits.enabled", "false"),
        ("http.request_timeout", "50ms"),
    ]
    .map(|(key, value)| ("--set".to_owned(), key.to_owned(), value.to_owned()));
    let sources = Sources {
        flags: flags.to_vec(),
        ..Sources::default()
    };
    let config = startup::load(&sources).expect("good flags").config;
    let (clock, metrics) = (Clock::system(), Arc::new(Metrics::new()));
    let policy = Arc::new(Policy::new(
        config.limits.clone(),
        false,
        &clock,
        Arc::clone(&metrics),
    ));
    let homeserver = Homeserver {
        name: String::new(),
        mode: Mode::Open,
        auth: None,
    };
    let homeservers = Arc::new(Homeservers::Only(Box::new(homeserver)));
    let store = Arc::new(PanickingStore(Changes::new(true)));
    let (counted, time) = (Arc::clone(&metrics), clock.clone());
    let pseudonyms = Pseudonyms::new(Arc::default());
    let refusals = Arc::new(RejectionLog::new(
        "worker".to_owned(),
        pseudonyms.clone(),
        clock.clone(),
    ));
    let rejection_log = Arc::clone(&refusals);
    let access_log = AccessLog::new(
        AccessLogScope::Off,
        "worker".to_owned(),
        pseudonyms.clone(),
        clock.clone(),
        Arc::clone(&metrics),
    );
    let one_sided_log = OneSidedLog::new("worker".to_owned(), pseudonyms, clock.clone());
    let telemetry = RequestTelemetry {
        metrics: counted,
        request_log: RequestLog::new(Arc::new(access_log), rejection_log),
        traces: Traces::default(),
        one_sided_log: Arc::new(one_sided_log),
    };
    let (counted, lifecycle) = (Arc::clone(&metrics), Lifecycle::new());
    let service = Service::new(
        &config,
        store,
        policy,
        homeservers,
        telemetry,
        time,
        &lifecycle,
    );
    let routing = Arc::new(CurrentRouting::new(&config));
    let shared = Arc::new(Connections::new(
        &config, service, routing, lifecycle, counted, refusals, clock,
    ));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let socket = runtime
        .block_on(TcpListener::bind("127.0.0.1:0"))
        .expect("a port");
    let address = socket.local_addr().expect("an address");
    let sockets = BoundListeners::new(vec![BoundListener::Tcp(socket, address)]);
    runtime.spawn(async move {
        let (permits, tasks, stop) = (
            Arc::new(Semaphore::new(8)),
            TaskTracker::new(),
            CancellationToken::new(),
        );
        listener::accept(sockets, permits, &tasks, &stop, |stream, peer, permit| {
            Arc::clone(&shared).serve(stream, peer, permit)
        })
        .await;
    });
    TestService {
        address,
        metrics,
        _runtime: runtime,
    }
}

// R0.30
#[test]
fn panic_is_500_and_connection_survives() {
    let rig = serve();
    let mut connection = Connection::open(rig.address);
    let path = format!("{PATH}/{}", SessionId::random());
    for panics in 1..=2 {
        connection
            .send(&Request::get(&path))
            .expect_error(500, "M_UNKNOWN");
        assert_eq!(rig.metrics.panics.get(), panics);
        assert_eq!(rig.metrics.http_in_flight.get(), 0);
    }
    connection.send(&Request::get(PATH)).expect(200);
}

// R0.29
#[test]
fn endless_request_is_503_after_request_timeout() {
    let rig = serve();
    let path = format!("{PATH}/{}", SessionId::random());
    let reply = Connection::open(rig.address)
        .send(&Request::delete(&path))
        .expect_error(503, "M_UNKNOWN");
    assert_eq!(reply.header("retry-after"), Some("1"));
    let timeouts = rig.metrics.timeouts.value(TimeoutKind::Request);
    assert_eq!(timeouts, 1);
}

// R0.3
#[test]
fn malformed_store_reply_is_503() {
    let rig = serve();
    let path = format!("{PATH}/{}", SessionId::random());
    let body = r#"{"sequence_token":"t","data":"x"}"#;
    let request = Request::put(&path).body(body);
    let reply = Connection::open(rig.address)
        .send(&request)
        .expect_error(503, "M_UNKNOWN");
    assert_eq!(reply.header("retry-after"), Some("1"));
}
