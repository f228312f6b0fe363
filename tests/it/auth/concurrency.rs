//! All places for questions are taken by such as get no answer.
//!
//! On a runtime whose time is paused, so that it takes no time and a loaded machine changes nothing.

use super::support::{ask, beside_homeserver};
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

/// Questions under way at most, and failures in a row after which nobody is asked.
const PLACES: usize = 64;
const FAILURES: usize = 5;

/// Paused time moves to the next timer when nothing can run, though an answer be on its way on a socket. While
/// this is held, it stands: to tokio, a blocking task is something that runs.
struct Still {
    _held: mpsc::Sender<()>,
}

fn stand_still() -> Still {
    let (held, release) = mpsc::channel::<()>();
    spawn_blocking(move || release.recv());
    Still { _held: held }
}

/// A stand-in, and who asks it; each question by a client of its own.
struct Crowd {
    verifier: Arc<HomeserverStub>,
    auth: Arc<Authenticator>,
    asked: usize,
}

impl Crowd {
    fn new(clock: Clock) -> Self {
        let verifier = Arc::new(HomeserverStub::start());
        let auth = Arc::new(beside_homeserver(&verifier, clock));
        Self {
            verifier,
            auth,
            asked: 0,
        }
    }

    /// The token of a question that will be answered so, and its client.
    fn next(&mut self, answer: TokenReply) -> (u32, String) {
        self.asked += 1;
        let token = format!("token-{}", self.asked);
        self.verifier.set_reply(&token, answer);
        (u32::try_from(self.asked).expect("few"), token)
    }

    async fn ask(&mut self, answer: TokenReply) -> Result<User, TokenRejection> {
        let (client, token) = self.next(answer);
        ask(&self.auth, client, &token).await
    }

    /// Asks what is never answered, and comes back when the verifier has been asked.
    async fn hang(&mut self, questions: usize) {
        for _ in 0..questions {
            let (client, token) = self.next(TokenReply::Hang);
            let auth = Arc::clone(&self.auth);
            tokio::spawn(async move { ask(&auth, client, &token).await });
        }
        let (verifier, asked) = (Arc::clone(&self.verifier), self.asked);
        let arrived = spawn_blocking(move || {
            eventually("the questions arrive", || {
                (verifier.requests().len() == asked).then_some(())
            });
        });
        arrived.await.expect("they arrive");
    }
}

fn unknown(error: AuthError) -> Result<User, TokenRejection> {
    Err(TokenRejection::Unverified(error))
}

/// tokio's timers count in milliseconds, and here up to three follow each other.
#[track_caller]
fn assert_took(clock: &Clock, begun: Duration, expected: Duration) {
    let took = clock.now().saturating_sub(begun);
    let latest = expected + Duration::from_millis(5);
    assert!((expected..=latest).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn permit_wait_ends_after_1s() {
    let clock = Clock::system();
    let mut crowd = Crowd::new(clock.clone());
    let still = stand_still();
    crowd.hang(PLACES).await;
    let begun = clock.now();
    drop(still);
    let user = TokenReply::user("@user:example.org");
    assert_eq!(crowd.ask(user).await, unknown(AuthError::Busy));
    assert_took(&clock, begun, Duration::from_secs(1));
}

/// A person waits for both: for the place and for the answer.
#[tokio::test(start_paused = true)]
async fn query_that_waited_for_a_permit_ends_within_3s() {
    let clock = Clock::system();
    let mut crowd = Crowd::new(clock.clone());
    let still = stand_still();
    crowd.hang(PLACES).await;
    // The others end at 3 s; this one has a place then, and would be at 5.5 s without the wait.
    tokio::time::advance(Duration::from_millis(2_500)).await;
    let begun = clock.now();
    drop(still);
    assert_eq!(
        crowd.ask(TokenReply::Hang).await,
        unknown(AuthError::Timeout),
        "it had a place"
    );
    assert_took(&clock, begun, Duration::from_secs(3));
}

/// A client that comes again too early is refused again, and one that is told too late waits for nothing.
#[tokio::test(start_paused = true)]
async fn open_breaker_returns_retry_after() {
    let (clock, hand) = Clock::manual();
    let mut crowd = Crowd::new(clock);
    let _still = stand_still();
    let failing = || TokenReply::Body(503, String::new());
    for _ in 0..FAILURES {
        crowd.ask(failing()).await.expect_err("it fails");
    }
    for seconds in [1, 2, 4, 8, 15, 15] {
        let suspended = crowd.ask(failing()).await.expect_err("not asked");
        let wait = Duration::from_secs(seconds);
        assert_eq!(
            suspended,
            TokenRejection::Unverified(AuthError::CircuitOpen(wait)),
            "{seconds}"
        );
        let told = ApiError::Refused(PolicyRejection::TokenRejection(suspended));
        assert_eq!(told.response().retry_after, Some(wait));
        hand.advance(wait);
        let asked = crowd.ask(failing()).await.expect_err("it fails");
        assert_ne!(
            asked,
            TokenRejection::Unverified(AuthError::CircuitOpen(wait))
        );
    }
}

/// Else each would wait for nothing: those that have the places wait for the same homeserver.
#[tokio::test(start_paused = true)]
async fn open_breaker_rejects_before_the_permit_wait() {
    let (clock, hand) = Clock::manual();
    let mut crowd = Crowd::new(clock);
    let still = stand_still();
    crowd.hang(PLACES - FAILURES).await;
    for _ in 0..FAILURES {
        let failing = TokenReply::Body(503, String::new());
        let unavailable = AuthError::Unavailable(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(crowd.ask(failing).await, unknown(unavailable));
    }
    // Open from here on; after each wait one question is let through, and takes one of the places left.
    for _ in 0..FAILURES {
        hand.advance(Duration::from_secs(1));
        crowd.hang(1).await;
    }
    drop(still);
    assert_eq!(
        crowd.ask(TokenReply::Hang).await,
        unknown(AuthError::CircuitOpen(Duration::from_secs(1)))
    );
    // Let through by the breaker, it finds no place: they were all taken indeed.
    hand.advance(Duration::from_secs(1));
    assert_eq!(crowd.ask(TokenReply::Hang).await, unknown(AuthError::Busy));
}
