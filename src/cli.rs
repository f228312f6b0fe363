//! The command line: commands, flags, and the help text.

pub mod reference;

use crate::config::Sources;
use crate::doctor::DoctorOptions;
use crate::telemetry::printable;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Follows the list of options in every help page of the program itself.
const AFTER_HELP: &str = "\
Exit codes:
  0   success; serve: a signal ended the process and every request was answered
  1   failure: an address in use, a crash, connections cut at shutdown; healthcheck: not ready;
      doctor: a check failed
  2   doctor: there is no report
  64  invalid configuration or usage

Example, with sessions in memory and the API that released clients use:
  matrix-rendezvous serve --mode open --set msc4108.enabled=true

Documentation: docs/ in the source repository. docs/configuration.md lists every key with its
default, docs/operations.md is for operators.";

/// Exit code for invalid configuration or usage (`EX_USAGE` of sysexits.h): trying again will not help.
pub const EXIT_USAGE: u8 = 64;

/// Exit code of the doctor if it wrote no report.
pub const EXIT_NO_REPORT: u8 = 2;

/// The rendezvous server for Matrix QR-code sign-in (MSC4388 and MSC4108).
///
/// Configuration sources, later ones win: built-in defaults, the TOML file, environment variables
/// (`session.ttl` is `RENDEZVOUS_SESSION__TTL`), --set, and the flags for single keys.
#[derive(Debug, Parser)]
#[command(name = "matrix-rendezvous", version, after_help = AFTER_HELP)]
pub struct Cli {
    /// The command to run [default: serve]
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The flags that change the configuration.
    #[command(flatten)]
    pub overrides: Overrides,
}

impl Cli {
    /// Parses the arguments of this process.
    ///
    /// # Errors
    /// The exit code, after the help, the version or the usage error was printed.
    pub fn parse_arguments() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| {
            if error.use_stderr() {
                printable::print_error(&error.to_string());
                return ExitCode::from(EXIT_USAGE);
            }
            // If even the terminal is gone, there is nowhere to report that.
            let _printed = error.print();
            ExitCode::SUCCESS
        })
    }
}

/// The commands.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Run the server (the default)
    Serve,
    /// Inspect the configuration without running the server
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Exit with 0 if the server on this host is ready, with 1 if not (for images without curl)
    Healthcheck,
    /// Diagnose why sign-ins by QR code fail: check a homeserver as its clients see it
    Doctor(Box<DoctorOptions>),
    /// Write the man pages (section 1) of the program and of each command into a directory
    Man {
        /// An existing directory, such as /usr/local/share/man/man1
        directory: PathBuf,
    },
    /// Print a script that completes commands and flags in a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// The commands that inspect the configuration.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum ConfigCommand {
    /// Report every error in the configuration; exit with 64 if there is one
    Check,
    /// Print the merged configuration as TOML, with secrets masked
    Print,
    /// Print the JSON schema of the configuration file, for editors
    Schema,
}

/// Flags that change the configuration. Every command accepts them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Configuration")]
pub struct Overrides {
    /// TOML file to read (or `RENDEZVOUS_CONFIG`) [default: none]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Who may create sessions through MSC4388: off (the API answers 404), authenticated (users of
    /// the homeserver), open (anyone) [default: off]
    #[arg(long, global = true, value_name = "MODE")]
    mode: Option<String>,
    /// Address of the listener for clients (http.listen): IP:PORT, HOST:PORT, :PORT (all IPv6 and IPv4
    /// addresses) or unix:PATH; repeatable, or a,b [default: 127.0.0.1:8080]
    #[arg(long, global = true, value_name = "ADDRESS")]
    listen: Vec<String>,
    /// Address of the listener for operators (admin.listen), in the same forms; repeatable
    /// [default: 127.0.0.1:8081]
    #[arg(long, global = true, value_name = "ADDRESS")]
    admin_listen: Vec<String>,
    /// Set any configuration key, for example session.ttl=120s; a list is written a,b; repeatable
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = parse_assignment)]
    set: Vec<(String, String)>,
}

impl Overrides {
    /// Returns the sources of the configuration: the file, `env`, and the flags. Flags for single
    /// keys come after `--set`, and later flags win.
    #[must_use]
    pub fn sources(self, env: Vec<(OsString, OsString)>) -> Sources {
        let mut flags = Vec::new();
        for (key, value) in self.set {
            flags.push((format!("--set {key}"), key, value));
        }
        let single = [
            ("--mode", "mode", self.mode.into_iter().collect()),
            ("--listen", "http.listen", self.listen),
            ("--admin-listen", "admin.listen", self.admin_listen),
        ];
        for (flag, key, values) in single {
            if !values.is_empty() {
                flags.push((flag.to_owned(), key.to_owned(), values.join(",")));
            }
        }
        Sources {
            file: self.config,
            env,
            flags,
        }
    }
}

/// Parses `KEY=VALUE`. The value may contain `=` and may be empty.
fn parse_assignment(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    let key = key.trim();
    if key.is_empty() {
        return Err("expected KEY=VALUE, found no key before =");
    }
    Ok((key.to_owned(), value.to_owned()))
}
