//! Token checks that occupy all permits because the verifier never answers.
//!
//! The runtime's time is paused, so the tests take no time and do not depend on the machine's load.

use super::support::{check, whoami_authenticator};
use hyper::StatusCode;
use matrix_rendezvous::clock::Clock;
use matrix_rendezvous::http::error::ApiError;
use matrix_rendezvous::model::User;
use matrix_rendezvous::policy::PolicyRejection;
use matrix_rendezvous::policy::auth::{AuthError, Authenticator, TokenRejection};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use testkit::eventually;
use testkit::homeserver::{HomeserverStub, TokenReply};
use tokio::task::spawn_blocking;

/// The limit on concurrent checks, and the number of failing networks that request a probe.
const PLACES: usize = 64;
const FAILURES: usize = 5;

/// Paused time advances to the next timer if no task can run, even while a response is on its way
/// on a socket. While this value is held, time stands still, because tokio counts a blocking task
/// as running.
struct StoppedTime {
    _held: mpsc::Sender<()>,
}

fn stop_time() -> StoppedTime {
    let (held, release) = mpsc::channel::<()>();
    spawn_blocking(move || release.recv());
    StoppedTime { _held: held }
}

/// A homeserver stand-in and an authenticator that uses it. Each check comes from a different
/// client.
struct Clients {
    verifier: Arc<HomeserverStub>,
    auth: Arc<Authenticator>,
    asked: usize,
}

impl Clients {
    fn new(clock: Clock) -> Self {
        let verifier = Arc::new(HomeserverStub::start());
        let auth = Arc::new(whoami_authenticator(&verifier, clock));
        Self {
            verifier,
            auth,
            asked: 0,
        }
    }

    /// A token that the stand-in answers like this, and its client.
    fn next(&mut self, answer: TokenReply) -> (u32, String) {
        self.asked += 1;
        let token = format!("token-{}", self.asked);
        self.verifier.set_reply(&token, answer);
        (u32::try_from(self.asked).expect("few"), token)
    }

    async fn check(&mut self, answer: TokenReply) -> Result<User, TokenRejection> {
        let (client, token) = self.next(answer);
        check(&self.auth, client, &token).await
    }

    /// Waits until the breaker is open. Time stands still.
    async fn wait_until_open(&self) {
        for _ in 0..100_000 {
            if self.auth.is_circuit_open() {
                return;
            }
            // Other tasks run, and what arrived on a socket is read.
            spawn_blocking(|| ()).await.expect("it ends");
        }
        panic!("the breaker stays closed");
    }

    /// Checks tokens until no probe is in flight. The breaker is open, and time stands still.
    async fn rejection_after_the_probe(&mut self) -> TokenRejection {
        for _ in 0..100_000 {
            let failing = TokenReply::Body(503, String::new());
            let rejected = self.check(failing).await.expect_err("no check is sent");
            let in_flight = TokenRejection::Unverified(AuthError::CircuitOpen(Duration::ZERO));
            if rejected != in_flight {
                return rejected;
            }
            spawn_blocking(|| ()).await.expect("it ends");
        }
        panic!("no probe ends");
    }

    /// Waits until a request without a token arrives.
    async fn wait_for_probe(&self) {
        let verifier = Arc::clone(&self.verifier);
        let arrived = spawn_blocking(move || {
            eventually("the probe arrives", || {
                let requests = verifier.requests();
                let mut probes = requests.iter().map(|asked| asked.authorization.is_empty());
                probes.any(|is_probe| is_probe).then_some(())
            });
        });
        arrived.await.expect("it arrives");
    }

    /// Starts a check that never gets an answer, and returns once the verifier has the query.
    async fn start_hanging_check(&mut self, questions: usize) {
        for _ in 0..questions {
            let (client, token) = self.next(TokenReply::Hang);
            let auth = Arc::clone(&self.auth);
            tokio::spawn(async move { check(&auth, client, &token).await });
        }
        let (verifier, asked) = (Arc::clone(&self.verifier), self.asked);
        let arrived = spawn_blocking(move || {
            eventually("the questions arrive", || {
                let requests = verifier.requests().into_iter();
                let checks = requests.filter(|request| !request.authorization.is_empty());
                (checks.count() == asked).then_some(())
            });
        });
        arrived.await.expect("they arrive");
    }
}

