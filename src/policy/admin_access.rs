//! Who may call the admin API: the holder of one token.

use crate::clock::Clock;
use crate::config::limits::Rate;
use crate::config::secret::Secret;
use crate::limits::keyed_rate::{KeyedRateLimiter, OverflowPolicy};
use crate::model::{ClientIp, PseudonymKey};
use crate::policy::auth::bearer;
use arc_swap::ArcSwapOption;
use hmac::{Hmac, KeyInit, Mac};
use hyper::HeaderMap;
use sha2::Sha256;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// Rejected calls of one peer: ten at once, then one in six seconds. An operator who has mistyped a token
/// does not notice the limit, and a guesser makes 14,000 guesses a day at 2^128 tokens.
const REJECTED_CALLS: Rate = Rate {
    burst: NonZeroU32::new(10).expect("not zero"),
    period: Duration::from_secs(6),
};

/// Peers whose rejected calls are counted. Further ones share buckets.
const MAX_PEERS: usize = 1024;

/// Checks the token of calls to the admin API.
pub struct AdminAccess {
    /// A key of this process, so that the tags below are compared and never the tokens: the time of a
    /// comparison says nothing about the token.
    key: PseudonymKey,
    /// The tag of the token. `None` if the API is off.
    expected: ArcSwapOption<[u8; 32]>,
    rejected: KeyedRateLimiter<ClientIp>,
}

/// Why a call is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminRejection {
    /// No token is configured.
    Off,
    /// The request has no token.
    NoToken,
    /// The request has another token.
    WrongToken,
    /// The peer has sent too many calls without the token. The token of this one was not looked at.
    TooMany {
        /// Time until the next call is looked at.
        retry_after: Duration,
    },
}

impl AdminAccess {
    /// Creates the check. The API is off if there is no token.
    #[must_use]
    pub fn new(token: Option<&Secret>, clock: &Clock) -> Self {
        let policy = OverflowPolicy::SharedBucket;
        let access = Self {
            key: PseudonymKey::random(),
            expected: ArcSwapOption::empty(),
            rejected: KeyedRateLimiter::new(REJECTED_CALLS, MAX_PEERS, policy, clock),
        };
        access.set_token(token);
        access
    }

    /// Replaces the token, at a reload.
    pub fn set_token(&self, token: Option<&Secret>) {
        let tag = |token: &Secret| {
            let tag = self.mac(token.expose()).finalize().into_bytes();
            Arc::new(tag.into())
        };
        self.expected.store(token.map(tag));
    }

    /// Checks a call. `peer` is `None` on a Unix socket.
    ///
    /// # Errors
    /// [`AdminRejection`] if the API is off, if the token is missing or wrong, or if the peer has sent
    /// too many such calls.
    pub fn check(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Result<(), AdminRejection> {
        let Some(expected) = self.expected.load_full() else {
            return Err(AdminRejection::Off);
        };
        let peer = ClientIp::from(peer.unwrap_or(Ipv4Addr::UNSPECIFIED.into()));
        // Every call is counted at first, so that no two that arrive together exceed the rate.
        self.rejected
            .try_acquire(&peer)
            .map_err(|retry_after| AdminRejection::TooMany { retry_after })?;
        let rejection = match bearer::token(headers) {
            Ok(Some(token)) if self.mac(token).verify_slice(&*expected).is_ok() => {
                self.rejected.remove(&peer);
                return Ok(());
            }
            Ok(None) => AdminRejection::NoToken,
            Ok(Some(_)) | Err(_) => AdminRejection::WrongToken,
        };
        self.rejected.sweep();
        Err(rejection)
    }

    /// # Panics
    /// Never: HMAC takes keys of any length.
    fn mac(&self, token: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.as_bytes()).expect("any length");
        mac.update(token.as_bytes());
        mac
    }
}

impl fmt::Debug for AdminAccess {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_on = self.expected.load().is_some();
        write!(out, "AdminAccess({})", if is_on { "on" } else { "off" })
    }
}

#[cfg(test)]
mod tests {
    use super::{AdminAccess, AdminRejection};
    use crate::clock::Clock;
    use crate::config::secret::Secret;
    use hyper::HeaderMap;
    use hyper::header::AUTHORIZATION;
    use std::net::IpAddr;
    use std::time::Duration;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn with_token(token: &str) -> HeaderMap {
        let line = format!("Bearer {token}").parse().expect("a header");
        HeaderMap::from_iter([(AUTHORIZATION, line)])
    }

    fn secret(text: &str) -> Secret {
        text.parse().expect("any text")
    }

    #[test]
    fn only_the_token_of_the_last_reload_is_accepted() {
        let access = AdminAccess::new(None, &Clock::system());
        let check = |token| access.check(None, &with_token(token));
        assert_eq!(check(TOKEN), Err(AdminRejection::Off));
        access.set_token(Some(&secret(TOKEN)));
        assert_eq!(check(TOKEN), Ok(()));
        assert_eq!(check(&TOKEN[1..]), Err(AdminRejection::WrongToken));
        let missing = access.check(None, &HeaderMap::new());
        assert_eq!(missing, Err(AdminRejection::NoToken));
        access.set_token(Some(&secret("x")));
        assert_eq!(check(TOKEN), Err(AdminRejection::WrongToken));
        assert_eq!(check("x"), Ok(()));
    }

    #[test]
    fn wrong_tokens_are_limited_per_peer() {
        let (clock, hand) = Clock::manual();
        let access = AdminAccess::new(Some(&secret(TOKEN)), &clock);
        let [one, other] = [1, 2].map(|n| Some(IpAddr::from([10, 0, 0, n])));
        // Accepted calls use nothing up.
        for _ in 0..50 {
            assert_eq!(access.check(one, &with_token(TOKEN)), Ok(()));
        }
        for _ in 0..10 {
            let wrong = access.check(one, &with_token("wrong"));
            assert_eq!(wrong, Err(AdminRejection::WrongToken));
        }
        let retry_after = Duration::from_secs(6);
        let limited = Err(AdminRejection::TooMany { retry_after });
        // A guess is not even looked at.
        assert_eq!(access.check(one, &with_token(TOKEN)), limited);
        assert_eq!(access.check(other, &with_token(TOKEN)), Ok(()));
        assert_eq!(access.check(None, &with_token(TOKEN)), Ok(()));
        hand.advance(retry_after);
        assert_eq!(access.check(one, &with_token(TOKEN)), Ok(()));
    }
}
