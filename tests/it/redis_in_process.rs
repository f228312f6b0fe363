//! A Redis store in the test's own process, for what has no port.

use matrix_rendezvous::clock::Clock;
use matrix_rendezvous::config::Sources;
use matrix_rendezvous::config::store::StoreConfig;
use matrix_rendezvous::startup;
use matrix_rendezvous::store::redis::{RedisSettings, RedisSource, RedisStore};
use matrix_rendezvous::store::{SessionLimits, StoreParts};
use matrix_rendezvous::telemetry::metrics::Metrics;
use std::sync::Arc;
use std::time::Duration;

/// A store whose tasks are not started, and its metrics.
pub struct InProcess {
    pub parts: StoreParts<RedisStore>,
    pub metrics: Arc<Metrics>,
}

/// Builds a store from a worker's settings, with this prefix.
pub fn in_process(settings: &[(&str, &str)], prefix: &str, limits: SessionLimits) -> InProcess {
    let flags = settings.iter();
    let flags = flags
        .map(|(key, value)| ("--set".to_owned(), (*key).to_owned(), (*value).to_owned()))
        .collect();
    let sources = Sources {
        flags,
        ..Sources::default()
    };
    let config = startup::load(&sources).expect("good flags").config;
    let StoreConfig::Redis(config) = config.store else {
        panic!("the Redis store");
    };
    let source = RedisSource::new(&config);
    let settings = RedisSettings {
        layout: source.read().expect("a URL").layout().clone(),
        source,
        prefix: prefix.to_owned(),
        // Longer than the default, because a slow answer on a busy machine is not wrong.
        command_timeout: Duration::from_secs(10),
        wait_for_replicas: None,
        holds_reads: true,
        ignore_checks: Vec::new(),
    };
    let metrics = Arc::new(Metrics::new());
    let parts = RedisStore::build(&settings, limits, Clock::system(), &metrics, Arc::default());
    InProcess { parts, metrics }
}
