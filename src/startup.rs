//! Prepares the parts that a configuration describes, before anything listens.
//!
//! Every command does so. `config check` therefore rejects what `serve` would reject.

use crate::clock::Clock;
use crate::config::http::certificate_files::key_of;
use crate::config::{
    self, Config, ConfigError, ConfigProblem, RawConfig, Sources, UnvalidatedConfig,
};
use crate::policy::auth::{Authenticator, TokenVerifier, VerifierSetupError};
use crate::policy::{Homeserver, Homeservers};
use crate::store::redis::{Layout, RedisSettings, RedisSource};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::metrics_push::MetricsCollector;
use crate::telemetry::otlp_endpoint::CollectorError;
use crate::telemetry::traces::Collector;
use crate::tls::server::ServerTls;
use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// The parts that can fail, built from the configuration.
#[derive(Debug)]
pub struct Prepared {
    pub(crate) store: PreparedStore,
    /// The token verifier of each homeserver, if it has one.
    pub(crate) verifiers: Vec<Option<TokenVerifier>>,
    /// The collector of traces, if traces are on.
    pub(crate) collector: Option<Collector>,
    /// The collector of metrics, if the push is on.
    pub(crate) metrics_collector: Option<MetricsCollector>,
    /// The TLS of the client listener, with its certificate, if it uses TLS.
    pub(crate) server_tls: Option<ServerTls>,
}

/// The store that the configuration selects.
#[derive(Debug)]
pub enum PreparedStore {
    /// Sessions in the memory of this process.
    Memory,
    /// Sessions in Redis, with validated settings.
    Redis(Box<RedisSettings>),
}

impl Prepared {
    /// The Redis servers that the configuration names, if Redis is the store.
    #[must_use]
    pub fn redis_layout(&self) -> Option<Layout> {
        match &self.store {
            PreparedStore::Memory => None,
            PreparedStore::Redis(settings) => Some(settings.layout.clone()),
        }
    }
}

/// A configuration that is valid and prepared.
#[derive(Debug)]
pub struct Startup {
    /// The validated values.
    pub config: Config,
    /// The values as they are written.
    pub raw: RawConfig,
    /// The parts that were built from them.
    pub prepared: Prepared,
}

/// Reads, validates and prepares the configuration.
///
/// # Errors
/// [`ConfigError`] lists every problem of validation and of preparation, each with its key and its
/// source.
pub fn load(sources: &Sources) -> Result<Startup, ConfigError> {
    let unvalidated = UnvalidatedConfig::read(sources)?;
    let mut problems = Vec::new();
    if let Some(config) = unvalidated.validate(&mut problems) {
        match prepare(&config) {
            Ok(prepared) if problems.is_empty() => {
                let raw = unvalidated.into_raw();
                return Ok(Startup {
                    config,
                    raw,
                    prepared,
                });
            }
            Ok(_) => {}
            Err(more) => problems.extend(more),
        }
    }
    Err(unvalidated.error(problems))
}

/// Builds the parts. Opens no connection.
///
/// # Errors
/// All problems, each with the key of the configuration.
pub fn prepare(config: &Config) -> Result<Prepared, Vec<ConfigProblem>> {
    let (mut verifiers, mut problems) = (Vec::new(), Vec::new());
    for homeserver in &config.homeservers {
        match build_verifier(homeserver) {
            Ok(verifier) => verifiers.push(verifier),
            Err(problem) => problems.push(problem),
        }
    }
    let collector = collector(config).unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    let metrics_collector = metrics_collector(config).unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    let server_tls = server_tls(config).unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    match prepare_store(config) {
        Ok(store) if problems.is_empty() => Ok(Prepared {
            store,
            verifiers,
            collector,
            metrics_collector,
            server_tls,
        }),
        Ok(_) => Err(problems),
        Err(more) => Err([more, problems].concat()),
    }
}

fn server_tls(config: &Config) -> Result<Option<ServerTls>, ConfigProblem> {
    let loaded = config.http.tls.clone().map(ServerTls::load);
    loaded
        .transpose()
        .map_err(|error| ConfigProblem::new(key_of(&error), error.to_string()))
}

