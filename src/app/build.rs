//! Builds the parts of the service, one function per part. Nothing runs yet.

use super::context::AppContext;
use super::reload::{Reload, ReloadContext};
use super::service_manager::ServiceManager;
use super::stores::{memory_store, redis_store};
use super::{App, RunError};
use crate::admin::{Admin, MetricsReader, Readiness, ReplicaIdentity, SessionApi};
use crate::config::Config;
use crate::config::store::StoreConfig;
use crate::http::readiness_path::ReadinessPath;
use crate::http::service::{RequestTelemetry, Service};
use crate::lifecycle::ReloadSignal;
use crate::net::connection::Connections;
use crate::net::listener::{self, BoundListeners};
use crate::net::passed_sockets::PassedSockets;
use crate::net::routing::CurrentRouting;
use crate::policy::{AdminAccess, Homeservers, Policy};
use crate::startup::{self, Prepared, PreparedStore};
use crate::store::observed::ObservedStore;
use crate::store::{ListSessions, Store, StoreParts};
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::one_sided_log::OneSidedLog;
use crate::telemetry::request_log::RequestLog;
use std::ffi::OsString;
use std::sync::Arc;
use tokio::sync::Semaphore;

impl App {
    /// Builds every part and binds both listeners, unless `sockets` has theirs.
    ///
    /// # Errors
    /// [`RunError::Listen`] if an address cannot be bound, [`RunError::PassedSocket`] if a socket of
    /// `sockets` cannot be used, [`RunError::Traces`] if a library rejects
    /// the settings.
    pub async fn build(
        config: Config,
        prepared: Prepared,
        sockets: PassedSockets,
        reload: ReloadContext,
        reload_signal: ReloadSignal,
    ) -> Result<Self, RunError> {
        let Prepared {
            store,
            verifiers,
            collector,
            metrics_collector,
            server_tls,
        } = prepared;
        let mut context = AppContext::new(config, collector)?;
        context.metrics_collector = metrics_collector;
        context.add_certificate_renewal(server_tls);
        let AppContext {
            config,
            clock,
            metrics,
            ..
        } = &context;
        let homeservers = startup::homeservers(&config.homeservers, verifiers, clock, metrics);
        match store {
            PreparedStore::Memory => {
                let store = memory_store(&context);
                context
                    .build(store, homeservers, sockets, reload, reload_signal)
                    .await
            }
            PreparedStore::Redis(settings) => {
                let store = redis_store(&context, &settings);
                context
                    .build(store, homeservers, sockets, reload, reload_signal)
                    .await
            }
        }
    }
}

impl AppContext {
    /// Builds the parts that need a store, and binds the listeners.
    async fn build<S: Store + ListSessions>(
        mut self,
        store: StoreParts<S>,
        homeservers: Homeservers,
        sockets: PassedSockets,
        reload: ReloadContext,
        reload_signal: ReloadSignal,
    ) -> Result<App, RunError> {
        let StoreParts {
            store,
            state,
            problems,
            identity,
            tasks,
        } = store;
        self.tasks.extend(tasks);
        let (metrics, traces) = (Arc::clone(&self.metrics), self.traces.clone());
        let store = Arc::new(ObservedStore::new(
            store,
            metrics,
            traces,
            self.clock.clone(),
        ));
        let homeservers = Arc::new(homeservers);
        let policy = self.policy();
        self.set_limit_gauges();
        let (http, admin) = self.bind_listeners(sockets).await?;
        let routing = Arc::new(CurrentRouting::new(&self.config));
        let readiness = Arc::new(Readiness {
            state,
            problems,
            lifecycle: self.lifecycle.clone(),
            policy: Arc::clone(&policy),
            homeservers: Arc::clone(&homeservers),
            routing: Arc::clone(&routing),
        });
        let metrics_reader = self.metrics_reader(&store, &readiness, &reload.log);
        let metrics_push = self.add_metrics_push(&metrics_reader);
        let service_manager = self.add_service_manager(&readiness, &reload.sources.env);
        let identity = Arc::new(ReplicaIdentity::new(reload.raw.digest(), identity));
        let readiness_path = self.config.http.readiness_path.clone();
        let readiness_path =
            readiness_path.map(|path| ReadinessPath::new(path, Arc::clone(&readiness) as _));
        let access = Arc::new(AdminAccess::new(
            self.config.admin_token.as_ref(),
            &self.clock,
        ));
        self.add_admin(admin, &store, metrics_reader, readiness, &identity, &access);
        let reload = Reload {
            context: reload,
            identity,
            policy: Arc::clone(&policy),
            admin_access: access,
            homeservers: Arc::clone(&homeservers),
            routing: Arc::clone(&routing),
            shares: Arc::clone(&self.shares),
            metrics: Arc::clone(&self.metrics),
            service_manager,
            certificate: self.certificate.clone(),
        };
        self.add_task("reload", reload.run(reload_signal));
        self.add_housekeeping(&policy, &homeservers);
        self.add_accepting(http, store, policy, homeservers, routing, readiness_path);
        Ok(App {
            tasks: self.tasks,
            lifecycle: self.lifecycle,
            connections: self.connections,
            shutdown: self.config.shutdown,
            interrupt_skips_grace: matches!(self.config.store, StoreConfig::Memory),
            traces: self.traces,
            metrics_push,
        })
    }

