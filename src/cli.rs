//! The command line.

use crate::config::Sources;
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// The rendezvous server for Matrix QR-code sign-in (MSC4388).
///
/// Configuration comes from the built-in defaults, a TOML file, RENDEZVOUS_… variables of the
/// environment, and flags; later ones win.
#[derive(Debug, Parser)]
#[command(name = "matrix-rendezvous", version)]
pub struct Cli {
    /// What to do; without it, serve.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Where the configuration comes from.
    #[command(flatten)]
    pub overrides: Overrides,
}

/// What to do.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Command {
    /// Run the service (the default).
    Serve,
    /// Look at the configuration without running.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Exit with 0 if the service on this host is ready, else with 1 (for images without curl).
    Healthcheck,
}

/// How to look at the configuration.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum ConfigCommand {
    /// Say what is wrong with it, and exit with 64 if anything is.
    Check,
    /// Print what would run, as TOML, with secrets masked.
    Print,
}

/// Flags that change the configuration, on any command.
#[derive(Debug, Args)]
pub struct Overrides {
    /// TOML file to read (or `RENDEZVOUS_CONFIG`)
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Who may create a session: off, open
    #[arg(long, global = true, value_name = "MODE")]
    mode: Option<String>,
    /// Address for clients, as in http.listen
    #[arg(long, global = true, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Address for operators, as in admin.listen
    #[arg(long, global = true, value_name = "ADDRESS")]
    admin_listen: Option<String>,
    /// Any other key, as in session.ttl=120s; may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
}

impl Overrides {
    /// The sources of the configuration, with the environment as it was handed in.
    #[must_use]
    pub fn sources(self, env: Vec<(OsString, OsString)>) -> Sources {
        let mut flags = Vec::new();
        for (key, value) in self.set {
            flags.push((format!("--set {key}"), key, value));
        }
        let named = [
            ("--mode", "mode", self.mode),
            ("--listen", "http.listen", self.listen),
            ("--admin-listen", "admin.listen", self.admin_listen),
        ];
        for (flag, key, value) in named {
            if let Some(value) = value {
                flags.push((flag.to_owned(), key.to_owned(), value));
            }
        }
        Sources {
            file: self.config,
            env,
            flags,
        }
    }
}

fn key_value(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}
