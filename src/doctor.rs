//! `matrix-rendezvous doctor`: diagnoses why a sign-in by QR code fails, from outside and from inside.
//!
//! ```text
//! options ─► target ─► check_context ─► checks/* ─► report ─► watch
//!                            ├── client ─► exchange, connection     from outside
//!                            └── deployment                         from inside
//! ```
//!
//! From outside, the doctor sends what a client would send, each request on a connection of its own,
//! and marks it by `X-Rendezvous-Probe` (R0.38). From inside, it checks what a configuration names,
//! with the texts of a worker. Each check has an id; `checks` makes them in the order of
//! `check::CheckId::ALL`. A check that needs what an earlier one did not find is skipped.

mod address_family;
mod address_override;
mod check;
mod check_context;
mod checks;
mod client;
mod conformance;
mod connect_error;
mod connection;
mod deployment;
mod diagnosis;
mod error;
mod exchange;
mod json_request;
mod kept_connection;
mod listener_override;
mod options;
mod peer_certificate;
mod replica_version;
mod report;
mod target;
mod tls_failure;
mod watch;

use crate::clock::Clock;
use crate::config::Sources;
use crate::config::secret::{self, Secret};
use crate::startup;
use crate::telemetry::printable::print_error;
use crate::tls;
use address_override::AddressOverride;
use check::CheckScope;
use check_context::CheckContext;
use client::ProbeClient;
use conformance::Conformance;
use connection::Connector;
use deployment::Deployment;
pub use error::DoctorError;
use listener_override::ListenerOverride;
pub use options::{DoctorOptions, ReportFormat};
use report::{CheckResult, Report, Status};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::sync::Arc;
use target::{DoctorTarget, TargetKind};

/// What the doctor found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every check passed, or warned without `--strict`.
    Passed,
    /// A check failed, or warned with `--strict`.
    Failed,
}

/// Checks each target and prints a report for each: once, or again and again with `--watch`.
///
/// # Errors
/// [`DoctorError`] if there is no report.
pub async fn run(options: DoctorOptions, sources: &Sources) -> Result<Verdict, DoctorError> {
    let doctor = Doctor {
        options,
        sources,
        clock: Clock::system(),
        has_warned: Cell::new(false),
        has_printed: Cell::new(false),
    };
    if doctor.options.conformance {
        return doctor.try_conformance().await;
    }
    if let Some(interval) = doctor.options.watch {
        // Boxed: it holds a whole configuration.
        let watching = watch::watch(&doctor, interval, &doctor.options.metrics_listen);
        Box::pin(watching).await?;
        return Ok(Verdict::Passed);
    }
    let reports = doctor.check_targets().await?;
    let worst = reports.iter().map(Report::status).max();
    Ok(match worst {
        Some(Status::Fail) => Verdict::Failed,
        Some(Status::Warn) if doctor.options.strict => Verdict::Failed,
        _ => Verdict::Passed,
    })
}

/// What one run needs.
struct Doctor<'a> {
    options: DoctorOptions,
    sources: &'a Sources,
    clock: Clock,
    /// Whether each `--resolve` without effect was named.
    has_warned: Cell<bool>,
    /// Whether a report was printed: an empty line separates the next one.
    has_printed: Cell<bool>,
}

