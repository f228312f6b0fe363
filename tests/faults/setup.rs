//! How the workers are set up in a run: how they connect to Redis, and whether clients need a token.

use std::time::Duration;
use testkit::dialect::Caller;
use testkit::homeserver::{HomeserverStub, KnownTokens};
use testkit::process::free_address;
use testkit::redis::acl_rule::documented_rule;
use testkit::redis::tls::RedisTls;

/// The workers' user at Redis, where they have one.
pub const USER: &str = "worker";

/// Its password at the start.
pub const PASSWORD: &str = "secret";

/// Tokens with this prefix are valid.
const VALID_TOKEN: &str = "valid-";

/// The setup of a run.
#[derive(Debug, Default)]
pub struct Setup {
    tls: Option<RedisTls>,
    homeserver: Option<HomeserverStub>,
}

impl Setup {
    /// Makes the workers connect with TLS, and as a user with the rule of `docs/redis.md`.
    pub fn secure_redis(&mut self) {
        self.tls = Some(RedisTls::make());
    }

    /// Makes the workers run in mode `authenticated`. The ETag dialect has no tokens.
    pub fn require_tokens(&mut self) {
        let tokens = KnownTokens::WithPrefix(VALID_TOKEN.to_owned());
        let homeserver = HomeserverStub::start_knowing(free_address(), tokens, Duration::ZERO);
        self.homeserver = Some(homeserver);
    }

    /// The TLS of Redis, if the workers use it.
    pub fn tls(&self) -> Option<&RedisTls> {
        self.tls.as_ref()
    }

    /// Options of each Redis: the workers' user, if they have one.
    pub fn redis_options(&self) -> Vec<String> {
        self.tls.as_ref().map_or_else(Vec::new, |_| user_options())
    }

    /// What stands before the host in the workers' URL: `name:password@`, if they have a user.
    pub fn url_user(&self) -> String {
        self.tls.as_ref().map_or_else(String::new, |_| url_user())
    }

    /// More settings of the workers.
    pub fn worker_settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = Vec::new();
        if let Some(tls) = &self.tls {
            let ca_file = tls.certificates().ca_file();
            let ca_file = ca_file.to_str().expect("UTF-8").to_owned();
            settings.push(("store.redis.ca_file", ca_file));
        }
        if let Some(homeserver) = &self.homeserver {
            settings.push(("mode", "authenticated".to_owned()));
            settings.push(("auth.homeserver_url", homeserver.url()));
        }
        settings
    }

    /// Whether creations need a token.
    pub fn requires_tokens(&self) -> bool {
        self.homeserver.is_some()
    }
}

/// Options of a Redis: the workers' user, with the rule of the documentation.
pub fn user_options() -> Vec<String> {
    let password = format!(">{PASSWORD}");
    let user = ["--user", USER, "on", &password].map(str::to_owned);
    let more = ["+select", "+cluster", "+asking", "+wait"].map(str::to_owned);
    user.into_iter()
        .chain(documented_rule())
        .chain(more)
        .collect()
}

/// What stands before the host in the URL of that user.
pub fn url_user() -> String {
    format!("{USER}:{PASSWORD}@")
}

/// A caller with a valid token.
pub fn user(number: usize) -> Caller {
    Caller {
        token: Some(format!("{VALID_TOKEN}{number}")),
        ..Caller::default()
    }
}
