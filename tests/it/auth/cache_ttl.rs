//! Cache lifetimes of token checks, to the millisecond.

use super::support::{check, introspection_authenticator, whoami_authenticator};
use hyper::StatusCode;
use matrix_rendezvous::clock::{Clock, ManualClock};
use matrix_rendezvous::model::User;
use matrix_rendezvous::policy::auth::{AuthError, Authenticator, Errcode, TokenRejection};
use serde_json::json;
use std::time::Duration;
use testkit::homeserver::{HomeserverStub, TokenReply};

/// Checks tokens at a time that the test sets.
struct CheckSchedule {
    auth: Authenticator,
    hand: ManualClock,
}

impl CheckSchedule {
    fn new(
        authenticator: fn(&HomeserverStub, Clock) -> Authenticator,
        verifier: &HomeserverStub,
    ) -> Self {
        let (clock, hand) = Clock::manual();
        let auth = authenticator(verifier, clock);
        Self { auth, hand }
    }

    /// By each of these times in milliseconds, the verifier had this number of queries for a token.
    /// Each check accepts the token.
    async fn expect_queries(
        &self,
        verifier: &HomeserverStub,
        token: &str,
        expected: &Result<User, TokenRejection>,
        times: &[(u64, usize)],
    ) {
        let mut now = 0;
        for &(at, asked) in times {
            self.hand.advance(Duration::from_millis(at - now));
            now = at;
            let found = check(&self.auth, 1, token).await;
            assert_eq!(&found, expected, "{token} at {at} ms");
            let questions = verifier.requests_about(token).len();
            assert_eq!(questions, asked, "{token} at {at} ms");
        }
    }
}

fn user(id: &str) -> User {
    User::parse(id).expect("an id")
}

#[tokio::test]
async fn accepted_token_is_cached_for_60s() {
    let verifier = HomeserverStub::start();
    verifier.set_reply("good", TokenReply::user("@user:example.org"));
    let times = [(0, 1), (59_999, 1), (60_000, 2), (119_999, 2), (120_000, 3)];
    CheckSchedule::new(whoami_authenticator, &verifier)
        .expect_queries(&verifier, "good", &Ok(user("@user:example.org")), &times)
        .await;
}

#[tokio::test]
async fn rejected_token_is_cached_for_5s() {
    let verifier = HomeserverStub::start();
    let guest = json!({"user_id": "@1:example.org", "is_guest": true});
    verifier.set_reply("guest", TokenReply::json(200, &guest));
    let gone = TokenRejection::Rejected {
        errcode: Errcode::unknown_token(),
        soft_logout: false,
    };
    let times = [(0, 1), (4_999, 1), (5_000, 2), (9_999, 2), (10_000, 3)];
    for (token, expected) in [("gone", gone), ("guest", TokenRejection::Forbidden)] {
        CheckSchedule::new(whoami_authenticator, &verifier)
            .expect_queries(&verifier, token, &Err(expected), &times)
            .await;
    }
}

/// The manual clock starts at the epoch, so `exp` is in seconds since its start.
#[tokio::test]
async fn cache_entry_ends_with_the_tokens_exp() {
    let verifier = HomeserverStub::start();
    let ending = |exp| {
        let scope = "urn:matrix:client:api:*";
        let body = json!({"active": true, "scope": scope, "username": "user", "exp": exp});
        TokenReply::json(200, &body)
    };
    // After `exp` each check is a query, although this verifier accepts the token.
    verifier.set_reply("short", ending(30));
    let short: &[_] = &[(0, 1), (29_999, 1), (30_000, 2), (30_000, 3), (31_000, 4)];
    // The time left at the second response is also less than a minute.
    verifier.set_reply("longer", ending(90));
    let longer: &[_] = &[(0, 1), (59_999, 1), (60_000, 2), (89_999, 2), (90_000, 3)];
    for (token, times) in [("short", short), ("longer", longer)] {
        CheckSchedule::new(introspection_authenticator, &verifier)
            .expect_queries(&verifier, token, &Ok(user("user")), times)
            .await;
    }
}

#[tokio::test]
async fn failure_is_not_cached() {
    let verifier = HomeserverStub::start();
    let asker = CheckSchedule::new(whoami_authenticator, &verifier);
    for (status, error) in [
        (500, AuthError::BadReply),
        (502, AuthError::Unavailable(StatusCode::BAD_GATEWAY)),
        (503, AuthError::Unavailable(StatusCode::SERVICE_UNAVAILABLE)),
    ] {
        let token = format!("token-{status}");
        verifier.set_reply(&token, TokenReply::Body(status, String::new()));
        let unknown = Err(TokenRejection::Unverified(error));
        asker
            .expect_queries(&verifier, &token, &unknown, &[(0, 1), (0, 2)])
            .await;
        verifier.set_reply(&token, TokenReply::user("@user:example.org"));
        let known = Ok(user("@user:example.org"));
        asker
            .expect_queries(&verifier, &token, &known, &[(0, 3), (0, 3)])
            .await;
    }
}