impl Doctor<'_> {
    /// Makes the checks of each target, and prints each report, except for `watch`. Reads the files that
    /// the options and the configuration name.
    async fn check_targets(&self) -> Result<Vec<Report>, DoctorError> {
        let options = &self.options;
        let token = self.token()?;
        let deployment = self.deployment().await?;
        let (mut reports, mut requested) = (Vec::new(), BTreeSet::new());
        let targets = self.targets(deployment.as_deref())?;
        if token.is_some() && targets.len() > 1 {
            return Err(DoctorError::TokenOfOne);
        }
        for (mut target, scope) in targets {
            let listener = self.listener(&target)?;
            if let Some(listener) = &listener {
                target.text = format!("{} via {}", target.text, listener.via);
            }
            let mut context = CheckContext {
                deployment: deployment.clone(),
                replicas: options.replicas.clone(),
                token: token.clone(),
                is_long: options.long,
                read_only: options.read_only,
                ..CheckContext::new(self.client(listener)?, target)
            };
            let report = check_target(&mut context, scope, &self.clock).await;
            // A later target may hang until something ends the process.
            if self.options.watch.is_none() {
                self.print(std::slice::from_ref(&report))?;
            }
            reports.push(report);
            requested.extend(context.client.connector().requested().iter().cloned());
        }
        if !self.has_warned.replace(true) {
            warn_about_unused(&options.resolve, &requested);
        }
        Ok(reports)
    }

    /// Tries the rules of the protocol, and prints the table.
    async fn try_conformance(&self) -> Result<Verdict, DoctorError> {
        let token = self.token()?;
        let server = self.options.server.as_deref().unwrap_or_default();
        let target = DoctorTarget::parse(server).map_err(DoctorError::Target)?;
        let token = token.as_ref().map(Secret::expose);
        let conformance = Conformance::run(self.client(None)?, target, token).await?;
        let table = conformance.render(self.options.format);
        io::stdout().lock().write_all(table.as_bytes())?;
        Ok(if conformance.is_conforming() {
            Verdict::Passed
        } else {
            Verdict::Failed
        })
    }

    fn print(&self, reports: &[Report]) -> Result<(), DoctorError> {
        let mut out = io::stdout().lock();
        for report in reports {
            let is_text = self.options.format == ReportFormat::Text;
            if self.has_printed.replace(true) && is_text {
                writeln!(out)?;
            }
            out.write_all(report.render(self.options.format).as_bytes())?;
        }
        Ok(out.flush()?)
    }

    /// Inspects the deployment, if there is a configuration.
    async fn deployment(&self) -> Result<Option<Arc<Deployment>>, DoctorError> {
        if !self.sources.is_given() {
            return Ok(None);
        }
        let startup = startup::load(self.sources)?;
        let (wait, may_write) = (self.options.timeout, !self.options.read_only);
        let deployment = Deployment::inspect(startup, &self.clock, wait, may_write).await;
        Ok(Some(Arc::new(deployment)))
    }

    /// Returns the target of each report, and the checks of the report: SERVER, or the base URL of the
    /// configuration, or the configuration alone. With several base URLs, the checks from inside are in
    /// a report of their own, which is the first: each would have the same result for every base URL.
    fn targets(
        &self,
        deployment: Option<&Deployment>,
    ) -> Result<Vec<(DoctorTarget, CheckScope)>, DoctorError> {
        let parse = |text: &str| DoctorTarget::parse(text).map_err(DoctorError::Target);
        if let Some(server) = &self.options.server {
            return Ok(vec![(parse(server)?, CheckScope::All)]);
        }
        let urls = &deployment.ok_or(DoctorError::NoTarget)?.base_urls;
        match urls.as_slice() {
            [] => Ok(vec![(DoctorTarget::configuration(), CheckScope::All)]),
            [url] => Ok(vec![(parse(url)?, CheckScope::All)]),
            urls => {
                let mut targets = vec![(DoctorTarget::configuration(), CheckScope::Inside)];
                for url in urls {
                    targets.push((parse(url)?, CheckScope::Outside));
                }
                Ok(targets)
            }
        }
    }

    /// Reads the access token of `--token-file`.
    fn token(&self) -> Result<Option<Secret>, DoctorError> {
        let path = self.options.token_file.as_deref();
        let read = path.map(|path| secret::read::<Secret>("--token-file", path));
        read.transpose().map_err(DoctorError::TokenFile)
    }

    /// Returns the listener of `--via` for a target.
    fn listener(&self, target: &DoctorTarget) -> Result<Option<ListenerOverride>, DoctorError> {
        let Some(via) = self.options.via.clone() else {
            return Ok(None);
        };
        let via_text = || via.as_str().trim_end_matches('/').to_owned();
        match &target.kind {
            TargetKind::BaseUrl(public) => Ok(Some(ListenerOverride {
                public: public.clone(),
                via,
            })),
            TargetKind::ServerName { well_known, .. } => Err(DoctorError::ViaWithServerName {
                via: via_text(),
                server: target.text.clone(),
                well_known: well_known.to_string(),
            }),
            TargetKind::Configuration => Err(DoctorError::ViaWithoutBase { via: via_text() }),
        }
    }

    fn client(&self, listener: Option<ListenerOverride>) -> Result<ProbeClient, DoctorError> {
        let options = &self.options;
        let ca_file = options.ca_file.as_deref();
        let roots = tls::load_ca_bundle(ca_file).map_err(|error| DoctorError::CaFile {
            path: options.ca_file.clone().unwrap_or_default(),
            error,
        })?;
        let (family, overrides) = (options.family.family(), options.resolve.clone());
        let connector = Connector::new(family, overrides, listener, &roots)?;
        let (origin, clock) = (options.origin.clone(), self.clock.clone());
        Ok(ProbeClient::new(connector, options.timeout, origin, clock))
    }
}

/// Warns about each `--resolve` of a host and port to which no request went: its name may be misspelt.
fn warn_about_unused(overrides: &[AddressOverride], requested: &BTreeSet<(String, u16)>) {
    let is_used = |entry: &AddressOverride| {
        let mut hosts = requested.iter();
        hosts.any(|(host, port)| entry.address_of(host, *port).is_some())
    };
    let hosts: Vec<_> = requested
        .iter()
        .map(|(host, port)| format!("{host}:{port}"))
        .collect();
    for unused in overrides.iter().filter(|entry| !is_used(entry)) {
        print_error(&format!(
            "warning: --resolve {unused} had no effect: no request was to that host and port; the \
             requests were to {}",
            hosts.join(", ")
        ));
    }
}

/// Makes the checks of a report on one target.
async fn check_target(context: &mut CheckContext, scope: CheckScope, clock: &Clock) -> Report {
    let started = clock.time_of_day();
    let mut checks = Vec::new();
    for id in scope.checks() {
        let outcome = checks::run(id, context).await;
        let evidence = context.client.take_evidence();
        checks.push(CheckResult {
            id,
            outcome,
            evidence,
        });
    }
    Report {
        target: context.target.text.clone(),
        base_url: context.base.as_ref().map(ToString::to_string),
        started,
        checks,
    }
}
