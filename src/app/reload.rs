//! SIGHUP: reads the configuration again and applies the keys that may change in a running process.
//!
//! Those keys are the log level, the limits with their deny lists, the maintenance switch, the base URLs,
//! the trusted proxies with their header, the token of the admin API, and the credentials and certificate
//! authorities for the token verifiers. Their files are read again, and so is the certificate of
//! `http.listen`. An invalid configuration is rejected as a whole and the old one stays. The log names other
//! changed keys, which need a restart. Environment variables and flags keep the values of the start.

use super::certificate_renewal::CertificateRenewal;
use super::service_manager::ServiceManager;
use crate::admin::ReplicaIdentity;
use crate::config::homeserver::HomeserverConfig;
use crate::config::http::HttpConfig;
use crate::config::{ConfigError, RawConfig, Sources};
use crate::lifecycle::ReloadSignal;
use crate::lifecycle::background_task::join;
use crate::net::client_ip::TrustedProxies;
use crate::net::routing::{CurrentRouting, RoutingSnapshot};
use crate::policy::auth::TokenVerifier;
use crate::policy::{AdminAccess, BaseUrls, Homeservers, Policy};
use crate::startup::{self, PreparedStore, Startup};
use crate::store::redis::Layout;
use crate::store::{CurrentShares, Shares};
use crate::telemetry::labels::ReloadOutcome;
use crate::telemetry::logs::{self, LevelError, Log};
use crate::telemetry::metrics::Metrics;
use std::sync::Arc;

/// The configuration at the start, and the log with its reloadable level.
#[derive(Debug)]
pub struct ReloadContext {
    /// The sources to read again.
    pub sources: Sources,
    /// The keys and values at the start.
    pub raw: RawConfig,
    /// The Redis servers at the start, if Redis is the store.
    pub redis: Option<Layout>,
    /// The log of this process.
    pub log: Arc<Log>,
}

/// The parts that a reload changes.
#[derive(Debug)]
pub struct Reload {
    /// The configuration at the start.
    pub context: ReloadContext,
    /// The digest of the configuration in force.
    pub identity: Arc<ReplicaIdentity>,
    /// The limits of this replica, and the maintenance switch.
    pub policy: Arc<Policy>,
    /// The token of the admin API.
    pub admin_access: Arc<AdminAccess>,
    /// The token verifiers.
    pub homeservers: Arc<Homeservers>,
    /// The proxies that may name the client of a request, and the base URLs.
    pub routing: Arc<CurrentRouting>,
    /// The shares of the live sessions over all replicas.
    pub shares: Arc<CurrentShares>,
    /// The counter of reloads.
    pub metrics: Arc<Metrics>,
    /// Is notified of each reload.
    pub service_manager: Arc<ServiceManager>,
    /// The certificate of the client listener, if it uses TLS.
    pub certificate: Option<Arc<CertificateRenewal>>,
}