    fn policy(&self) -> Arc<Policy> {
        let policy = Policy::new(
            self.config.limits.clone(),
            self.config.telemetry.log_users,
            &self.clock,
            Arc::clone(&self.metrics),
        );
        policy.set_maintenance(self.config.maintenance);
        Arc::new(policy)
    }

    fn set_limit_gauges(&self) {
        let gauge = |limit: u64| i64::try_from(limit).unwrap_or(i64::MAX);
        let max_connections = self.config.http.max_connections as u64;
        self.metrics
            .sessions_limit
            .set(gauge(self.config.session.max_live));
        self.metrics.connections_limit.set(gauge(max_connections));
    }

    fn add_admin<S: Store + ListSessions>(
        &mut self,
        listeners: BoundListeners,
        store: &Arc<S>,
        metrics_reader: Arc<MetricsReader<S>>,
        readiness: Arc<Readiness>,
        identity: &Arc<ReplicaIdentity>,
        access: &Arc<AdminAccess>,
    ) {
        let admin = Arc::new(Admin {
            metrics_reader,
            readiness,
            identity: Arc::clone(identity),
            clock: self.clock.clone(),
            session_api: SessionApi::new(
                Arc::clone(store),
                self.pseudonyms.clone(),
                Arc::clone(access),
                self.clock.clone(),
            ),
        });
        self.add_task("admin listener", admin.run(listeners));
    }

    fn add_service_manager(
        &mut self,
        readiness: &Arc<Readiness>,
        env: &[(OsString, OsString)],
    ) -> Arc<ServiceManager> {
        let service_manager = Arc::new(ServiceManager::new(Arc::clone(readiness), env));
        let reporting = Arc::clone(&service_manager);
        self.add_task("service manager", async move { reporting.report().await });
        service_manager
    }

    fn add_housekeeping(&mut self, policy: &Arc<Policy>, homeservers: &Arc<Homeservers>) {
        let (policy, probed) = (Arc::clone(policy), Arc::clone(homeservers));
        let homeservers = Arc::clone(homeservers);
        self.add_task("housekeeping", async move { policy.sweep_forever().await });
        self.add_task("circuit breaker probes", async move {
            probed.run_breaker_probes().await;
        });
        self.add_task("homeserver probe", async move {
            homeservers.probe_verifiers().await;
        });
    }

    fn add_accepting<S: Store>(
        &mut self,
        listeners: BoundListeners,
        store: Arc<S>,
        policy: Arc<Policy>,
        homeservers: Arc<Homeservers>,
        routing: Arc<CurrentRouting>,
        readiness_path: Option<ReadinessPath>,
    ) {
        let rejection_log = Arc::clone(&self.rejection_log);
        let access_log = Arc::new(AccessLog::new(
            self.config.telemetry.access_log,
            self.replica.clone(),
            self.pseudonyms.clone(),
            self.clock.clone(),
            Arc::clone(&self.metrics),
        ));
        let reporting = Arc::clone(&access_log);
        self.add_task(
            "access log",
            async move { reporting.report_forever().await },
        );
        let telemetry = RequestTelemetry {
            metrics: Arc::clone(&self.metrics),
            request_log: RequestLog::new(access_log, Arc::clone(&rejection_log)),
            traces: self.traces.clone(),
            one_sided_log: Arc::new(OneSidedLog::new(
                self.replica.clone(),
                self.pseudonyms.clone(),
                self.clock.clone(),
            )),
        };
        let clock = self.clock.clone();
        let service = Service::new(
            &self.config,
            store,
            policy,
            homeservers,
            telemetry,
            clock,
            &self.lifecycle,
        );
        let service = service.with_readiness_path(readiness_path);
        let connections = Connections::new(
            &self.config,
            service,
            routing,
            self.lifecycle.clone(),
            Arc::clone(&self.metrics),
            rejection_log,
            self.clock.clone(),
        );
        let certificate = self.certificate.as_ref();
        let tls = certificate.map(|certificate| certificate.tls());
        let connections = Arc::new(connections.with_tls(tls));
        let permits = Arc::new(Semaphore::new(self.config.http.max_connections));
        let (tracker, soft) = (self.connections.clone(), self.lifecycle.soft().clone());
        let accepting = self.lifecycle.accepting();
        self.add_task("http listener", async move {
            let _until_accepted = accepting;
            let serve = |stream, peer, permit| Arc::clone(&connections).serve(stream, peer, permit);
            listener::accept(listeners, permits, &tracker, &soft, serve).await;
        });
    }
}
