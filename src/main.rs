//! matrix-rendezvous: arguments, configuration, telemetry, app, exit code.

use clap::Parser;
use matrix_rendezvous::app::reload::ReloadContext;
use matrix_rendezvous::cli::{Cli, Command, ConfigCommand};
use matrix_rendezvous::config::{Config, RawConfig, Sources};
use matrix_rendezvous::telemetry::logs;
use matrix_rendezvous::{app, healthcheck, startup};
use std::error::Error;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Bad configuration or usage (`EX_USAGE` of sysexits.h): trying again will not help.
const EXIT_USAGE: u8 = 64;

/// For what is still under way when all connections have ended.
const LAST_THREADS: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { EXIT_USAGE } else { 0 };
            // Nothing is left to tell it to where even the terminal is gone.
            let _printed = error.print();
            return ExitCode::from(code);
        }
    };
    let sources = cli.overrides.sources(environment());
    let startup::Startup {
        config,
        raw,
        prepared,
    } = match startup::load(&sources) {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("configuration error:\n{error}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let done = match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(config, prepared, sources, raw),
        Command::Config(ConfigCommand::Check) => {
            config
                .warnings()
                .iter()
                .for_each(|warning| eprintln!("warning: {warning}"));
            println!("the configuration is valid");
            Ok(())
        }
        Command::Config(ConfigCommand::Print) => {
            print!("{raw}");
            Ok(())
        }
        Command::Healthcheck => healthcheck::run(config.admin_listen).map_err(Into::into),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("matrix-rendezvous: {error}");
            ExitCode::FAILURE
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the environment is read"
)]
fn environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

fn serve(
    config: Config,
    prepared: startup::Prepared,
    sources: Sources,
    raw: RawConfig,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let level = logs::parse_level(&config.telemetry.log_level)?;
    // Held to the end, when it writes what is left.
    let log = Arc::new(logs::init(level, config.telemetry.log_format)?);
    let origin = ReloadContext {
        sources,
        raw,
        log: Arc::clone(&log),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(app::run(config, prepared, origin));
    // A thread that hangs on a file or on a name to resolve must not hold the process.
    runtime.shutdown_timeout(LAST_THREADS);
    if ended? {
        Ok(())
    } else {
        Err("connections were cut".into())
    }
}