/// Why a configuration was not applied.
#[derive(Debug, thiserror::Error)]
enum ReloadError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("telemetry.log_level: {0}")]
    Level(#[from] LevelError),
    #[error("the log level cannot be changed: {0}")]
    Log(#[from] tracing_subscriber::reload::Error),
}

impl Reload {
    /// Reads the configuration again at each SIGHUP, until the process ends.
    pub async fn run(mut self, mut signal: ReloadSignal) {
        while signal.next().await.is_some() {
            self.service_manager.reloading().await;
            // Reading a file may hang, so it gets a thread of its own, which shutdown does not wait for.
            let applied = tokio::task::spawn_blocking(move || {
                let applied = self.apply();
                (self, applied)
            });
            let Some((reload, applied)) = join(applied).await else {
                return;
            };
            self = reload;
            let (outcome, rejection) = match applied {
                Ok(keys) => {
                    tracing::info!("the configuration was read again and applied");
                    if !keys.is_empty() {
                        let keys = keys.join(", ");
                        tracing::warn!(keys, "changed keys that need a restart");
                    }
                    (ReloadOutcome::Applied, None)
                }
                Err(error) => {
                    // One line of the log, whatever the number of problems.
                    let problems = error.to_string().replace('\n', "; ");
                    tracing::error!("the configuration is rejected, the old one stays: {problems}");
                    (ReloadOutcome::Refused, Some(problems))
                }
            };
            self.metrics.config_reloads.inc(outcome);
            self.service_manager.reloaded(rejection).await;
            if outcome == ReloadOutcome::Applied {
                // The log shows whether the new credentials work.
                self.homeservers.probe_verifiers().await;
            }
        }
    }

    /// Applies the keys that may change. Returns the changed keys that need a restart.
    fn apply(&mut self) -> Result<Vec<String>, ReloadError> {
        let Startup {
            config,
            raw,
            prepared,
        } = startup::load(&self.context.sources)?;
        let level = logs::parse_level(&config.telemetry.log_level)?;
        let mut need_restart = self.context.raw.keys_requiring_restart(&raw);
        if let PreparedStore::Redis(redis) = prepared.store
            && self
                .context
                .redis
                .as_ref()
                .is_some_and(|at_start| *at_start != redis.layout)
        {
            // A file of the same name may name other servers.
            let key = redis.source.url_key().to_owned();
            if !need_restart.contains(&key) {
                need_restart.push(key);
            }
        }
        self.context.log.set_level(level)?;
        if let Some(certificate) = &self.certificate {
            certificate.renew();
        }
        self.shares.set(Shares::from_config(&config.limits));
        let current = self.routing.load();
        let trusted_proxies = renew_trusted_proxies(&current, &config.http, &mut need_restart);
        let base_urls = self.renew_base_urls(&current, &config.homeservers, &mut need_restart);
        // At once: a request uses the proxies and the base URLs of one configuration.
        self.routing.set(RoutingSnapshot {
            trusted_proxies,
            base_urls,
        });
        let verifiers = config.homeservers.iter().zip(prepared.verifiers);
        self.set_verifiers(verifiers, &mut need_restart);
        self.policy.set_limits(config.limits);
        self.policy.set_maintenance(config.maintenance);
        self.admin_access.set_token(config.admin_token.as_ref());
        let digest = self.context.raw.digest_after_reload(&raw, &need_restart);
        self.identity.set_configuration(digest);
        Ok(need_restart)
    }

    /// Returns the base URL of each homeserver, and removes its key from `need_restart`. A homeserver
    /// that is new needs a restart.
    fn renew_base_urls(
        &self,
        current: &RoutingSnapshot,
        homeservers: &[HomeserverConfig],
        need_restart: &mut Vec<String>,
    ) -> Arc<BaseUrls> {
        let mut base_urls = BaseUrls::clone(&current.base_urls);
        for homeserver in homeservers {
            let name = homeserver.name();
            if self.homeservers.is_running(name) {
                base_urls.set(name, homeserver.public_base_url.clone());
                need_restart.retain(|key| *key != homeserver.base_url_key());
            }
        }
        Arc::new(base_urls)
    }

    /// Applies the credentials and certificate authorities of the token verifiers, and removes their
    /// keys from `need_restart`. A verifier with another URL stays as it was, with all its keys.
    fn set_verifiers<'a>(
        &self,
        verifiers: impl Iterator<Item = (&'a HomeserverConfig, Option<TokenVerifier>)>,
        need_restart: &mut Vec<String>,
    ) {
        for (homeserver, verifier) in verifiers {
            let is_set = verifier
                .is_some_and(|verifier| self.homeservers.set_verifier(homeserver.name(), verifier));
            need_restart.retain(|key| !(is_set && homeserver.has_credential_key(key)));
        }
    }
}

/// Returns `http.trusted_proxies` and `http.forwarded_header`, and removes them from `need_restart`. They
/// stay as they were if `http.proxy_protocol` or `http.listen` changes, which need a restart, and if the PROXY
/// protocol is on and the list is empty. The configuration accepts that for Unix sockets, but the service
/// manager may have passed a TCP socket, whose connections would all be rejected.
fn renew_trusted_proxies(
    current: &RoutingSnapshot,
    http: &HttpConfig,
    need_restart: &mut Vec<String>,
) -> Arc<TrustedProxies> {
    let trusted_proxies = &current.trusted_proxies;
    let belongs_to_a_restart =
        |key: &String| matches!(key.as_str(), "http.proxy_protocol" | "http.listen");
    let may_reject_all = http.proxy_protocol && http.trusted_proxies.is_empty();
    if may_reject_all || need_restart.iter().any(belongs_to_a_restart) {
        return Arc::clone(trusted_proxies);
    }
    need_restart.retain(|key| key != "http.trusted_proxies" && key != "http.forwarded_header");
    if trusted_proxies.are_those_of(http) {
        return Arc::clone(trusted_proxies);
    }
    Arc::new(trusted_proxies.successor(http))
}
