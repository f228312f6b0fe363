//! The options of `matrix-rendezvous doctor`.

use crate::config::listen::ListenAddress;
use crate::doctor::address_family::AddressFamily;
use crate::doctor::address_override::AddressOverride;
use crate::doctor::listener_override::parse_listener;
use crate::doctor::target::parse_base_url;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// The shortest interval of `--watch`: each run creates up to two sessions of one client, one of them of a
/// user, and `limits.create.user` allows one in 10 s.
const MIN_INTERVAL: Duration = Duration::from_secs(10);

/// The options without effect on `--conformance`, which makes no check and reads no configuration.
const CHECKS_ONLY: [&str; 10] = [
    "replicas",
    "long",
    "read_only",
    "watch",
    "strict",
    "config",
    "mode",
    "listen",
    "admin_listen",
    "set",
];

/// What to check, and how to report it.
#[expect(clippy::struct_excessive_bools, reason = "flags of the command line")]
#[derive(Debug, Clone, Args)]
pub struct DoctorOptions {
    /// Server name (example.org) or base URL (`https://matrix.example.org`) [default: the base URLs
    /// of the configuration]
    #[arg(value_name = "SERVER")]
    pub(super) server: Option<String>,
    /// URL of a replica's admin listener, such as `http://10.0.0.7:8081`; repeatable
    #[arg(long = "replica", value_name = "URL", value_parser = parse_replica)]
    pub(super) replicas: Vec<Url>,
    /// File with the access token of a user, for mode authenticated
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// Origin of the web client that requests claim to come from
    #[arg(long, value_name = "URL", default_value = "https://app.element.io")]
    pub(super) origin: String,
    /// Connect to ADDRESS instead of HOST:PORT (an IP address, or one with a port); repeatable
    #[arg(long, value_name = "HOST:PORT:ADDRESS")]
    pub(super) resolve: Vec<AddressOverride>,
    /// Send what is for the host of SERVER to this HTTP listener of the service, past the proxy
    #[arg(long, value_name = "URL", value_parser = parse_listener, conflicts_with_all = ["conformance", "resolve"])]
    pub(super) via: Option<Url>,
    /// PEM file with more certificate authorities to trust
    #[arg(long, value_name = "FILE")]
    pub(super) ca_file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) family: FamilyOptions,
    /// Time limit of one request
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = humantime::parse_duration)]
    pub(super) timeout: Duration,
    /// Print which rules of docs/protocol.md any server keeps, instead of the checks
    #[arg(long, requires = "server", conflicts_with_all = CHECKS_ONLY)]
    pub(super) conformance: bool,
    /// Also make the checks that take a minute
    #[arg(long, conflicts_with = "read_only")]
    pub(super) long: bool,
    /// Create no session; skip the checks that need one
    #[arg(long)]
    pub(super) read_only: bool,
    /// Format of the report
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: ReportFormat,
    /// Check again at this interval until a signal, and show the results to Prometheus
    #[arg(long, value_name = "DURATION", value_parser = parse_interval)]
    pub(super) watch: Option<Duration>,
    /// Address of the metrics of --watch
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8084",
        requires = "watch"
    )]
    pub(super) metrics_listen: ListenAddress,
    /// Exit with 1 for warnings too
    #[arg(long, conflicts_with = "watch")]
    pub(super) strict: bool,
}

/// The address families that the doctor may use.
#[derive(Debug, Clone, Copy, Args)]
pub struct FamilyOptions {
    /// Use IPv4 only
    #[arg(long, conflicts_with = "ipv6")]
    ipv4: bool,
    /// Use IPv6 only
    #[arg(long)]
    ipv6: bool,
}

impl FamilyOptions {
    /// The family of the flags.
    pub(super) fn family(self) -> AddressFamily {
        match (self.ipv4, self.ipv6) {
            (true, _) => AddressFamily::Ipv4,
            (false, true) => AddressFamily::Ipv6,
            (false, false) => AddressFamily::Any,
        }
    }
}

/// Parses the interval of `--watch`. Each run is a client's sign-in, within its limits.
fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if interval < MIN_INTERVAL {
        let shortest = humantime::format_duration(MIN_INTERVAL);
        return Err(format!("expected at least {shortest}"));
    }
    Ok(interval)
}

/// Parses the URL of an admin listener.
fn parse_replica(text: &str) -> Result<Url, &'static str> {
    parse_base_url(text).ok_or("expected a URL such as http://10.0.0.7:8081")
}

/// The format of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people: failures first.
    Text,
    /// For programs: one JSON object for each target, described by docs/doctor.schema.json.
    Json,
}
