//! matrix-rendezvous: arguments, configuration, telemetry, app, exit code.

use matrix_rendezvous::app::reload::ReloadContext;
use matrix_rendezvous::cli::{Cli, Command, ConfigCommand, EXIT_USAGE};
use matrix_rendezvous::config::Sources;
use matrix_rendezvous::startup::{self, Startup};
use matrix_rendezvous::telemetry::logs;
use matrix_rendezvous::telemetry::printable::Printable;
use matrix_rendezvous::{app, healthcheck, open_files};
use std::error::Error;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Wait for blocking threads after the last connection ended. A thread that hangs on a file or on the
/// resolution of a name must not hold the process.
const THREAD_GRACE: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let cli = match Cli::parse_arguments() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let sources = cli.overrides.sources(environment());
    let startup = match startup::load(&sources) {
        Ok(startup) => startup,
        Err(error) => {
            print_error(&format!("configuration error:\n{error}"));
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let result = match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(startup, sources),
        Command::Config(ConfigCommand::Check) => {
            let mut config = startup.config;
            let too_few_files = open_files::limit_connections(&mut config);
            for warning in config.warnings().into_iter().chain(too_few_files) {
                print_error(&format!("warning: {warning}"));
            }
            println!("the configuration is valid");
            Ok(())
        }
        Command::Config(ConfigCommand::Print) => {
            print!("{}", startup.raw);
            Ok(())
        }
        Command::Healthcheck => healthcheck::run(startup.config.admin_listen).map_err(Into::into),
    };
    if let Err(error) = result {
        print_error(&format!("matrix-rendezvous: {error}"));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Prints to standard error. The text may quote a file, a variable or a peer, so what a terminal would
/// interpret is escaped.
fn print_error(text: &str) {
    for line in text.lines() {
        eprintln!("{}", Printable(line));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the environment is read"
)]
fn environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

fn serve(startup: Startup, sources: Sources) -> Result<(), Box<dyn Error + Send + Sync>> {
    let (config, raw) = (startup.config, startup.raw);
    let level = logs::parse_level(&config.telemetry.log_level)?;
    // Held to the end: dropping the last clone writes the lines that are left.
    let log = Arc::new(logs::init(level, config.telemetry.log_format)?);
    let reload = ReloadContext {
        redis: startup.prepared.redis_layout(),
        sources,
        raw,
        log: Arc::clone(&log),
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let ended = runtime.block_on(app::run(config, startup.prepared, reload));
    runtime.shutdown_timeout(THREAD_GRACE);
    if ended? {
        Ok(())
    } else {
        Err("connections were cut".into())
    }
}