fn collector(config: &Config) -> Result<Option<Collector>, ConfigProblem> {
    let settings = config.telemetry.traces.as_ref();
    let ca_file = settings.and_then(|settings| settings.ca_file.as_deref());
    let collector = settings.map(Collector::new).transpose();
    collector.map_err(|error| collector_problem("telemetry.traces", ca_file, &error))
}

fn metrics_collector(config: &Config) -> Result<Option<MetricsCollector>, ConfigProblem> {
    let settings = config.telemetry.metrics_push.as_ref();
    let ca_file = settings.and_then(|settings| settings.ca_file.as_deref());
    let collector = settings.map(MetricsCollector::new).transpose();
    collector.map_err(|error| collector_problem("telemetry.metrics", ca_file, &error))
}

/// Names the key of `section` that an error is about.
fn collector_problem(
    section: &str,
    ca_file: Option<&Path>,
    error: &CollectorError,
) -> ConfigProblem {
    let key = match error {
        CollectorError::CaFile(_) | CollectorError::Tls(_) => "ca_file",
        CollectorError::Endpoint(_) | CollectorError::Uri(_) => "endpoint",
    };
    let path = ca_file.filter(|_| matches!(error, CollectorError::CaFile(_)));
    ConfigProblem::new(format!("{section}.{key}"), with_path(path, error))
}

/// Names the file that an error is about.
fn with_path(path: Option<&Path>, error: &dyn fmt::Display) -> String {
    path.map_or_else(
        || error.to_string(),
        |path| format!("{}: {error}", path.display()),
    )
}

fn build_verifier(
    homeserver: &config::homeserver::HomeserverConfig,
) -> Result<Option<TokenVerifier>, ConfigProblem> {
    let verifier = homeserver.auth.as_ref().map(TokenVerifier::new).transpose();
    verifier.map_err(|error| {
        let at = &homeserver.key_prefix;
        let key = match error {
            VerifierSetupError::CaFile(_) | VerifierSetupError::Tls(_) => format!("{at}.ca_file"),
            VerifierSetupError::Url(_) => at.clone(),
            VerifierSetupError::Secret(_) => format!("{at}.introspection.client_secret"),
        };
        let settings = homeserver.auth.as_ref();
        let ca_file = settings.and_then(|settings| settings.ca_file.as_deref());
        let path = ca_file.filter(|_| matches!(error, VerifierSetupError::CaFile(_)));
        ConfigProblem::new(key, with_path(path, &error))
    })
}

/// Builds the homeservers, each with its token verifier.
pub(crate) fn homeservers(
    settings: &[config::homeserver::HomeserverConfig],
    verifiers: Vec<Option<TokenVerifier>>,
    clock: &Clock,
    metrics: &Arc<Metrics>,
) -> Homeservers {
    let mut by_host = HashMap::new();
    for (homeserver, verifier) in settings.iter().zip(verifiers) {
        let name = homeserver.name().to_owned();
        let auth = verifier.map(|verifier| {
            Authenticator::new(verifier, &name, clock.clone(), Arc::clone(metrics))
        });
        let running = Homeserver {
            name,
            mode: homeserver.mode,
            auth,
        };
        if homeserver.hosts.is_empty() {
            return Homeservers::Only(Box::new(running));
        }
        let running = Arc::new(running);
        for host in &homeserver.hosts {
            by_host.insert(host.clone(), Arc::clone(&running));
        }
    }
    Homeservers::ByHost(by_host)
}

fn prepare_store(config: &Config) -> Result<PreparedStore, Vec<ConfigProblem>> {
    let redis = match &config.store {
        config::store::StoreConfig::Memory => return Ok(PreparedStore::Memory),
        config::store::StoreConfig::Redis(redis) => redis,
    };
    let source = RedisSource::new(redis);
    let layout = source.read()?.layout().clone();
    Ok(PreparedStore::Redis(Box::new(RedisSettings {
        source,
        layout,
        prefix: redis.prefix.clone(),
        command_timeout: redis.command_timeout,
        wait_for_replicas: redis.wait_for_replicas,
        holds_reads: config.msc4108.long_poll.is_some(),
        ignore_checks: redis.ignore_checks.clone(),
    })))
}
