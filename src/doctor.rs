//! `matrix-rendezvous doctor`: diagnoses from outside why a sign-in by QR code fails.
//!
//! ```text
//! options ─► target ─► examination ─► checks/* ─► report
//!                           └── client ─► exchange, connection
//! ```
//!
//! The doctor sends what a client would send, each request on a connection of its own, and marks it by
//! `X-Rendezvous-Probe` (R0.38). Each check has an id; `checks` makes them in the order of
//! `check::CheckId::ALL`. A check that needs what an earlier one did not find is skipped.

mod check;
mod checks;
mod client;
mod connection;
mod diagnosis;
mod examination;
mod exchange;
mod options;
mod report;
mod target;

use crate::clock::Clock;
use crate::config::ConfigError;
use crate::config::Sources;
use crate::startup;
use crate::tls::{self, CaBundleError};
use check::CheckId;
use client::ProbeClient;
use connection::Connector;
use examination::Examination;
pub use options::{DoctorOptions, ReportFormat};
use report::{CheckResult, Report, Status};
use std::io::{self, Write as _};
use std::path::PathBuf;
use target::DoctorTarget;

/// What the doctor found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every check passed, or warned without `--strict`.
    Passed,
    /// A check failed, or warned with `--strict`.
    Failed,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// SERVER is neither a server name nor a base URL.
    #[error("{0}")]
    Target(String),
    /// Without SERVER the configuration is read, and it is invalid.
    #[error("no SERVER was given, and the configuration cannot be used:\n{0}")]
    Config(#[from] ConfigError),
    /// Without SERVER the configuration must have a base URL.
    #[error(
        "no SERVER was given, and the configuration has no http.public_base_url: expected \
         matrix-rendezvous doctor example.org"
    )]
    NoTarget,
    /// The file of `--ca-file` cannot be used.
    #[error("--ca-file {path}: {error}", path = path.display())]
    CaFile {
        /// The path of the file.
        path: PathBuf,
        /// The reason.
        error: CaBundleError,
    },
    /// rustls rejected the TLS settings.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The report cannot be written.
    #[error("the report cannot be written: {0}")]
    Output(#[from] io::Error),
}

impl DoctorError {
    /// Whether the user has to change the arguments or the configuration.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Target(_) | Self::Config(_) | Self::NoTarget => true,
            Self::CaFile { .. } | Self::Tls(_) | Self::Output(_) => false,
        }
    }
}

/// Checks each target, and prints a report for each.
///
/// # Errors
/// [`DoctorError`] if there is no report.
pub async fn run(options: DoctorOptions, sources: &Sources) -> Result<Verdict, DoctorError> {
    let clock = Clock::system();
    let mut worst = Status::Skip;
    for target in targets(&options, sources)? {
        let client = client(&options, clock.clone())?;
        let exam = Examination::new(client, target, options.read_only);
        let report = examine(exam, &clock).await;
        worst = worst.max(report.status());
        let text = report.render(options.format);
        io::stdout().lock().write_all(text.as_bytes())?;
    }
    let has_failed = worst == Status::Fail || (options.strict && worst == Status::Warn);
    Ok(if has_failed {
        Verdict::Failed
    } else {
        Verdict::Passed
    })
}

/// Returns what is checked: SERVER, or each base URL of the configuration.
fn targets(options: &DoctorOptions, sources: &Sources) -> Result<Vec<DoctorTarget>, DoctorError> {
    let parse = |text: &str| DoctorTarget::parse(text).map_err(DoctorError::Target);
    if let Some(server) = &options.server {
        return Ok(vec![parse(server)?]);
    }
    let config = startup::load(sources)?.config;
    let homeservers = config.homeservers.iter();
    let urls: Vec<_> = homeservers
        .filter_map(|homeserver| homeserver.public_base_url.as_deref())
        .collect();
    if urls.is_empty() {
        return Err(DoctorError::NoTarget);
    }
    urls.into_iter().map(parse).collect()
}

fn client(options: &DoctorOptions, clock: Clock) -> Result<ProbeClient, DoctorError> {
    let ca_file = options.ca_file.as_deref();
    let roots = tls::load_ca_bundle(ca_file).map_err(|error| DoctorError::CaFile {
        path: options.ca_file.clone().unwrap_or_default(),
        error,
    })?;
    let connector = Connector::new(options.family.family(), options.resolve.clone(), &roots)?;
    let origin = options.origin.clone();
    Ok(ProbeClient::new(connector, options.timeout, origin, clock))
}

/// Makes every check on one target.
async fn examine(mut exam: Examination, clock: &Clock) -> Report {
    let started = clock.time_of_day();
    let mut checks = Vec::new();
    for id in CheckId::ALL {
        let outcome = checks::run(id, &mut exam).await;
        let evidence = exam.client.take_evidence();
        checks.push(CheckResult {
            id,
            outcome,
            evidence,
        });
    }
    Report {
        target: exam.target.text,
        base_url: exam.base.map(|base| base.to_string()),
        started,
        checks,
    }
}
