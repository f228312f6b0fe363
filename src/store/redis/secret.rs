//! The fleet's secret, by which principals are hashed, so that Redis holds neither addresses nor user ids.
//!
//! It lies in Redis, since all replicas must count one principal as one; it is made anew each day, so that
//! what leaks of it tells of one day at most. A worker asks for it again each minute, and so two workers
//! may use different ones for that long: a principal then has two shares until their sessions end.

use crate::model::Principal;
use crate::store::StoreError;
use crate::store::redis::keys::{Holder, Keys};
use crate::store::redis::millis;
use crate::store::redis::reply::Reply;
use crate::store::redis::scripts::{Argument, Scripts};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use std::slice;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long one secret lives.
const LIFE: Duration = Duration::from_hours(24);

/// How long a worker goes by what it was told.
const BELIEVED: Duration = Duration::from_mins(1);

/// 256 bits in base64url.
const LEN: usize = 43;

/// What hashes principals.
#[derive(Clone)]
pub(super) struct Secret([u8; LEN]);

/// What this worker was told last, and when.
#[derive(Debug, Default)]
pub(super) struct Secrets(Mutex<Option<(Duration, Secret)>>);

impl Secrets {
    /// The secret that all replicas go by. Costs a round trip each minute.
    pub(super) async fn current(
        &self,
        scripts: &Scripts,
        keys: &Keys,
    ) -> Result<Secret, StoreError> {
        let now = scripts.clock().now();
        let known = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some((told, secret)) = known
            && now < told + BELIEVED
        {
            return Ok(secret);
        }
        let secret = ask(scripts, keys).await?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, secret.clone()));
        Ok(secret)
    }
}

/// Asks Redis, and offers one in case there is none.
pub(super) async fn ask(scripts: &Scripts, keys: &Keys) -> Result<Secret, StoreError> {
    let (one, other) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    // Two of 122 random bits each, from the system's source.
    let offer = URL_SAFE_NO_PAD.encode([one.into_bytes(), other.into_bytes()].concat());
    let arguments = [Argument::Bytes(offer.as_bytes()), millis(LIFE)];
    let told = |reply: Reply| match reply.letter {
        'S' => reply.text(Secret::parse),
        _ => Err(StoreError::BadReply),
    };
    scripts
        .secret(slice::from_ref(keys.secret()), &arguments, told)
        .await
}

impl Secret {
    fn parse(text: &str) -> Option<Self> {
        text.as_bytes().try_into().ok().map(Self)
    }

    /// What stands for a principal in Redis.
    pub(super) fn holder(&self, principal: &Principal) -> Holder {
        let (kind, name) = principal.name();
        // HMAC takes keys of any length.
        let mut hash = Hmac::<Sha256>::new_from_slice(&self.0).expect("any length");
        hash.update(&[kind as u8]);
        hash.update(&name);
        Holder::new(kind, &hash.finalize().into_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(***)")
    }
}
