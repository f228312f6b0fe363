//! The options of `matrix-rendezvous doctor`.

use crate::doctor::connection::{AddressFamily, AddressOverride};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// What to check, and how to report it.
#[derive(Debug, Clone, Args)]
pub struct DoctorOptions {
    /// Server name (example.org) or base URL (`https://matrix.example.org`) [default: the base URLs
    /// of the configuration]
    #[arg(value_name = "SERVER")]
    pub(super) server: Option<String>,
    /// Origin of the web client that requests claim to come from
    #[arg(long, value_name = "URL", default_value = "https://app.element.io")]
    pub(super) origin: String,
    /// Connect to ADDRESS instead of HOST:PORT (an IP address, or one with a port); repeatable
    #[arg(long, value_name = "HOST:PORT:ADDRESS")]
    pub(super) resolve: Vec<AddressOverride>,
    /// PEM file with more certificate authorities to trust
    #[arg(long, value_name = "FILE")]
    pub(super) ca_file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) family: FamilyOptions,
    /// Time limit of one request
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = humantime::parse_duration)]
    pub(super) timeout: Duration,
    /// Create no session; skip the checks that need one
    #[arg(long)]
    pub(super) read_only: bool,
    /// Format of the report
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: ReportFormat,
    /// Exit with 1 for warnings too
    #[arg(long)]
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

/// The format of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people: failures first.
    Text,
    /// For programs: one JSON object for each target, described by docs/doctor.schema.json.
    Json,
}