fn unknown(error: AuthError) -> Result<User, TokenRejection> {
    Err(TokenRejection::Unverified(error))
}

/// tokio's timers have millisecond resolution, and up to three follow each other here.
#[track_caller]
fn assert_took(clock: &Clock, begun: Duration, expected: Duration) {
    let took = clock.now().saturating_sub(begun);
    let latest = expected + Duration::from_millis(5);
    assert!((expected..=latest).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn permit_wait_ends_after_1s() {
    let clock = Clock::system();
    let mut clients = Clients::new(clock.clone());
    let still = stop_time();
    clients.start_hanging_check(PLACES).await;
    let begun = clock.now();
    drop(still);
    let user = TokenReply::user("@user:example.org");
    assert_eq!(clients.check(user).await, unknown(AuthError::Busy));
    assert_took(&clock, begun, Duration::from_secs(1));
}

/// A person waits for both: the permit and the response.
#[tokio::test(start_paused = true)]
async fn query_that_waited_for_a_permit_ends_within_3s() {
    let clock = Clock::system();
    let mut clients = Clients::new(clock.clone());
    let still = stop_time();
    clients.start_hanging_check(PLACES).await;
    // The others end at 3 s. This check then has a permit, and would end at 5.5 s if the wait did
    // not count.
    tokio::time::advance(Duration::from_millis(2_500)).await;
    let begun = clock.now();
    drop(still);
    assert_eq!(
        clients.check(TokenReply::Hang).await,
        unknown(AuthError::Timeout),
        "it had a place"
    );
    assert_took(&clock, begun, Duration::from_secs(3));
}

/// A client that returns too early is rejected again; a `Retry-After` that is too long makes it
/// wait for nothing.
#[tokio::test(start_paused = true)]
async fn open_breaker_returns_retry_after() {
    let mut clients = Clients::new(Clock::system());
    let failing = || TokenReply::Body(503, String::new());
    clients.verifier.set_default_reply(Some(failing()));
    let auth = Arc::clone(&clients.auth);
    tokio::spawn(async move { auth.run_breaker_probes().await });
    let _still = stop_time();
    for _ in 0..FAILURES {
        clients.check(failing()).await.expect_err("it fails");
    }
    clients.wait_until_open().await;
    for seconds in [1, 2, 4, 8, 15, 15] {
        let wait = Duration::from_secs(seconds);
        let rejected = clients.rejection_after_the_probe().await;
        assert_eq!(
            rejected,
            TokenRejection::Unverified(AuthError::CircuitOpen(wait)),
            "{seconds}"
        );
        let error = ApiError::Refused(PolicyRejection::TokenRejection(rejected));
        assert_eq!(error.response().retry_after, Some(wait));
        // tokio's timers have millisecond resolution.
        tokio::time::advance(wait + Duration::from_millis(1)).await;
    }
}

/// Otherwise each check would wait in vain: the checks that hold the permits wait for the same
/// homeserver.
#[tokio::test(start_paused = true)]
async fn open_breaker_rejects_before_the_permit_wait() {
    let mut clients = Clients::new(Clock::system());
    clients.verifier.set_default_reply(Some(TokenReply::Hang));
    let still = stop_time();
    for _ in 0..FAILURES {
        let failing = TokenReply::Body(503, String::new());
        let unavailable = AuthError::Unavailable(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(clients.check(failing).await, unknown(unavailable));
    }
    let auth = Arc::clone(&clients.auth);
    tokio::spawn(async move { auth.run_breaker_probes().await });
    clients.wait_for_probe().await;
    // The probe gets no answer, and neither do the checks that begin one second later.
    tokio::time::advance(Duration::from_secs(1)).await;
    clients.start_hanging_check(PLACES).await;
    // The probe's timeout opens the breaker. The checks hold their permits for another second.
    tokio::time::advance(Duration::from_millis(2_001)).await;
    clients.wait_until_open().await;
    drop(still);
    let circuit_open = AuthError::CircuitOpen(Duration::from_secs(1));
    assert_eq!(clients.check(TokenReply::Hang).await, unknown(circuit_open));
}
