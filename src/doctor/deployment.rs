//! The deployment that a configuration describes, for the checks from inside.

use crate::clock::Clock;
use crate::config::{Config, Mode};
use crate::policy::auth::TokenVerifier;
use crate::startup::{PreparedStore, Startup};
use crate::store::redis::{Layout, RedisSettings, RedisSurvey};
use crate::store::{CurrentShares, SessionLimits, Shares};
use std::sync::Arc;
use std::time::Duration;

/// A configuration, and what it leads to.
pub(super) struct Deployment {
    /// What `config check` warns of, without the limit of open files, which is that of a process.
    pub(super) warnings: Vec<String>,
    /// The base URL of each homeserver that has one.
    pub(super) base_urls: Vec<String>,
    /// The mode of each homeserver.
    pub(super) modes: Vec<&'static str>,
    /// Redis, if it is the store.
    pub(super) redis: Option<ConfiguredRedis>,
    /// The name and the token verifier of each homeserver that has one. The name is empty if there is
    /// only one homeserver.
    pub(super) verifiers: Vec<(String, TokenVerifier)>,
}

/// Redis as it is configured and as it was found.
pub(super) struct ConfiguredRedis {
    pub(super) layout: Layout,
    /// The result of the survey, or why there was no connection.
    pub(super) survey: Result<RedisSurvey, String>,
}

impl Deployment {
    /// Connects to Redis, and checks it as a worker does when it starts. Waits at most `wait` for a
    /// connection, and writes to Redis only if it `may_write`.
    pub(super) async fn inspect(
        startup: Startup,
        clock: &Clock,
        wait: Duration,
        may_write: bool,
    ) -> Self {
        let Startup {
            config, prepared, ..
        } = startup;
        let homeservers = config.homeservers.iter();
        let verifiers = homeservers.zip(prepared.verifiers);
        let verifiers = verifiers.filter(|(homeserver, _)| homeserver.mode != Mode::Off);
        let verifiers = verifiers
            .filter_map(|(homeserver, verifier)| Some((homeserver.name().to_owned(), verifier?)));
        Self {
            warnings: config.warnings(),
            base_urls: base_urls(&config),
            modes: modes(&config),
            verifiers: verifiers.collect(),
            redis: match prepared.store {
                PreparedStore::Memory => None,
                PreparedStore::Redis(settings) => {
                    let survey = survey(&settings, &config, clock, wait, may_write).await;
                    let layout = settings.layout;
                    Some(ConfiguredRedis { layout, survey })
                }
            },
        }
    }
}

async fn survey(
    settings: &RedisSettings,
    config: &Config,
    clock: &Clock,
    wait: Duration,
    may_write: bool,
) -> Result<RedisSurvey, String> {
    let shares = Arc::new(CurrentShares::new(Shares::from_config(&config.limits)));
    let limits = SessionLimits::new(&config.session, shares);
    RedisSurvey::run(settings, limits, clock, wait, may_write).await
}

fn base_urls(config: &Config) -> Vec<String> {
    let homeservers = config.homeservers.iter();
    homeservers
        .filter_map(|homeserver| homeserver.public_base_url.clone())
        .collect()
}

fn modes(config: &Config) -> Vec<&'static str> {
    let homeservers = config.homeservers.iter();
    homeservers
        .map(|homeserver| homeserver.mode.as_str())
        .collect()
}
